// Reference of the states of linear attention: one value channel at a time, sums in double.
#ifndef EDGEFRONT_OPS_DELTA_SCALAR_H_
#define EDGEFRONT_OPS_DELTA_SCALAR_H_

#include "targets/kernels.h"

namespace edgefront {
namespace {

void ScalarDelta(const DeltaArgs& g) {
  for (size_t t = 0; t < g.n; ++t) {
    const size_t at = t * g.stride;
    const auto decay = [&](size_t i) -> double { return g.decay == nullptr ? 1.0 : g.decay[at + (g.per_channel ? i : 0)]; };
    for (size_t c = 0; c < g.channels; ++c) {
      double recalled = 0;
      for (size_t i = 0; i < g.key_dim; ++i) recalled += decay(i) * g.state[i * kDeltaStrip + c] * g.k[at + i];
      const double v = g.v[at + c], change = g.rate == nullptr ? v : g.rate[at] * (v - recalled);
      double out = 0;
      for (size_t i = 0; i < g.key_dim; ++i) {
        float& s = g.state[i * kDeltaStrip + c];
        s = static_cast<float>(decay(i) * s + g.k[at + i] * change);
        out += static_cast<double>(s) * g.q[at + i];
      }
      g.v[at + c] = static_cast<float>(out);
    }
  }
}

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_OPS_DELTA_SCALAR_H_
