// The gates around a recursive filter: the filter reads B * h, and C * y replaces C. Channels go in strips of
// 16, so that a filter keeps the state of a strip in registers.
#ifndef EDGEFRONT_OPS_GATED_STRIPS_H_
#define EDGEFRONT_OPS_GATED_STRIPS_H_

#include <cstring>

#include "targets/kernels.h"

namespace edgefront {
namespace {

inline constexpr size_t kFilterBlock = 64;  // tokens whose inputs and outputs stay in the L1 cache

// One strip, for a block of tokens.
struct FilterStrip {
  size_t c0, channels;  // of the model; fewer than 16 at the edge
  size_t n;             // tokens
  float *u, *y;         // [n][16]: inputs, zero at unused channels, and outputs. The filter may change u
  float* state;         // of the strip
};

// Calls filter(strip) for all strips and blocks of tokens. `state` counts floats of a strip's state.
template <class Filter>
inline void ForStrips(const GatedArgs& g, size_t state, const Filter& filter) {
  float u[kFilterBlock * kFilterStrip] = {}, y[kFilterBlock * kFilterStrip];
  for (size_t c0 = g.c0; c0 < g.c1; c0 += kFilterStrip) {
    const size_t m = g.c1 - c0 < kFilterStrip ? g.c1 - c0 : kFilterStrip;
    if (m < kFilterStrip) std::memset(u, 0, sizeof u);
    for (size_t t0 = 0; t0 < g.n; t0 += kFilterBlock) {
      const size_t n = g.n - t0 < kFilterBlock ? g.n - t0 : kFilterBlock;
      float* rows = g.proj + t0 * 3 * g.d + c0;
      for (size_t t = 0; t < n; ++t) {
        const float *b = rows + t * 3 * g.d, *h = b + 2 * g.d;
        for (size_t c = 0; c < m; ++c) u[t * kFilterStrip + c] = b[c] * h[c];
      }
      filter(FilterStrip{c0, m, n, u, y, g.state + c0 / kFilterStrip * state});
      for (size_t t = 0; t < n; ++t) {
        float* out = rows + (t * 3 + 1) * g.d;
        for (size_t c = 0; c < m; ++c) out[c] *= y[t * kFilterStrip + c];
      }
    }
  }
}

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_OPS_GATED_STRIPS_H_
