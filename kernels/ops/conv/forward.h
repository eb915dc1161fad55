// The gated short convolution between its two projections (LFM2 Technical Report, arXiv 2511.23404). y = B *
// h, z = causal depthwise convolution of y, output C * z. Plain loops over contiguous channels suffice:
// compilers vectorise them for every target.
#ifndef EDGEFRONT_OPS_CONV_FORWARD_H_
#define EDGEFRONT_OPS_CONV_FORWARD_H_

#include "targets/kernels.h"

namespace edgefront {
namespace {

inline void ShortConv(const ConvArgs& g) {
  const size_t row = 3 * g.d, past = g.k - 1;
  for (size_t t = 0; t < g.n; ++t) {
    float* y = g.proj + t * row;  // B becomes y
    const float* h = y + 2 * g.d;
    for (size_t c = g.c0; c < g.c1; ++c) y[c] *= h[c];
  }
  constexpr size_t kStrip = 64;
  for (size_t t = 0; t < g.n; ++t) {
    float* out = g.proj + t * row + g.d;
    for (size_t c0 = g.c0; c0 < g.c1; c0 += kStrip) {
      const size_t m = g.c1 - c0 < kStrip ? g.c1 - c0 : kStrip;
      float z[kStrip] = {};
      for (size_t j = 0; j < g.k; ++j) {
        // y at time t - past + j lies in this batch of tokens, or in the state, whose row `past` would be
        // time 0.
        const float* y = t + j >= past ? g.proj + (t + j - past) * row + c0 : g.state + (t + j) * g.d + c0;
        const float* tap = g.taps + j * g.d + c0;
        for (size_t c = 0; c < m; ++c) z[c] += tap[c] * y[c];
      }
      for (size_t c = 0; c < m; ++c) out[c0 + c] *= z[c];
    }
  }
  for (size_t j = 0; j < past; ++j) {  // oldest first, so that a row is read before it is overwritten
    const float* y = g.n + j >= past ? g.proj + (g.n + j - past) * row : g.state + (g.n + j) * g.d;
    float* to = g.state + j * g.d;
    for (size_t c = g.c0; c < g.c1; ++c) to[c] = y[c];
  }
}

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_OPS_CONV_FORWARD_H_
