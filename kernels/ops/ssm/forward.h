// Mamba-2's recurrence of one head (arXiv 2405.21060), token by token. Rows of the state are channels, and a
// vector holds several of a channel's state elements. Four channels share the loads of B and C.
#ifndef EDGEFRONT_OPS_SSM_FORWARD_H_
#define EDGEFRONT_OPS_SSM_FORWARD_H_

#include "ops/ssm/step_size.h"
#include "targets/kernels.h"

namespace edgefront {
namespace {

// Advances channels [p, p + rows) by token t.
template <int rows>
inline void SsmRows(const SsmArgs& g, size_t t, size_t p, float decay, float dt) {
  using F = Simd::F;
  constexpr size_t kLanes = Simd::kLanes;
  const float *b = g.b + t * g.stride, *c = g.c + t * g.stride;
  float *x = g.x + t * g.stride + p, *s = g.state + p * g.states;
  const F keep = Simd::Set(decay);
  F in[rows], sum[rows];
  for (int r = 0; r < rows; ++r) {
    in[r] = Simd::Set(dt * x[r]);
    sum[r] = Simd::Zero();
  }
  size_t i = 0;
  for (; i + kLanes <= g.states; i += kLanes) {
    const F bv = Simd::Load(b + i), cv = Simd::Load(c + i);
    for (int r = 0; r < rows; ++r) {
      float* at = s + r * g.states + i;
      const F v = Simd::Fma(Simd::Load(at), keep, Simd::Mul(in[r], bv));
      Simd::Store(at, v);
      sum[r] = Simd::Fma(v, cv, sum[r]);
    }
  }
  for (int r = 0; r < rows; ++r) {
    float lanes[kLanes], y = g.d * x[r];
    Simd::Store(lanes, sum[r]);
    for (size_t l = 0; l < kLanes; ++l) y += lanes[l];
    for (size_t j = i; j < g.states; ++j) {
      float& v = s[r * g.states + j];
      v = v * decay + dt * x[r] * b[j];
      y += v * c[j];
    }
    x[r] = y;
  }
}

// Takes the tokens in blocks, so that the exponentials of a token are computed once for all channels, and the
// state of a few channels stays in the L1 cache for a whole block.
inline void Ssm(const SsmArgs& g) {
  constexpr size_t kBlock = 64, kRows = 4;
  float dt[kBlock], decay[kBlock];
  for (size_t t0 = 0; t0 < g.n; t0 += kBlock) {
    const size_t m = g.n - t0 < kBlock ? g.n - t0 : kBlock;
    for (size_t i = 0; i < m; ++i) {
      dt[i] = Softplus(g.dt[(t0 + i) * g.stride] + g.dt_bias);
      decay[i] = __builtin_expf(g.a * dt[i]);
    }
    size_t p = 0;
    for (; p + kRows <= g.channels; p += kRows)
      for (size_t i = 0; i < m; ++i) SsmRows<kRows>(g, t0 + i, p, decay[i], dt[i]);
    for (; p < g.channels; ++p)
      for (size_t i = 0; i < m; ++i) SsmRows<1>(g, t0 + i, p, decay[i], dt[i]);
  }
}

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_OPS_SSM_FORWARD_H_
