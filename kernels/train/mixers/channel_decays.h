// Decays for each key channel in training, e^(rate softplus(sign (b a x + bias))), through two matrices of low rank.
#pragma once

#include <cmath>

#include "ops/delta/rates.h"
#include "train/mixers/head_parts.h"

namespace edgefront::train {

class ChannelDecays {
 public:
  // `log_rate` holds ln(-rate) of each head, and the sign is 1. Without it, the decays are those of gated linear
  // attention: the sign is -1 and the rate kGlaRate.
  ChannelDecays(const StateHeads& states, const Param* log_rate, const MixerContext& c, ArenaPlan& work)
      : states_(states),
        bias_(c.Tensor(LinearSpec::kDecayBias)),
        log_rate_(log_rate),
        projection_(c.Tensor(LinearSpec::kDecayA), c.Tensor(LinearSpec::kDecayB), c, work),
        x_(states.decay.In(static_cast<size_t>(c.rows), c.arena)) {}

  void Forward(const MixerPass& p, int rows) const {
    projection_.Forward(p, rows, p.arena + x_.at, x_.ld);
    for (int r = 0; r < rows; ++r) {
      for (int h = 0; h < x_.heads; ++h)
        p.math.decays(x_.step, BiasOf(p, h), Sign(), RateOf(p, h), x_.Of(p.arena, r, h), states_.decay.Of(p.arena, r, h));
    }
  }

  // Adds to g.in and to the gradients of the parameters, from those of the decays in `states`.
  void Backward(const MixerPass& p, const MixerGradients& g, int rows) const {
    for (int r = 0; r < rows; ++r) {
      for (int h = 0; h < x_.heads; ++h) {
        float* x = x_.Of(p.arena, r, h);  // becomes its gradient
        const float to_rate = p.math.decays_grad(x_.step, BiasOf(p, h), Sign(), RateOf(p, h), states_.decay.Of(p.arena, r, h),
                                                 states_.ddecay.Of(p.work, r, h), x);
        if (log_rate_ != nullptr) g.params[log_rate_->offset + h] += to_rate;
        float* to_bias = g.params + bias_.offset + static_cast<ptrdiff_t>(h) * x_.step;
        for (int i = 0; i < x_.dim; ++i) to_bias[i] += x[i];
      }
    }
    projection_.Backward(p, g, rows, p.arena + x_.at, x_.ld, g.in);
  }

 private:
  const float* BiasOf(const MixerPass& p, int h) const { return p.weights.flat + bias_.offset + static_cast<ptrdiff_t>(h) * x_.step; }
  float Sign() const { return log_rate_ != nullptr ? 1.0f : -1.0f; }
  float RateOf(const MixerPass& p, int h) const {
    return log_rate_ != nullptr ? -std::exp(p.weights.flat[log_rate_->offset + h]) : kGlaRate;
  }

  const StateHeads& states_;
  const Param& bias_;
  const Param* log_rate_;
  LowRank projection_;
  HeadRows x_;  // in the arena
};

}  // namespace edgefront::train
