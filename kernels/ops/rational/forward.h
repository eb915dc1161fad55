// A rational transfer function in each channel, between the gates: RTF (arXiv 2405.06147), as the recurrence
// of its companion form. The values x of a block of tokens lie in one array behind those of the state, so
// that nothing is shifted.
#ifndef EDGEFRONT_OPS_RATIONAL_FORWARD_H_
#define EDGEFRONT_OPS_RATIONAL_FORWARD_H_

#include "ops/gated/load_strip.h"

namespace edgefront {
namespace {

template <bool whole>
inline void RationalStrip(const RationalArgs& g, const FilterStrip& s) {
  using F = Simd::F;
  constexpr int kV = kStripVectors, kLanes = Simd::kLanes;
  float x[(kMostOrder + kFilterBlock) * kFilterStrip];
  std::memcpy(x, s.state, g.order * kFilterStrip * sizeof(float));
  for (size_t t = 0; t < s.n; ++t) {
    F next[kV], y[kV];
    for (int v = 0; v < kV; ++v) {
      next[v] = Simd::Load(s.u + t * kFilterStrip + v * kLanes);
      y[v] = Simd::Mul(LoadStrip<whole>(g.h0 + s.c0, v, s.channels), next[v]);
    }
    // The oldest value comes first, because the newest one is known last.
    for (size_t i = g.order; i-- > 0;) {
      const float* past = x + (g.order + t - 1 - i) * kFilterStrip;
      for (int v = 0; v < kV; ++v) {
        const F value = Simd::Load(past + v * kLanes);
        next[v] = Simd::Fma(LoadStrip<whole>(g.minus_a + i * g.d + s.c0, v, s.channels), value, next[v]);
        y[v] = Simd::Fma(LoadStrip<whole>(g.b + i * g.d + s.c0, v, s.channels), value, y[v]);
      }
    }
    for (int v = 0; v < kV; ++v) {
      Simd::Store(x + (g.order + t) * kFilterStrip + v * kLanes, next[v]);
      Simd::Store(s.y + t * kFilterStrip + v * kLanes, y[v]);
    }
  }
  std::memcpy(s.state, x + s.n * kFilterStrip, g.order * kFilterStrip * sizeof(float));
}

inline void Rational(const RationalArgs& g) {
  ForStrips(g, g.order * kFilterStrip,
            [&](const FilterStrip& s) { s.channels == kFilterStrip ? RationalStrip<true>(g, s) : RationalStrip<false>(g, s); });
}

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_OPS_RATIONAL_FORWARD_H_
