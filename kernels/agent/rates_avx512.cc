// build: x86_64: -mavx512f -mavx512bw
// Rate loops for AVX-512 without VNNI.
#include <immintrin.h>

#include "agent/rates.h"

namespace edgefront {
namespace {

constexpr int kChains = 12;

// Returns the first word of x. Reduce and extract intrinsics were rejected, because those of GCC 12 warn
// about their own uninitialised operands.
template <class T>
T FirstWord(__m512i x) {
  alignas(64) T words[64 / sizeof(T)];
  _mm512_store_si512(words, x);
  return words[0];
}

#define EDGEFRONT_OPAQUE(x) __asm__ volatile("" : "+v"(x))

uint64_t Read(const uint8_t* data, size_t bytes) {
  __m512i s[4] = {};
  for (size_t i = 0; i < bytes; i += 256) {
    for (int j = 0; j < 4; ++j) s[j] = _mm512_xor_si512(s[j], _mm512_load_si512(data + i + 64 * j));
  }
  const __m512i x = _mm512_xor_si512(_mm512_xor_si512(s[0], s[1]), _mm512_xor_si512(s[2], s[3]));
  return FirstWord<uint64_t>(x);
}

float Fp32(int64_t rounds) {
  __m512 acc[kChains], m = _mm512_set1_ps(0.999f), b = _mm512_set1_ps(0.001f);
  for (auto& a : acc) a = _mm512_set1_ps(1.0f);
  for (int64_t i = 0; i < rounds; ++i) {
    EDGEFRONT_OPAQUE(m);  // 1 * 0.999 + 0.001 is 1 again: a compiler that sees this removes the loop
    for (auto& a : acc) a = _mm512_fmadd_ps(a, m, b);
  }
  __m512 sum = acc[0];
  for (int j = 1; j < kChains; ++j) sum = _mm512_add_ps(sum, acc[j]);
  return _mm512_cvtss_f32(sum);
}

int32_t Int8(int64_t rounds) {
  __m512i acc[kChains] = {}, a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(-2);
  const __m512i ones = _mm512_set1_epi16(1);
  for (int64_t i = 0; i < rounds; ++i) {
    for (auto& s : acc) {
      EDGEFRONT_OPAQUE(a);
      s = _mm512_add_epi32(s, _mm512_madd_epi16(_mm512_maddubs_epi16(a, b), ones));
    }
  }
  __m512i sum = acc[0];
  for (int j = 1; j < kChains; ++j) sum = _mm512_add_epi32(sum, acc[j]);
  return FirstWord<int32_t>(sum);
}

}  // namespace

const RateKernels kRatesAvx512 = {Read, Fp32, kChains * 16 * 2, Int8, kChains * 64 * 2};

}  // namespace edgefront
