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

inline void Decays(const float* bias, float sign, float rate, size_t n, float* x) {
  for (size_t i = 0; i < n; ++i) x[i] = FastExp(rate * FastSoftplus(sign * (x[i] + bias[i])));
}

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_OPS_GATES_FORWARD_H_
