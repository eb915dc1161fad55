// SwiGLU's element-wise half (Shazeer, 2020): out = silu(gate) * up, silu(x) = x / (1 + exp(-x)).
#ifndef EDGEFRONT_OPS_SWIGLU_FORWARD_H_
#define EDGEFRONT_OPS_SWIGLU_FORWARD_H_

#include <cstddef>

#include "simd/plain_loops.h"

namespace edgefront {
namespace {

inline void SwiGlu(const float* gate, const float* up, size_t n, float* out) {
  for (size_t i = 0; i < n; ++i) out[i] = gate[i] / (1.0f + FastExp(-gate[i])) * up[i];
}

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_OPS_SWIGLU_FORWARD_H_
