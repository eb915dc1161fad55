// build: x86_64: -mavx512f -mavx512bw -mavx512vnni
// The int8 rate of AVX-512 with VNNI (vpdpbusd); the other rates are those of plain AVX-512.
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

uint64_t Read(const uint8_t* data, size_t bytes) { return kRatesAvx512.read(data, bytes); }
float Fp32(int64_t rounds) { return kRatesAvx512.fp32(rounds); }

int32_t Int8(int64_t rounds) {
  __m512i acc[kChains] = {}, a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(-2);
  for (int64_t i = 0; i < rounds; ++i) {
    for (auto& s : acc) {
      __asm__ volatile("" : "+v"(a));
      s = _mm512_dpbusd_epi32(s, a, b);
    }
  }
  __m512i sum = acc[0];
  for (int j = 1; j < kChains; ++j) sum = _mm512_add_epi32(sum, acc[j]);
  return FirstWord<int32_t>(sum);
}

}  // namespace

const RateKernels kRatesAvx512Vnni = {Read, Fp32, kChains * 16 * 2, Int8, kChains * 64 * 2};

}  // namespace edgefront
