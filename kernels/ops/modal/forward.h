// A bank of complex modes in each channel, between the gates: S4D (arXiv 2206.11893) and Liquid-S4 (arXiv
// 2209.12951). A mode runs over a block of tokens while
// its state and weights stay in registers; the outputs of all modes add up in `y`.
#ifndef EDGEFRONT_OPS_MODAL_FORWARD_H_
#define EDGEFRONT_OPS_MODAL_FORWARD_H_

#include "ops/gated/load_strip.h"
#include "simd/plain_loops.h"

namespace edgefront {
namespace {

// Advances mode `i`, whose state [2][16] holds real and imaginary parts.
template <bool whole, bool liquid>
inline void AdvanceMode(const ModalArgs& g, const FilterStrip& s, size_t i) {
  using F = Simd::F;
  constexpr int kV = kStripVectors, kLanes = Simd::kLanes;
  const F minus = Simd::Set(-1.0f);
  const size_t at = i * g.d + s.c0;
  float *re = s.state + i * 2 * kFilterStrip, *im = re + kFilterStrip;
  F ar[kV], ai[kV], br[kV], bi[kV], cr[kV], minus_ci[kV], sr[kV], si[kV];
  for (int v = 0; v < kV; ++v) {
    ar[v] = LoadStrip<whole>(g.a_re + at, v, s.channels);
    ai[v] = LoadStrip<whole>(g.a_im + at, v, s.channels);
    br[v] = liquid ? LoadStrip<whole>(g.b_re + at, v, s.channels) : Simd::Zero();
    bi[v] = liquid ? LoadStrip<whole>(g.b_im + at, v, s.channels) : Simd::Zero();
    cr[v] = LoadStrip<whole>(g.c_re + at, v, s.channels);
    minus_ci[v] = Simd::Mul(minus, LoadStrip<whole>(g.c_im + at, v, s.channels));
    sr[v] = Simd::Load(re + v * kLanes);
    si[v] = Simd::Load(im + v * kLanes);
  }
  for (size_t t = 0; t < s.n; ++t) {
    for (int v = 0; v < kV; ++v) {
      const F u = Simd::Load(s.u + t * kFilterStrip + v * kLanes), before = sr[v];
      const F fr = liquid ? Simd::Fma(br[v], u, ar[v]) : ar[v], fi = liquid ? Simd::Fma(bi[v], u, ai[v]) : ai[v];
      const F added = liquid ? Simd::Mul(br[v], u) : u;
      const F turned = liquid ? Simd::Fma(bi[v], u, Simd::Mul(fi, before)) : Simd::Mul(fi, before);
      float* y = s.y + t * kFilterStrip + v * kLanes;
      sr[v] = Simd::Fma(fr, before, Simd::Fma(Simd::Mul(minus, fi), si[v], added));
      si[v] = Simd::Fma(fr, si[v], turned);
      Simd::Store(y, Simd::Fma(cr[v], sr[v], Simd::Fma(minus_ci[v], si[v], Simd::Load(y))));
    }
  }
  for (int v = 0; v < kV; ++v) {
    Simd::Store(re + v * kLanes, sr[v]);
    Simd::Store(im + v * kLanes, si[v]);
  }
}

template <bool whole, bool liquid>
inline void ModalStrip(const ModalArgs& g, const FilterStrip& s) {
  if (liquid) {
    for (size_t i = 0; i < s.n * kFilterStrip; ++i) s.u[i] = 1.0f - 2.0f / (1.0f + FastExp(2.0f * s.u[i]));  // tanh
  }
  for (int v = 0; v < kStripVectors; ++v) {
    const Simd::F skip = LoadStrip<whole>(g.skip + s.c0, v, s.channels);
    for (size_t t = 0; t < s.n; ++t) {
      const size_t at = t * kFilterStrip + v * Simd::kLanes;
      Simd::Store(s.y + at, Simd::Mul(skip, Simd::Load(s.u + at)));
    }
  }
  for (size_t i = 0; i < g.modes; ++i) AdvanceMode<whole, liquid>(g, s, i);
}

inline void Modal(const ModalArgs& g) {
  ForStrips(g, 2 * g.modes * kFilterStrip, [&](const FilterStrip& s) {
    if (g.b_re != nullptr)
      s.channels == kFilterStrip ? ModalStrip<true, true>(g, s) : ModalStrip<false, true>(g, s);
    else
      s.channels == kFilterStrip ? ModalStrip<true, false>(g, s) : ModalStrip<false, false>(g, s);
  });
}

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_OPS_MODAL_FORWARD_H_
