// build: x86_64: -mavx2 -mfma
// Rate loops for AVX2 with FMA: 12 independent chains hide the latency of a multiply-add on two ports.
#include <immintrin.h>

#include "agent/rates.h"

namespace edgefront {
namespace {

constexpr int kChains = 12;

// Hides a register's value from the compiler, so that it neither folds nor removes the work on it.
#define EDGEFRONT_OPAQUE(x) __asm__ volatile("" : "+x"(x))

uint64_t Read(const uint8_t* data, size_t bytes) {
  __m256i s[4] = {};
  for (size_t i = 0; i < bytes; i += 128) {
    const auto* p = reinterpret_cast<const __m256i*>(data + i);
    for (int j = 0; j < 4; ++j) s[j] = _mm256_xor_si256(s[j], _mm256_load_si256(p + j));
  }
  const __m256i x = _mm256_xor_si256(_mm256_xor_si256(s[0], s[1]), _mm256_xor_si256(s[2], s[3]));
  return static_cast<uint64_t>(_mm256_extract_epi64(x, 0) ^ _mm256_extract_epi64(x, 3));
}

float Fp32(int64_t rounds) {
  __m256 acc[kChains], m = _mm256_set1_ps(0.999f), b = _mm256_set1_ps(0.001f);
  for (auto& a : acc) a = _mm256_set1_ps(1.0f);
  for (int64_t i = 0; i < rounds; ++i) {
    EDGEFRONT_OPAQUE(m);  // 1 * 0.999 + 0.001 is 1 again: a compiler that sees this removes the loop
    for (auto& a : acc) a = _mm256_fmadd_ps(a, m, b);
  }
  __m256 sum = acc[0];
  for (int j = 1; j < kChains; ++j) sum = _mm256_add_ps(sum, acc[j]);
  return _mm256_cvtss_f32(sum);
}

int32_t Int8(int64_t rounds) {
  __m256i acc[kChains] = {}, a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(-2);
  const __m256i ones = _mm256_set1_epi16(1);
  for (int64_t i = 0; i < rounds; ++i) {
    for (auto& s : acc) {
      EDGEFRONT_OPAQUE(a);
      s = _mm256_add_epi32(s, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), ones));
    }
  }
  __m256i sum = acc[0];
  for (int j = 1; j < kChains; ++j) sum = _mm256_add_epi32(sum, acc[j]);
  return _mm256_extract_epi32(sum, 0);
}

}  // namespace

const RateKernels kRatesAvx2 = {Read, Fp32, kChains * 8 * 2, Int8, kChains * 32 * 2};

}  // namespace edgefront
