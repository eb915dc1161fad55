// Mamba-2's recurrence of one head (arXiv 2405.21060), token by token. Rows of the state are channels, and a
// vector holds several of a channel's state elements. Several channels share the loads of B and C.
#ifndef EDGEFRONT_OPS_SSM_FORWARD_H_
#define EDGEFRONT_OPS_SSM_FORWARD_H_

#include <cstring>
#include <type_traits>

#include "ops/ssm/step_size.h"
#include "targets/kernels.h"

namespace edgefront {
namespace {

// Advances channels [p, p + rows) by one token, with its B and C at `bc` [2][states].
template <int rows>
inline void SsmRows(const SsmArgs& g, const float* bc, float* x, size_t p, float decay, float dt) {
  using F = Simd::F;
  constexpr size_t kLanes = Simd::kLanes;
  const float *b = bc, *c = bc + g.states;
  float* s = g.state + p * g.states;
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
    float y = g.d * x[r] + Simd::Sum(sum[r]);
    for (size_t j = i; j < g.states; ++j) {
      float& v = s[r * g.states + j];
      v = v * decay + dt * x[r] * b[j];
      y += v * c[j];
    }
    x[r] = y;
  }
}

// Takes the tokens in blocks. The exponentials of a token are computed once for all channels, its B and C are
// copied next to those of the block's other tokens (rows of `stride` floats are pages apart), and the state of
// a few channels stays in the L1 cache for a whole block.
inline void Ssm(const SsmArgs& g) {
  constexpr size_t kBlock = 32, kRows = Simd::kAccumulators < 16 ? 4 : 8, kCopied = 8192;  // floats: 32 KB
  float dt[kBlock], decay[kBlock], bc[kCopied];
  const size_t fits = kCopied / (2 * g.states), block = fits < kBlock ? fits : kBlock;
  for (size_t t0 = 0; t0 < g.n; t0 += block) {
    const size_t m = g.n - t0 < block ? g.n - t0 : block;
    for (size_t i = 0; i < m; ++i) {
      const size_t at = (t0 + i) * g.stride;
      dt[i] = Softplus(g.dt[at] + g.dt_bias);
      decay[i] = __builtin_expf(g.a * dt[i]);
      std::memcpy(bc + 2 * g.states * i, g.b + at, 4 * g.states);
      std::memcpy(bc + 2 * g.states * i + g.states, g.c + at, 4 * g.states);
    }
    const auto advance = [&]<int rows>(size_t p, std::integral_constant<int, rows>) {
      for (size_t i = 0; i < m; ++i) SsmRows<rows>(g, bc + 2 * g.states * i, g.x + (t0 + i) * g.stride + p, p, decay[i], dt[i]);
    };
    size_t p = 0;
    for (; p + kRows <= g.channels; p += kRows) advance(p, std::integral_constant<int, kRows>());
    for (; p < g.channels; ++p) advance(p, std::integral_constant<int, 1>());
  }
}

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_OPS_SSM_FORWARD_H_
