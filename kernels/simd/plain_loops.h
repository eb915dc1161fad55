// Small loops in plain C++ that compilers vectorise for the target that includes them: exp, sums, int8
// activations. GCC needs -fno-trapping-math, or it keeps a branch for every comparison of floats. Each file
// in targets/ includes this once, in an anonymous namespace, like the vector interface.
#ifndef EDGEFRONT_SIMD_PLAIN_LOOPS_H_
#define EDGEFRONT_SIMD_PLAIN_LOOPS_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "quant/half.h"

namespace edgefront {
namespace {

// Rounds to the nearest integer, ties to even. Adding and subtracting 1.5 * 2^23 was rejected: with FMA,
// compilers fuse that addition with the product before it, which then is not rounded to a float. About 1 in
// 100,000 int8 codes would differ from those of engines that round the product.
inline float RoundNearest(float x) { return __builtin_rintf(x); }

// Computes exp(x) to about 2 ulp: 2^n (1 + p(r)), |r| <= ln2/2. The result is exactly 0 below -87.7; x is
// clamped above 88. The reduction and the polynomial are those of Arm's optimized routines (v_expf), as in
// ggml. Where both results are normal numbers, they are equal to the last bit. There is no branch: at the
// lower bound n is -127, whose exponent bits are those of zero.
inline float FastExp(float x) {
  const float above = x > -88.0f ? x : -88.0f;
  const float c = above < 88.0f ? above : 88.0f;
  const float shift = 0x1.8p23f;  // after adding it, a sum has no fraction bits left
  const float n = __builtin_fmaf(c, 0x1.715476p+0f, shift) - shift;
  const float r = __builtin_fmaf(-n, 0x1.7f7d1cp-20f, __builtin_fmaf(-n, 0x1.62e4p-1f, c));
  const float r2 = r * r;
  const float high = __builtin_fmaf(0x1.0e4020p-7f, r, 0x1.573e2ep-5f), low = __builtin_fmaf(0x1.555e66p-3f, r, 0x1.fffdb6p-2f);
  const float p = __builtin_fmaf(__builtin_fmaf(high, r2, low), r2, 0x1.ffffecp-1f * r);
  const int32_t bits = (static_cast<int32_t>(n) + 127) << 23;
  float power;
  std::memcpy(&power, &bits, 4);
  return __builtin_fmaf(p, power, power);
}

// Computes ln(1 + u) for u in [0, 1]: twice the series of atanh(s) at s = u / (2 + u), at most 1/3. The first
// term left out is below 2^-29 of the sum.
inline float FastLogOnePlus(float u) {
  const float s = u / (2.0f + u), s2 = s * s;
  float sum = 1.0f / 15.0f;
  sum = __builtin_fmaf(sum, s2, 1.0f / 13.0f);
  sum = __builtin_fmaf(sum, s2, 1.0f / 11.0f);
  sum = __builtin_fmaf(sum, s2, 1.0f / 9.0f);
  sum = __builtin_fmaf(sum, s2, 1.0f / 7.0f);
  sum = __builtin_fmaf(sum, s2, 1.0f / 5.0f);
  sum = __builtin_fmaf(sum, s2, 1.0f / 3.0f);
  return 2.0f * s * __builtin_fmaf(sum, s2, 1.0f);
}

// Computes ln(1 + e^x) as max(x, 0) + ln(1 + e^-|x|), which cannot overflow.
inline float FastSoftplus(float x) {
  const float low = x < 0.0f ? x : -x, high = x > 0.0f ? x : 0.0f;
  return high + FastLogOnePlus(FastExp(low));
}

// Returns the largest |v| of 32 values.
template <class V>
inline float LargestOf32(const float* v) {
  if constexpr (requires { &V::LargestOf32; }) {
    return V::LargestOf32(v);
  } else {
    float lanes[16], largest = 0;
    for (int i = 0; i < 16; ++i) {
      const float lo = v[i] < 0 ? -v[i] : v[i], hi = v[i + 16] < 0 ? -v[i + 16] : v[i + 16];
      lanes[i] = lo > hi ? lo : hi;
    }
    for (int i = 0; i < 16; ++i) largest = lanes[i] > largest ? lanes[i] : largest;
    return largest;
  }
}

// Multiplies v [32] by `inverse` and rounds to q [32]. `sums` receives the sum of each half of q.
template <class V>
inline void Round32(const float* v, float inverse, int8_t* q, int32_t sums[2]) {
  if constexpr (requires { &V::Round32; }) {
    V::Round32(v, inverse, q, sums);
  } else {
    int32_t rounded[32];
    for (int i = 0; i < 32; ++i) {
      const float r = RoundNearest(v[i] * inverse);
      // The operands' order turns NaN into 127, before its conversion to an integer.
      const float low = r < 127.0f ? r : 127.0f;
      rounded[i] = static_cast<int32_t>(low > -127.0f ? low : -127.0f);
    }
    sums[0] = sums[1] = 0;
    for (int i = 0; i < 16; ++i) {
      sums[0] += rounded[i];
      sums[1] += rounded[i + 16];
    }
    for (int i = 0; i < 32; ++i) q[i] = static_cast<int8_t>(rounded[i]);
  }
}

// Rounds x [k] to int8; `share` values (32 or 256) have one scale, max|x| / 127. Also computes -8 * sum of
// each 32 values and the sum of each 16 (see Activations). The scale has the precision of ggml's Q8_0 blocks
// (share 32) or Q8_K blocks (share 256), so that both engines have the same int8 codes.
template <class V>
inline void QuantiseActivations(const float* x, size_t k, size_t share, int8_t* q, float* scale, int32_t* sum8, int16_t* sum16) {
  for (size_t from = 0; from < k; from += share) {
    float largest = 0;
    for (size_t at = from; at < from + share; at += 32) {
      const float of32 = LargestOf32<V>(x + at);
      largest = of32 > largest ? of32 : largest;
    }
    const float inverse = largest > 0 ? 127.0f / largest : 0.0f;
    const float step = share == 32 ? RoundTo11Bits(largest / 127.0f) : largest > 0 ? 1.0f / inverse : 0.0f;
    for (size_t b = from / 32; b < (from + share) / 32; ++b) {
      int32_t sums[2];
      Round32<V>(x + 32 * b, inverse, q + 32 * b, sums);
      scale[b] = step;
      sum8[b] = -8 * (sums[0] + sums[1]);
      sum16[2 * b] = static_cast<int16_t>(sums[0]);
      sum16[2 * b + 1] = static_cast<int16_t>(sums[1]);
    }
  }
}

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_SIMD_PLAIN_LOOPS_H_
