// build: aarch64:
// Rate loops for baseline NEON (ARMv8.0).
#include <arm_neon.h>

#include "agent/rates.h"

namespace edgefront {
namespace {

constexpr int kChains = 16;

uint64_t Read(const uint8_t* data, size_t bytes) {
  uint8x16_t s[4] = {vdupq_n_u8(0), vdupq_n_u8(0), vdupq_n_u8(0), vdupq_n_u8(0)};
  for (size_t i = 0; i < bytes; i += 64) {
    for (int j = 0; j < 4; ++j) s[j] = veorq_u8(s[j], vld1q_u8(data + i + 16 * j));
  }
  return vgetq_lane_u64(vreinterpretq_u64_u8(veorq_u8(veorq_u8(s[0], s[1]), veorq_u8(s[2], s[3]))), 0);
}

float Fp32(int64_t rounds) {
  float32x4_t acc[kChains], m = vdupq_n_f32(0.999f), b = vdupq_n_f32(0.001f);
  for (auto& a : acc) a = vdupq_n_f32(1.0f);
  for (int64_t i = 0; i < rounds; ++i) {
    // 1 * 0.999 + 0.001 is 1 again: a compiler that sees this removes the loop.
    __asm__ volatile("" : "+w"(m));
    for (auto& a : acc) a = vfmaq_f32(a, m, b);
  }
  float32x4_t sum = acc[0];
  for (int j = 1; j < kChains; ++j) sum = vaddq_f32(sum, acc[j]);
  return vaddvq_f32(sum);
}

int32_t Int8(int64_t rounds) {
  int32x4_t acc[kChains];
  for (auto& s : acc) s = vdupq_n_s32(0);
  int8x16_t a = vdupq_n_s8(3), b = vdupq_n_s8(-2);
  for (int64_t i = 0; i < rounds; ++i) {
    for (auto& s : acc) {
      __asm__ volatile("" : "+w"(a));
      const int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b));
      s = vpadalq_s16(s, vmlal_s8(low, vget_high_s8(a), vget_high_s8(b)));
    }
  }
  int32x4_t sum = acc[0];
  for (int j = 1; j < kChains; ++j) sum = vaddq_s32(sum, acc[j]);
  return vaddvq_s32(sum);
}

}  // namespace

const RateKernels kRatesNeon = {Read, Fp32, kChains * 4 * 2, Int8, kChains * 16 * 2};

}  // namespace edgefront
