// Element-wise gates and features of linear attention. Compilers vectorise the loops.
#ifndef EDGEFRONT_OPS_GATES_FORWARD_H_
#define EDGEFRONT_OPS_GATES_FORWARD_H_

#include <cstddef>

#include "simd/plain_loops.h"

namespace edgefront {
namespace {

inline void SigmoidGate(const float* gate, const float* up, size_t n, float* out) {
  for (size_t i = 0; i < n; ++i) out[i] = up[i] / (1.0f + FastExp(-gate[i]));
}

// elu(x) + 1 is e^x below 0, and x + 1 from there on.
inline void EluPlusOne(float* x, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const float low = x[i] < 0.0f ? x[i] : 0.0f, high = x[i] > 0.0f ? x[i] : 0.0f;
    x[i] = FastExp(low) + high;
  }
}

// Computes ln(1 + u) for u in [0, 1]: twice the series of atanh(s) at s = u / (2 + u), at most 1/3. The first
// term left out is below 2^-29 of the sum.
inline float LogOnePlus(float u) {
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

// softplus(y) is max(y, 0) + ln(1 + e^-|y|), which cannot overflow.
inline void Decays(const float* bias, float sign, float rate, size_t n, float* x) {
  for (size_t i = 0; i < n; ++i) {
    const float y = sign * (x[i] + bias[i]), low = y < 0.0f ? y : -y, high = y > 0.0f ? y : 0.0f;
    x[i] = FastExp(rate * (high + LogOnePlus(FastExp(low))));
  }
}

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_OPS_GATES_FORWARD_H_
