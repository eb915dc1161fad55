// Mamba's recurrence (arXiv 2312.00752), token by token. Channels go in strips of 16, whose states lie
// together. Plain loops over the channels of a strip suffice: compilers vectorise them for every target.
#ifndef EDGEFRONT_OPS_MAMBA_FORWARD_H_
#define EDGEFRONT_OPS_MAMBA_FORWARD_H_

#include "simd/plain_loops.h"
#include "targets/kernels.h"

namespace edgefront {
namespace {

// Runs `channels` channels from c0 over all tokens. `whole`: they are 16, which the compiler then knows.
template <bool whole>
inline void MambaStrip(const MambaArgs& g, size_t c0, size_t channels) {
  const size_t m = whole ? kFilterStrip : channels;
  float* state = g.state + c0 / kFilterStrip * g.states * kFilterStrip;
  for (size_t t = 0; t < g.n; ++t) {
    const float *b = g.b + t * g.stride, *c = g.c + t * g.stride, *raw = g.dt + t * g.stride + c0;
    float *x = g.x + t * g.stride + c0, dt[kFilterStrip], in[kFilterStrip], y[kFilterStrip];
    for (size_t i = 0; i < m; ++i) dt[i] = FastSoftplus(raw[i] + g.dt_bias[c0 + i]);
    for (size_t i = 0; i < m; ++i) in[i] = dt[i] * x[i];
    for (size_t i = 0; i < m; ++i) y[i] = g.skip[c0 + i] * x[i];
    for (size_t n = 0; n < g.states; ++n) {
      const float* a = g.a + n * g.d + c0;
      float* s = state + n * kFilterStrip;
      for (size_t i = 0; i < m; ++i) {
        s[i] = FastExp(a[i] * dt[i]) * s[i] + in[i] * b[n];
        y[i] += s[i] * c[n];
      }
    }
    for (size_t i = 0; i < m; ++i) x[i] = y[i];
  }
}

inline void Mamba(const MambaArgs& g) {
  for (size_t c0 = g.c0; c0 < g.c1; c0 += kFilterStrip)
    g.c1 - c0 < kFilterStrip ? MambaStrip<false>(g, c0, g.c1 - c0) : MambaStrip<true>(g, c0, kFilterStrip);
}

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_OPS_MAMBA_FORWARD_H_
