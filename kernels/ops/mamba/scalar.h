// The reference of Mamba's recurrence: the plainest correct version, in double.
#ifndef EDGEFRONT_OPS_MAMBA_SCALAR_H_
#define EDGEFRONT_OPS_MAMBA_SCALAR_H_

#include <cmath>

#include "targets/kernels.h"

namespace edgefront {
namespace {

inline void ScalarMamba(const MambaArgs& g) {
  for (size_t c = g.c0; c < g.c1; ++c) {
    float* state = g.state + c / kFilterStrip * g.states * kFilterStrip + c % kFilterStrip;
    for (size_t t = 0; t < g.n; ++t) {
      float* x = g.x + t * g.stride + c;
      const double raw = g.dt[t * g.stride + c] + g.dt_bias[c], dt = raw > 40 ? raw : std::log1p(std::exp(raw));
      double y = static_cast<double>(g.skip[c]) * *x;
      for (size_t n = 0; n < g.states; ++n) {
        float& s = state[n * kFilterStrip];
        s = static_cast<float>(std::exp(g.a[n * g.d + c] * dt) * s + dt * *x * g.b[t * g.stride + n]);
        y += static_cast<double>(s) * g.c[t * g.stride + n];
      }
      *x = static_cast<float>(y);
    }
  }
}

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_OPS_MAMBA_SCALAR_H_
