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

// Round to the nearest integer, ties to even, for |x| < 2^22: the sum has no fraction bits left
// (compilers may not simplify this without -ffast-math).
inline float RoundNearest(float x) {
  return (x + 12582912.0f) - 12582912.0f;
}

// exp(x) to about 2 ulp: 2^n * p(r), |r| <= ln2/2, Cephes' minimax polynomial; exactly 0 below -87.7, clamped above 88.
// Without a branch: at the lower bound n is -127, whose exponent bits are those of zero.
inline float FastExp(float x) {
  const float above = x > -88.0f ? x : -88.0f;
  const float c = above < 88.0f ? above : 88.0f;
  const float n = RoundNearest(c * 1.44269504f);
  const float r = (c - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const int32_t bits = (static_cast<int32_t>(n) + 127) << 23;
  float power;
  std::memcpy(&power, &bits, 4);
  return p * power;
}

// x [k] -> int8 in blocks of 32: scale = max|x| / 127. Also -8 * sum of each block and the sum of each half (see Activations).
// The scale has the precision of ggml's Q8_0 blocks: no further from exact arithmetic than a whole float (both are lost in the rounding
// of q), and both engines then round alike, which brought LFM2-350M's KL divergence from llama.cpp from 2.5e-3 to below 1e-3.
inline void QuantiseActivations(const float* x, size_t k, int8_t* q, float* scale, int32_t* sum8, int16_t* sum16) {
  for (size_t b = 0; b < k / 32; ++b) {
    const float* v = x + 32 * b;
    float lanes[16];
    for (int i = 0; i < 16; ++i) {
      const float lo = v[i] < 0 ? -v[i] : v[i], hi = v[i + 16] < 0 ? -v[i + 16] : v[i + 16];
      lanes[i] = lo > hi ? lo : hi;
    }
    float largest = 0;
    for (int i = 0; i < 16; ++i) largest = lanes[i] > largest ? lanes[i] : largest;
    const float inverse = largest > 0 ? 127.0f / largest : 0.0f;
    scale[b] = RoundTo11Bits(largest / 127.0f);
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
    for (int i = 0; i < 32; ++i) q[32 * b + i] = static_cast<int8_t>(rounded[i]);
    sum16[2 * b] = static_cast<int16_t>(first);
    sum16[2 * b + 1] = static_cast<int16_t>(second);
    sum8[b] = -8 * (first + second);
  }
}

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_SIMD_PLAIN_LOOPS_H_
