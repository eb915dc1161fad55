// The gated delta rule (arXiv 2412.06464) on one strip of value channels, token by token. The strip of the
// state stays in the first-level cache, so a chunk reads it from memory once. The chunked form with matrix
// products was rejected: it needs more arithmetic, and results would depend on the place of a token in its
// chunk.
#ifndef EDGEFRONT_OPS_DELTA_FORWARD_H_
#define EDGEFRONT_OPS_DELTA_FORWARD_H_

#include "targets/kernels.h"

namespace edgefront {
namespace {

inline constexpr int kDeltaVectors = static_cast<int>(kDeltaStrip) / Simd::kLanes;
// Rows of the state summed side by side, so that additions need not wait for each other.
inline constexpr size_t kDeltaRows = Simd::kLanes > 8 ? 4 : 2;

// Computes the products of the state [n][16] with k and q [n].
inline void StateProducts(const float* state, const float* k, const float* q, size_t n, Simd::F* by_k, Simd::F* by_q) {
  using F = Simd::F;
  F sum_k[kDeltaRows][kDeltaVectors], sum_q[kDeltaRows][kDeltaVectors];
  for (size_t r = 0; r < kDeltaRows; ++r)
    for (int j = 0; j < kDeltaVectors; ++j) sum_k[r][j] = sum_q[r][j] = Simd::Zero();
  const auto add = [&](size_t i, size_t r) {
    const F ki = Simd::Set(k[i]), qi = Simd::Set(q[i]);
    for (int j = 0; j < kDeltaVectors; ++j) {
      const F s = Simd::Load(state + i * kDeltaStrip + j * Simd::kLanes);
      sum_k[r][j] = Simd::Fma(s, ki, sum_k[r][j]);
      sum_q[r][j] = Simd::Fma(s, qi, sum_q[r][j]);
    }
  };
  size_t i = 0;
  for (; i + kDeltaRows <= n; i += kDeltaRows)
    for (size_t r = 0; r < kDeltaRows; ++r) add(i + r, r);
  for (; i < n; ++i) add(i, 0);
  const F one = Simd::Set(1.0f);
  for (int j = 0; j < kDeltaVectors; ++j) {
    by_k[j] = sum_k[0][j], by_q[j] = sum_q[0][j];
    for (size_t r = 1; r < kDeltaRows; ++r) {
      by_k[j] = Simd::Fma(sum_k[r][j], one, by_k[j]);
      by_q[j] = Simd::Fma(sum_q[r][j], one, by_q[j]);
    }
  }
}

// The function of the kernel table; targets/kernels.h has the contract of DeltaArgs. With the state S before
// the token, the output (decay S + k u^T)^T q is decay S^T q + u (k . q), so both products read the same S.
inline void Delta(const DeltaArgs& g) {
  using F = Simd::F;
  for (size_t t = 0; t < g.n; ++t) {
    const size_t at = t * g.stride;
    const F decay = Simd::Set(g.decay[at]), loss = Simd::Set(-g.decay[at]), rate = Simd::Set(g.rate[at]);
    const F key_query = Simd::Set(g.key_query[at]);
    F by_k[kDeltaVectors], by_q[kDeltaVectors], u[kDeltaVectors];
    StateProducts(g.state, g.k + at, g.q + at, g.key_dim, by_k, by_q);
    float v[kDeltaStrip] = {};
    for (size_t c = 0; c < g.channels; ++c) v[c] = g.v[at + c];
    for (int j = 0; j < kDeltaVectors; ++j) {
      float* values = v + j * Simd::kLanes;
      u[j] = Simd::Mul(rate, Simd::Fma(loss, by_k[j], Simd::Load(values)));
      Simd::Store(values, Simd::Fma(u[j], key_query, Simd::Mul(decay, by_q[j])));
    }
    for (size_t c = 0; c < g.channels; ++c) g.v[at + c] = v[c];
    for (size_t i = 0; i < g.key_dim; ++i) {
      const F k = Simd::Set(g.k[at + i]);
      for (int j = 0; j < kDeltaVectors; ++j) {
        float* s = g.state + i * kDeltaStrip + j * Simd::kLanes;
        Simd::Store(s, Simd::Fma(k, u[j], Simd::Mul(decay, Simd::Load(s))));
      }
    }
  }
}

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_OPS_DELTA_FORWARD_H_
