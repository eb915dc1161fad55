// The short convolution of recurrent mixers (Mamba-2, delta rules): causal, depthwise, then SiLU. Plain loops
// over contiguous channels suffice: compilers vectorise them for every target.
#ifndef EDGEFRONT_OPS_CONV_SILU_FORWARD_H_
#define EDGEFRONT_OPS_CONV_SILU_FORWARD_H_

#include <cstring>

#include "simd/plain_loops.h"
#include "targets/kernels.h"

namespace edgefront {
namespace {

// Tokens are taken newest first, because a result may only replace an input that no other token still reads.
inline void ConvSilu(const ConvSiluArgs& g) {
  constexpr size_t kStrip = 64;
  const size_t past = g.k - 1;
  for (size_t c0 = g.c0; c0 < g.c1; c0 += kStrip) {
    const size_t m = g.c1 - c0 < kStrip ? g.c1 - c0 : kStrip;
    // The input at time t - past + j lies in these tokens, or in the state, whose row `past` would be time 0.
    const auto at = [&](size_t t, size_t j) { return t + j >= past ? g.x + (t + j - past) * g.stride + c0 : g.state + (t + j) * g.d + c0; };
    float next[kMostConvTaps][kStrip];  // the state after these tokens
    for (size_t j = 0; j < past; ++j) std::memcpy(next[j], at(g.n, j), m * sizeof(float));
    for (size_t t = g.n; t-- > 0;) {
      float z[kStrip] = {};
      if (g.bias != nullptr) std::memcpy(z, g.bias + c0, m * sizeof(float));
      for (size_t j = 0; j < g.k; ++j) {
        const float *x = at(t, j), *tap = g.taps + j * g.d + c0;
        for (size_t c = 0; c < m; ++c) z[c] += tap[c] * x[c];
      }
      float* out = g.x + t * g.stride + c0;
      for (size_t c = 0; c < m; ++c) out[c] = z[c] / (1.0f + FastExp(-z[c]));
    }
    for (size_t j = 0; j < past; ++j) std::memcpy(g.state + j * g.d + c0, next[j], m * sizeof(float));
  }
}

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_OPS_CONV_SILU_FORWARD_H_
