// Gated DeltaNet in training, or its short-convolution part.
#include <memory>

#include "train/mixers/delta_mixer.h"

namespace edgefront::train {
namespace {

// The decays e^(-e^log_decay softplus(alpha x + step)), one for each head.
class HeadDecays {
 public:
  HeadDecays(const StateHeads& states, const MixerContext& c, ArenaPlan&)
      : alpha_(c.Tensor(GdnSpec::kAlpha)),
        step_(c.Tensor(GdnSpec::kStep)),
        log_decay_(c.Tensor(GdnSpec::kDecay)),
        states_(states),
        ld_in_(Stride(c.width)),
        ld_(Stride(alpha_.padded_rows)) {
    a_ = c.arena.Take(static_cast<size_t>(c.rows) * ld_);
  }

  void Forward(const MixerPass& p, int rows) const {
    Project(p.math, p.weights, alpha_, rows, p.in, ld_in_, nullptr, p.arena + a_, ld_);
    const float *step = p.weights.flat + step_.offset, *log_decay = p.weights.flat + log_decay_.offset;
    for (int r = 0; r < rows; ++r) {
      for (int h = 0; h < states_.v.heads; ++h)
        *states_.decay.Of(p.arena, r, h) = DecayOf(-std::exp(log_decay[h]), p.arena[a_ + r * ld_ + h] + step[h]);
    }
  }

  // Replaces alpha x by its gradient, and adds to those of the step's bias, of ln(-a) and of g.in.
  void Backward(const MixerPass& p, const MixerGradients& g, int rows) const {
    const float *step = p.weights.flat + step_.offset, *log_decay = p.weights.flat + log_decay_.offset;
    for (int h = 0; h < states_.v.heads; ++h) {
      const double a = -std::exp(static_cast<double>(log_decay[h]));
      double to_step = 0, to_decay = 0;
      for (int r = 0; r < rows; ++r) {
        float& projected = p.arena[a_ + r * ld_ + h];
        const double x = static_cast<double>(projected) + step[h];
        // The decay is e^f with f = a softplus(x).
        const double df = static_cast<double>(*states_.ddecay.Of(p.work, r, h)) * *states_.decay.Of(p.arena, r, h);
        const double dx = df * a / (1 + std::exp(-x));
        projected = static_cast<float>(dx);
        to_step += dx;
        to_decay += df * a * Softplus(x);
      }
      g.params[step_.offset + h] += static_cast<float>(to_step);
      g.params[log_decay_.offset + h] += static_cast<float>(to_decay);
    }
    WeightGrad(p.math, p.weights, alpha_, rows, p.arena + a_, ld_, p.in, ld_in_, g.params, g.fresh);
    ProjectBack(p.math, p.weights, alpha_, rows, p.arena + a_, ld_, g.in, g.in, ld_in_);
  }

 private:
  const Param &alpha_, &step_, &log_decay_;
  const StateHeads& states_;
  ptrdiff_t ld_in_, ld_;
  size_t a_;  // arena offset
};

// The gate silu(z), with z through one matrix.
class SiluGate {
 public:
  SiluGate(const MixerContext& c, ArenaPlan&) : weight_(c.Tensor(GdnSpec::kGate)), ld_in_(Stride(c.width)) {}

  void Forward(const MixerPass& p, int rows, float* z, ptrdiff_t ld) const {
    Project(p.math, p.weights, weight_, rows, p.in, ld_in_, nullptr, z, ld);
  }
  // Writes its part of the input's gradient to g.in.
  void Backward(const MixerPass& p, const MixerGradients& g, int rows, const float* dz, ptrdiff_t ld) const {
    WeightGrad(p.math, p.weights, weight_, rows, dz, ld, p.in, ld_in_, g.params, g.fresh);
    ProjectBack(p.math, p.weights, weight_, rows, dz, ld, nullptr, g.in, ld_in_);
  }
  static auto Apply(const Math& math) { return math.swiglu; }
  static auto ApplyGrad(const Math& math) { return math.swiglu_grad; }

 private:
  const Param& weight_;
  ptrdiff_t ld_in_;
};

struct Gdn {
  using Spec = GdnSpec;
  using Decays = HeadDecays;
  using Gate = SiluGate;
  static const Spec& SpecOf(const MixerContext& c) { return c.layer_spec().gdn; }
  static DeltaShape ShapeOf(const Spec& s) { return {s.value_heads, s.key_heads, s.key_dim, s.value_dim, HeadDecay::kHead}; }
};

}  // namespace

std::unique_ptr<LayerMixer> MakeGdnMixer(const MixerContext& context) { return std::make_unique<DeltaMixer<Gdn>>(context); }

}  // namespace edgefront::train
