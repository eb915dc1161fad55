// Mixers of the delta rule in training: q, k and v of a short convolution, the states of heads, norm, gate. Without
// keys, as in their short-convolution parts, the convolved values go directly to the norm. Convolved rows hold q, k
// and v without padding.
#pragma once

#include <optional>

#include "train/mixers/delta_keys.h"
#include "train/mixers/short_conv.h"

namespace edgefront::train {

// The heads of a layer. No key heads: no states.
struct DeltaShape {
  uint32_t heads, key_heads, key_dim, value_dim;
  HeadDecay decay;
};

// `Operator` gives the Spec of a layer with its slots, its shape, and the two parts in which these mixers differ.
// Decays write one or many decays for each head. A Gate projects the input to z and multiplies the outputs by a
// function of z.
template <class Operator>
class DeltaMixer : public LayerMixer {
  using Spec = typename Operator::Spec;
  using Gate = typename Operator::Gate;

 public:
  explicit DeltaMixer(const MixerContext& c)
      : in_(c.Tensor(Spec::kIn)),
        length_(c.length),
        ld_in_(Stride(c.width)),
        conv_(c.Tensor(Spec::kTaps), nullptr, static_cast<int>(Operator::SpecOf(c).channels()), c) {
    const DeltaShape shape = Operator::ShapeOf(Operator::SpecOf(c));
    const size_t rows = static_cast<size_t>(c.rows);
    ArenaPlan work;
    const int heads = static_cast<int>(shape.heads), value_dim = static_cast<int>(shape.value_dim);
    if (shape.key_heads > 0) {
      states_.emplace(heads, static_cast<int>(shape.key_heads), static_cast<int>(shape.key_dim), value_dim, shape.decay, true, c, work);
      keys_.emplace(c.Tensor(Spec::kBeta), *states_, c);
      decays_.emplace(*states_, c, work);
    }
    out_ = states_ ? states_->o : HeadRows(heads, value_dim, PadUp(value_dim), rows, c.arena);
    dout_ = states_ ? states_->dout : out_.In(rows, work);
    norm_.emplace(c.Tensor(Spec::kNorm), out_, c);
    gate_.emplace(c, work);
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
    gate_->Forward(p, rows, a + z_, out_.ld);
    conv_.Forward(p);
    if (states_) {
      keys_->Forward(p, rows, a + conv_.out(), conv_.ld());
      decays_->Forward(p, rows);
      states_->Forward(p);
    } else {
      CopyToHeads(rows, a + conv_.out(), conv_.ld(), out_, a);
    }
    norm_->Forward(p, rows);
    Gate::Apply(p.math)(rows, out_.heads * out_.step, a + z_, a + norm_->out.at, out_.ld, a + mixed_);
  }

  void Backward(const MixerPass& p, const MixerGradients& g) const override {
    const int rows = p.sequences * length_;
    float *a = p.arena, *dconv = p.work + dconv_;
    std::memset(dconv, 0, sizeof(float) * rows * conv_.ld());
    Gate::ApplyGrad(p.math)(rows, out_.heads * out_.step, a + z_, a + norm_->out.at, out_.ld, g.mixed);  // they become gradients
    norm_->Backward(p, rows, dout_, g.params);
    gate_->Backward(p, g, rows, a + z_, out_.ld);
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
  const Param& in_;
  int length_;
  ptrdiff_t ld_in_;
  ShortConv conv_;
  std::optional<StateHeads> states_;  // these three are absent in the short-convolution part
  std::optional<DeltaKeys> keys_;
  std::optional<typename Operator::Decays> decays_;
  std::optional<HeadNorm> norm_;
  std::optional<Gate> gate_;
  HeadRows out_, dout_;  // the heads' outputs before the norm: those of the states, or the convolved values
  size_t z_, dconv_;     // offsets in the arena and in the working memory
};

}  // namespace edgefront::train
