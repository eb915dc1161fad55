// The reference of Mamba-2's recurrence: the plainest correct version, with sums in double.
#ifndef EDGEFRONT_OPS_SSM_SCALAR_H_
#define EDGEFRONT_OPS_SSM_SCALAR_H_

#include "ops/ssm/step_size.h"
#include "targets/kernels.h"

namespace edgefront {
namespace {

inline void ScalarSsm(const SsmArgs& g) {
  for (size_t t = 0; t < g.n; ++t) {
    const float *b = g.b + t * g.stride, *c = g.c + t * g.stride;
    const float dt = Softplus(g.dt[t * g.stride] + g.dt_bias), decay = __builtin_expf(g.a * dt);
    for (size_t p = 0; p < g.channels; ++p) {
      float *x = g.x + t * g.stride + p, *s = g.state + p * g.states;
      double y = static_cast<double>(g.d) * *x;
      for (size_t i = 0; i < g.states; ++i) {
        s[i] = static_cast<float>(static_cast<double>(s[i]) * decay + static_cast<double>(dt) * *x * b[i]);
        y += static_cast<double>(s[i]) * c[i];
      }
      *x = static_cast<float>(y);
    }
  }
}

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_OPS_SSM_SCALAR_H_
