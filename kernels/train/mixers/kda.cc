// Kimi Delta Attention in training, or its short-convolution part. Convolved rows hold q, k and v without padding.
#include <memory>
#include <optional>

#include "train/mixers/channel_decays.h"
#include "train/mixers/delta_keys.h"
#include "train/mixers/short_conv.h"

namespace edgefront::train {
namespace {

using L = LinearSpec;

class KdaMixer : public LayerMixer {
 public:
  explicit KdaMixer(const MixerContext& c)
      : spec_(c.layer_spec().linear),
        in_(c.Tensor(L::kIn)),
        length_(c.length),
        ld_in_(Stride(c.width)),
        conv_(c.Tensor(L::kTaps), nullptr, static_cast<int>(spec_.channels()), c) {
    const size_t rows = static_cast<size_t>(c.rows);
    ArenaPlan work;
    const int heads = static_cast<int>(spec_.heads), dim = static_cast<int>(spec_.value_dim);
    if (spec_.key_dim > 0) {
      states_.emplace(heads, heads, dim, dim, HeadDecay::kChannel, true, c, work);
      keys_.emplace(c.Tensor(L::kBeta), *states_, c);
      decays_.emplace(*states_, &c.Tensor(L::kRate), c, work);
    }
    out_ = states_ ? states_->o : HeadRows(heads, dim, PadUp(dim), rows, c.arena);
    dout_ = states_ ? states_->dout : out_.In(rows, work);
    norm_.emplace(c.Tensor(L::kNorm), out_, c);
    gate_.emplace(c.Tensor(L::kGateA), c.Tensor(L::kGateB), c, work);
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
    p.math.sigmoid_gate(rows, out_.heads * out_.step, a + z_, a + norm_->out.at, out_.ld, a + mixed_);
  }

  void Backward(const MixerPass& p, const MixerGradients& g) const override {
    const int rows = p.sequences * length_;
    float *a = p.arena, *dconv = p.work + dconv_;
    std::memset(dconv, 0, sizeof(float) * rows * conv_.ld());
    p.math.sigmoid_gate_grad(rows, out_.heads * out_.step, a + z_, a + norm_->out.at, out_.ld, g.mixed);  // they become gradients
    norm_->Backward(p, rows, dout_, g.params);
    gate_->Backward(p, g, rows, a + z_, out_.ld, nullptr);
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
  const L& spec_;
  const Param& in_;
  int length_;
  ptrdiff_t ld_in_;
  ShortConv conv_;
  std::optional<StateHeads> states_;  // these three are absent in the short-convolution part
  std::optional<DeltaKeys> keys_;
  std::optional<ChannelDecays> decays_;
  std::optional<HeadNorm> norm_;
  std::optional<LowRank> gate_;
  HeadRows out_, dout_;  // the heads' outputs before the norm: those of the states, or the convolved values
  size_t z_, dconv_;     // offsets in the arena and in the working memory
};

}  // namespace

std::unique_ptr<LayerMixer> MakeKdaMixer(const MixerContext& context) { return std::make_unique<KdaMixer>(context); }

}  // namespace edgefront::train
