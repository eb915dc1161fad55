// The states of linear attention on one strip of value channels, token by token: with or without a decay and the
// correction of the delta rule (arXiv 2412.06464). The strip of the state stays in the first-level cache, so a
// chunk reads it from memory once. The chunked form with matrix
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

// The decay of the whole state in token `t`; 1 if there is none, or one for each key channel.
template <bool per_channel>
inline float SharedDecay(const DeltaArgs& g, size_t t) {
  return per_channel || g.decay == nullptr ? 1.0f : g.decay[t * g.stride];
}

// Copy the values of token t to and from a whole strip.
inline void LoadValues(const DeltaArgs& g, size_t t, float* v) {
  for (size_t c = 0; c < kDeltaStrip; ++c) v[c] = c < g.channels ? g.v[t * g.stride + c] : 0.0f;
}
inline void StoreValues(const DeltaArgs& g, size_t t, const float* v) {
  for (size_t c = 0; c < g.channels; ++c) g.v[t * g.stride + c] = v[c];
}

// The delta rule. With the decayed state S before the update, the output (S + k u^T)^T q is S^T q + u (k . q), so
// both products read the same S. Decays of key channels multiply k and q instead of S.
template <bool per_channel>
inline void CorrectedState(const DeltaArgs& g) {
  using F = Simd::F;
  float decayed[per_channel ? 2 : 1][per_channel ? kMostKeyDim : 1];
  for (size_t t = 0; t < g.n; ++t) {
    const size_t at = t * g.stride;
    const float *k = g.k + at, *q = g.q + at;
    if constexpr (per_channel) {
      for (size_t i = 0; i < g.key_dim; ++i) {
        decayed[0][i] = g.decay[at + i] * k[i];
        decayed[1][i] = g.decay[at + i] * q[i];
      }
      k = decayed[0], q = decayed[1];
    }
    const float shared = SharedDecay<per_channel>(g, t);
    const F decay = Simd::Set(shared), loss = Simd::Set(-shared), rate = Simd::Set(g.rate[at]);
    const F key_query = Simd::Set(g.key_query[at]);
    F by_k[kDeltaVectors], by_q[kDeltaVectors], u[kDeltaVectors];
    StateProducts(g.state, k, q, g.key_dim, by_k, by_q);
    float v[kDeltaStrip];
    LoadValues(g, t, v);
    for (int j = 0; j < kDeltaVectors; ++j) {
      float* values = v + j * Simd::kLanes;
      u[j] = Simd::Mul(rate, Simd::Fma(loss, by_k[j], Simd::Load(values)));
      Simd::Store(values, Simd::Fma(u[j], key_query, Simd::Mul(decay, by_q[j])));
    }
    StoreValues(g, t, v);
    for (size_t i = 0; i < g.key_dim; ++i) {
      const F key = Simd::Set(g.k[at + i]), keep = per_channel ? Simd::Set(g.decay[at + i]) : decay;
      for (int j = 0; j < kDeltaVectors; ++j) {
        float* s = g.state + i * kDeltaStrip + j * Simd::kLanes;
        Simd::Store(s, Simd::Fma(key, u[j], Simd::Mul(keep, Simd::Load(s))));
      }
    }
  }
}

// Without the correction, one pass over the state updates it and multiplies it with the query.
template <bool per_channel>
inline void SummedState(const DeltaArgs& g) {
  using F = Simd::F;
  const F one = Simd::Set(1.0f);
  for (size_t t = 0; t < g.n; ++t) {
    const size_t at = t * g.stride;
    const F decay = Simd::Set(SharedDecay<per_channel>(g, t));
    float v[kDeltaStrip];
    LoadValues(g, t, v);
    F value[kDeltaVectors], sum[kDeltaRows][kDeltaVectors];
    for (int j = 0; j < kDeltaVectors; ++j) {
      value[j] = Simd::Load(v + j * Simd::kLanes);
      for (size_t r = 0; r < kDeltaRows; ++r) sum[r][j] = Simd::Zero();
    }
    const auto add = [&](size_t i, size_t r) {
      const F key = Simd::Set(g.k[at + i]), query = Simd::Set(g.q[at + i]), keep = per_channel ? Simd::Set(g.decay[at + i]) : decay;
      for (int j = 0; j < kDeltaVectors; ++j) {
        float* s = g.state + i * kDeltaStrip + j * Simd::kLanes;
        const F next = Simd::Fma(key, value[j], Simd::Mul(keep, Simd::Load(s)));
        Simd::Store(s, next);
        sum[r][j] = Simd::Fma(next, query, sum[r][j]);
      }
    };
    size_t i = 0;
    for (; i + kDeltaRows <= g.key_dim; i += kDeltaRows)
      for (size_t r = 0; r < kDeltaRows; ++r) add(i + r, r);
    for (; i < g.key_dim; ++i) add(i, 0);
    for (int j = 0; j < kDeltaVectors; ++j) {
      for (size_t r = 1; r < kDeltaRows; ++r) sum[0][j] = Simd::Fma(sum[r][j], one, sum[0][j]);
      Simd::Store(v + j * Simd::kLanes, sum[0][j]);
    }
    StoreValues(g, t, v);
  }
}

// The function of the kernel table; targets/kernels.h has the contract of DeltaArgs.
inline void Delta(const DeltaArgs& g) {
  if (g.rate != nullptr)
    g.per_channel ? CorrectedState<true>(g) : CorrectedState<false>(g);
  else
    g.per_channel ? SummedState<true>(g) : SummedState<false>(g);
}

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_OPS_DELTA_FORWARD_H_
