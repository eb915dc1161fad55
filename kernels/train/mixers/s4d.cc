// The bank of complex modes in training (infer/mixers/s4d.cc describes it): S4D, and Liquid-S4, whose modes
// also multiply their state by the input. The recurrence's weights are computed from the parameters before a
// forward pass; their gradients become those of the parameters after a backward pass.
#include <cmath>

#include "ops/modal/discretise.h"
#include "train/mixers/gated_filter.h"

namespace edgefront::train {
namespace {

using S = ModalSpec;

class ModalMixer : public FilterMixer {
 public:
  explicit ModalMixer(const MixerContext& c)
      : FilterMixer(c, ModalScratch(c.length) + Parts(c) * Weights(c)),
        modes_(static_cast<int>(c.layer_spec().modal.modes())),
        liquid_(Liquid(c)),
        dt_(c.Tensor(S::kDt)),
        d_(c.Tensor(S::kD)),
        size_(static_cast<ptrdiff_t>(Weights(c))) {
    constexpr int kSlots[] = {S::kARe, S::kAIm, S::kCRe, S::kCIm, S::kBRe, S::kBIm};
    for (size_t i = 0; i < Parts(c); ++i) {
      parts_[i] = &c.Tensor(kSlots[i]);
      weights_[i] = c.arena.Take(Weights(c));
    }
  }

 private:
  enum Part { kARe, kAIm, kCRe, kCIm, kBRe, kBIm, kParts };

  static bool Liquid(const MixerContext& c) { return c.layer_spec().mixer == Mixer::kLs4; }
  static size_t Parts(const MixerContext& c) { return Liquid(c) ? kParts : kBRe; }
  static size_t Weights(const MixerContext& c) { return size_t{c.layer_spec().modal.modes()} * c.width; }

  // The parameters of element `at` of [modes, width].
  Complex Rate(const MixerPass& p, ptrdiff_t at) const { return {-std::exp(static_cast<double>(Value(p, kARe, at))), Value(p, kAIm, at)}; }
  Complex Output(const MixerPass& p, ptrdiff_t at) const { return {Value(p, kCRe, at), Value(p, kCIm, at)}; }
  Complex Factor(const MixerPass& p, ptrdiff_t at) const { return {Value(p, kBRe, at), Value(p, kBIm, at)}; }
  float Value(const MixerPass& p, Part part, ptrdiff_t at) const { return p.weights.flat[parts_[part]->offset + at]; }
  DiscreteMode ModeOf(const MixerPass& p, ptrdiff_t at) const { return Discretise(p.weights.flat[dt_.offset + at % width_], Rate(p, at)); }

  void Prepare(const MixerPass& p) const override {
    const auto set = [&](Part re, Part im, ptrdiff_t at, Complex value) {
      p.arena[weights_[re] + at] = static_cast<float>(value.real());
      p.arena[weights_[im] + at] = static_cast<float>(value.imag());
    };
    for (ptrdiff_t at = 0; at < size_; ++at) {
      const DiscreteMode mode = ModeOf(p, at);
      set(kARe, kAIm, at, mode.decay);
      set(kCRe, kCIm, at, 2.0 * Output(p, at) * (liquid_ ? 1.0 : mode.input));
      if (liquid_) set(kBRe, kBIm, at, LiquidInput(mode.decay, Factor(p, at)));
    }
  }

  ModalBank Of(const MixerPass& p, float* u) const {
    const auto of = [&](Part part) { return part < kBRe || liquid_ ? p.arena + weights_[part] : nullptr; };
    return {length_,
            width_,
            modes_,
            of(kARe),
            of(kAIm),
            of(kCRe),
            of(kCIm),
            of(kBRe),
            of(kBIm),
            p.weights.flat + d_.offset,
            u,
            ld_,
            Work(p) + (liquid_ ? kParts : kBRe) * size_};
  }

  void Filter(const MixerPass& p, ptrdiff_t, float* u, float* y) const override { p.math.modal(Of(p, u), y); }

  void FilterBackward(const MixerPass& p, const MixerGradients& gradients, ptrdiff_t, float* u, float* g) const override {
    const auto of = [&](Part part) { return Work(p) + part * size_; };
    p.math.modal_grad(Of(p, u), {g, of(kARe), of(kAIm), of(kCRe), of(kCIm), of(kBRe), of(kBIm), gradients.params + d_.offset});
  }

  // A gradient of a complex number z is (d/dRe z) + i (d/dIm z), so that it passes through a holomorphic
  // function by the conjugate of its derivative.
  void Finish(const MixerPass& p, const MixerGradients& g) const override {
    const auto of = [&](Part re, Part im, ptrdiff_t at) { return Complex{Work(p)[re * size_ + at], Work(p)[im * size_ + at]}; };
    const auto add = [&](Part part, ptrdiff_t at, double value) { g.params[parts_[part]->offset + at] += static_cast<float>(value); };
    for (ptrdiff_t at = 0; at < size_; ++at) {
      const Complex a = Rate(p, at);
      const DiscreteMode mode = ModeOf(p, at);
      Complex d_decay = of(kARe, kAIm, at), d_output = 2.0 * of(kCRe, kCIm, at), d_rate = 0;
      double d_step = 0;
      if (liquid_) {
        const Complex factor = Factor(p, at), d_factor = of(kBRe, kBIm, at);
        const LiquidGrad l = LiquidInputGrad(mode.decay, factor, d_factor);
        add(kBRe, at, l.factor.real());
        add(kBIm, at, l.factor.imag());
        d_decay += l.decay;
      } else {
        const Complex d_input = std::conj(Output(p, at)) * d_output;
        d_output *= std::conj(mode.input);
        d_rate += std::conj(InputSlope(mode, a)) * d_input;
        d_step += (std::conj(mode.decay) * d_input).real();
      }
      d_rate += std::conj(mode.step * mode.decay) * d_decay;
      d_step += (std::conj(a * mode.decay) * d_decay).real();
      add(kCRe, at, d_output.real());
      add(kCIm, at, d_output.imag());
      add(kARe, at, d_rate.real() * a.real());  // the parameter is ln(-Re a)
      add(kAIm, at, d_rate.imag());
      if (p.weights.flat[dt_.offset + at % width_] < kMostLogStep)
        g.params[dt_.offset + at % width_] += static_cast<float>(d_step * mode.step);
    }
  }

  int modes_;
  bool liquid_;
  const Param &dt_, &d_;
  const Param* parts_[kParts] = {};
  size_t weights_[kParts] = {};  // arena offsets of the recurrence's weights, [modes, width] each
  ptrdiff_t size_;               // floats of each
};

}  // namespace

std::unique_ptr<LayerMixer> MakeModalMixer(const MixerContext& context) { return std::make_unique<ModalMixer>(context); }

}  // namespace edgefront::train
