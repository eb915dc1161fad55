// The reference of the rational transfer function: the plainest correct version, with sums in double.
#ifndef EDGEFRONT_OPS_RATIONAL_SCALAR_H_
#define EDGEFRONT_OPS_RATIONAL_SCALAR_H_

#include "targets/kernels.h"

namespace edgefront {
namespace {

inline void ScalarRational(const RationalArgs& g) {
  for (size_t c = g.c0; c < g.c1; ++c) {
    float* state = g.state + c / kFilterStrip * g.order * kFilterStrip + c % kFilterStrip;
    for (size_t t = 0; t < g.n; ++t) {
      float* row = g.proj + t * 3 * g.d + c;
      const float u = row[0] * row[2 * g.d];
      double next = u, y = static_cast<double>(g.h0[c]) * u;
      for (size_t i = 0; i < g.order; ++i) {
        const double x = state[(g.order - 1 - i) * kFilterStrip];
        next += g.minus_a[i * g.d + c] * x;
        y += g.b[i * g.d + c] * x;
      }
      for (size_t i = 0; i + 1 < g.order; ++i) state[i * kFilterStrip] = state[(i + 1) * kFilterStrip];
      state[(g.order - 1) * kFilterStrip] = static_cast<float>(next);
      row[g.d] = static_cast<float>(row[g.d] * y);
    }
  }
}

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_OPS_RATIONAL_SCALAR_H_
