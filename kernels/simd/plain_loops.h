// Small loops in plain C++ that compilers vectorise for whatever target includes them: exp, sums, int8 activations. GCC needs
// -fno-trapping-math for it, or it keeps a branch for every comparison of floats.
// Like the vector interface, included once per file in targets/, in an anonymous namespace.
#ifndef EDGEFRONT_SIMD_PLAIN_LOOPS_H_
#define EDGEFRONT_SIMD_PLAIN_LOOPS_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "quant/half.h"

namespace edgefront {
namespace {

// Round to the nearest integer, ties to even. Not by adding and subtracting 1.5 * 2^23: with FMA compilers join that addition to the
// product before it, which then is not rounded to a float, and some 1 in 100,000 int8 codes differ from those of engines that round it.
inline float RoundNearest(float x) { return __builtin_rintf(x); }

// exp(x) to about 2 ulp: 2^n (1 + p(r)), |r| <= ln2/2; exactly 0 below -87.7, clamped above 88. The reduction and the polynomial are those
// of Arm's optimized routines (v_expf), as in ggml: to the last bit its results where both are normal numbers. Without a branch: at the
// lower bound n is -127, whose exponent bits are those of zero.
inline float FastExp(float x) {
  const float above = x > -88.0f ? x : -88.0f;
  const float c = above < 88.0f ? above : 88.0f;
  const float shift = 0x1.8p23f;  // the sum with it has no fraction bits left
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

// 32 values times `inverse`, rounded to int8, and their sums.
inline void QuantiseBlock(const float* v, float inverse, int8_t* q, int32_t* sum8, int16_t* sum16) {
  int32_t rounded[32];
  for (int i = 0; i < 32; ++i) {
    const float r = RoundNearest(v[i] * inverse);
    const float low = r < 127.0f ? r : 127.0f;  // this way round NaN becomes 127 too, before it meets an integer
    rounded[i] = static_cast<int32_t>(low > -127.0f ? low : -127.0f);
  }
  int32_t first = 0, second = 0;
  for (int i = 0; i < 16; ++i) {
    first += rounded[i];
    second += rounded[i + 16];
  }
  for (int i = 0; i < 32; ++i) q[i] = static_cast<int8_t>(rounded[i]);
  sum16[0] = static_cast<int16_t>(first);
  sum16[1] = static_cast<int16_t>(second);
  *sum8 = -8 * (first + second);
}

// x [k] -> int8, `share` values (32 or 256) having one scale: max|x| / 127. Also -8 * sum of each 32 and the sum of each 16 (see
// Activations). Where 32 share it, the scale has the precision of ggml's Q8_0 blocks, where 256 do, that of its Q8_K blocks: whoever
// rounds alike has the same int8 codes.
inline void QuantiseActivations(const float* x, size_t k, size_t share, int8_t* q, float* scale, int32_t* sum8, int16_t* sum16) {
  for (size_t from = 0; from < k; from += share) {
    float lanes[16] = {};
    for (size_t at = from; at < from + share; at += 32) {
      const float* v = x + at;
      for (int i = 0; i < 16; ++i) {
        const float lo = v[i] < 0 ? -v[i] : v[i], hi = v[i + 16] < 0 ? -v[i + 16] : v[i + 16];
        const float both = lo > hi ? lo : hi;
        lanes[i] = lanes[i] > both ? lanes[i] : both;
      }
    }
    float largest = 0;
    for (int i = 0; i < 16; ++i) largest = lanes[i] > largest ? lanes[i] : largest;
    const float inverse = largest > 0 ? 127.0f / largest : 0.0f;
    const float step = share == 32 ? RoundTo11Bits(largest / 127.0f) : largest > 0 ? 1.0f / inverse : 0.0f;
    for (size_t b = from / 32; b < (from + share) / 32; ++b) {
      scale[b] = step;
      QuantiseBlock(x + 32 * b, inverse, q + 32 * b, sum8 + b, sum16 + 2 * b);
    }
  }
}

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_SIMD_PLAIN_LOOPS_H_
