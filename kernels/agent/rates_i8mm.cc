// build: aarch64: -march=armv8.2-a+i8mm
// The int8 rate of i8mm (vmmlaq_s32); the other rates are those of baseline NEON.
#include <arm_neon.h>

#include "agent/rates.h"

namespace edgefront {
namespace {

constexpr int kChains = 16;

uint64_t Read(const uint8_t* data, size_t bytes) { return kRatesNeon.read(data, bytes); }
float Fp32(int64_t rounds) { return kRatesNeon.fp32(rounds); }

int32_t Int8(int64_t rounds) {
  int32x4_t acc[kChains];
  for (auto& s : acc) s = vdupq_n_s32(0);
  int8x16_t a = vdupq_n_s8(3), b = vdupq_n_s8(-2);
  for (int64_t i = 0; i < rounds; ++i) {
    for (auto& s : acc) {
      __asm__ volatile("" : "+w"(a));
      s = vmmlaq_s32(s, a, b);
    }
  }
  int32x4_t sum = acc[0];
  for (int j = 1; j < kChains; ++j) sum = vaddq_s32(sum, acc[j]);
  return vaddvq_s32(sum);
}

}  // namespace

const RateKernels kRatesI8mm = {Read, Fp32, kChains * 4 * 2, Int8, kChains * 32 * 2};

}  // namespace edgefront
