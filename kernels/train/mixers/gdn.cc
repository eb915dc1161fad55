// Gated DeltaNet in training, or its short-convolution part. Convolved rows hold q, k and v without padding.
#include <memory>
#include <optional>
#include <utility>

#include "train/mixers/delta_keys.h"
#include "train/mixers/short_conv.h"

namespace edgefront::train {
namespace {

// The decays e^(-e^log_decay softplus(alpha x + step)), one for each head.
class HeadDecays {
 public:
  HeadDecays(const StateHeads& states, const MixerContext& c)
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

class GdnMixer : public LayerMixer {
 public:
  explicit GdnMixer(const MixerContext& c)
      : spec_(c.layer_spec().gdn),
        in_(c.Tensor(GdnSpec::kIn)),
        gate_(c.Tensor(GdnSpec::kGate)),
        length_(c.length),
        ld_in_(Stride(c.width)),
        conv_(c.Tensor(GdnSpec::kTaps), nullptr, static_cast<int>(spec_.channels()), c) {
    const size_t rows = static_cast<size_t>(c.rows);
    ArenaPlan work;
    const int heads = static_cast<int>(spec_.value_heads), value_dim = static_cast<int>(spec_.value_dim);
    if (spec_.key_heads > 0) {
      states_.emplace(heads, static_cast<int>(spec_.key_heads), static_cast<int>(spec_.key_dim), value_dim, HeadDecay::kHead, true, c,
                      work);
      keys_.emplace(c.Tensor(GdnSpec::kBeta), *states_, c);
      decays_.emplace(*states_, c);
    }
    out_ = states_ ? states_->o : HeadRows(heads, value_dim, PadUp(value_dim), rows, c.arena);
    dout_ = states_ ? states_->dout : out_.In(rows, work);
    norm_.emplace(c.Tensor(GdnSpec::kNorm), out_, c);
    z_ = out_.In(rows, c.arena).at;
    mixed_ = out_.In(rows, c.arena).at;
    mixed_ld_ = static_cast<int>(out_.ld);
    dconv_ = work.Take(rows * conv_.ld());
    work_floats_ = work.size();
  }

  void Forward(const MixerPass& p) const override {
    const int rows = p.sequences * length_;
    float* a = p.arena;
    Project(p.math, p.weights, in_, rows, p.in, ld_in_, nullptr, a + conv_.in(), conv_.ld());
    Project(p.math, p.weights, gate_, rows, p.in, ld_in_, nullptr, a + z_, out_.ld);
    conv_.Forward(p);
    if (states_) {
      keys_->Forward(p, rows, a + conv_.out(), conv_.ld());
      decays_->Forward(p, rows);
      states_->Forward(p);
    } else {
      CopyToHeads(rows, a + conv_.out(), conv_.ld(), out_, a);
    }
    norm_->Forward(p, rows);
    p.math.swiglu(rows, out_.heads * out_.step, a + z_, a + norm_->out.at, out_.ld, a + mixed_);
  }

  void Backward(const MixerPass& p, const MixerGradients& g) const override {
    const int rows = p.sequences * length_;
    float *a = p.arena, *dconv = p.work + dconv_;
    std::memset(dconv, 0, sizeof(float) * rows * conv_.ld());
    p.math.swiglu_grad(rows, out_.heads * out_.step, a + z_, a + norm_->out.at, out_.ld, g.mixed);  // they become gradients
    norm_->Backward(p, rows, dout_, g.params);
    WeightGrad(p.math, p.weights, gate_, rows, a + z_, out_.ld, p.in, ld_in_, g.params, g.fresh);
    ProjectBack(p.math, p.weights, gate_, rows, a + z_, out_.ld, nullptr, g.in, ld_in_);
    if (states_) {
      states_->Backward(p);
      keys_->Backward(p, g, rows, a + conv_.out(), dconv, conv_.ld());
      decays_->Backward(p, g, rows);
    } else {
      CopyFromHeads(rows, dout_, p.work, dconv, conv_.ld());
    }
    conv_.Backward(p, dconv, g.params);
    WeightGrad(p.math, p.weights, in_, rows, dconv, conv_.ld(), p.in, ld_in_, g.params, g.fresh);
    ProjectBack(p.math, p.weights, in_, rows, dconv, conv_.ld(), g.in, g.in, ld_in_);
  }

 private:
  const GdnSpec& spec_;
  const Param &in_, &gate_;
  int length_;
  ptrdiff_t ld_in_;
  ShortConv conv_;
  std::optional<StateHeads> states_;  // these three are absent in the short-convolution part
  std::optional<DeltaKeys> keys_;
  std::optional<HeadDecays> decays_;
  std::optional<HeadNorm> norm_;
  HeadRows out_, dout_;  // the heads' outputs before the norm: those of the states, or the convolved values
  size_t z_, dconv_;     // offsets in the arena and in the working memory
};

}  // namespace

std::unique_ptr<LayerMixer> MakeGdnMixer(const MixerContext& context) { return std::make_unique<GdnMixer>(context); }

}  // namespace edgefront::train
