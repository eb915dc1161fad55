// Gated linear attention in training. Projected rows hold q, k and v without padding.
#include <cmath>
#include <memory>

#include "train/mixers/channel_decays.h"

namespace edgefront::train {
namespace {

using L = LinearSpec;

class GlaMixer : public LayerMixer {
 public:
  explicit GlaMixer(const MixerContext& c) : GlaMixer(c, ArenaPlan()) {}

  void Forward(const MixerPass& p) const override {
    const int rows = p.sequences * length_;
    float* a = p.arena;
    Project(p.math, p.weights, in_, rows, p.in, ld_in_, nullptr, a + qkv_, ld_qkv_);
    Project(p.math, p.weights, gate_, rows, p.in, ld_in_, nullptr, a + z_, states_.o.ld);
    CopyToHeads(rows, a + qkv_, ld_qkv_, states_.q, a);
    CopyToHeads(rows, a + qkv_ + KeyWidth(), ld_qkv_, states_.k, a);
    CopyToHeads(rows, a + qkv_ + 2 * KeyWidth(), ld_qkv_, states_.v, a);
    Scale(rows, states_.q, a);
    decays_.Forward(p, rows);
    states_.Forward(p);
    norm_.Forward(p, rows);
    p.math.swiglu(rows, states_.o.heads * states_.o.step, a + z_, a + norm_.out.at, states_.o.ld, a + mixed_);
  }

  void Backward(const MixerPass& p, const MixerGradients& g) const override {
    const int rows = p.sequences * length_;
    float *a = p.arena, *dqkv = a + qkv_;  // its content is no longer needed, and its padding is zero
    p.math.swiglu_grad(rows, states_.o.heads * states_.o.step, a + z_, a + norm_.out.at, states_.o.ld, g.mixed);  // they become gradients
    norm_.Backward(p, rows, states_.dout, g.params);
    WeightGrad(p.math, p.weights, gate_, rows, a + z_, states_.o.ld, p.in, ld_in_, g.params, g.fresh);
    ProjectBack(p.math, p.weights, gate_, rows, a + z_, states_.o.ld, nullptr, g.in, ld_in_);
    states_.Backward(p);
    decays_.Backward(p, g, rows);
    Scale(rows, states_.dq, p.work);
    CopyFromHeads(rows, states_.dq, p.work, dqkv, ld_qkv_);
    CopyFromHeads(rows, states_.dk, p.work, dqkv + KeyWidth(), ld_qkv_);
    CopyFromHeads(rows, states_.dv, p.work, dqkv + 2 * KeyWidth(), ld_qkv_);
    WeightGrad(p.math, p.weights, in_, rows, dqkv, ld_qkv_, p.in, ld_in_, g.params, g.fresh);
    ProjectBack(p.math, p.weights, in_, rows, dqkv, ld_qkv_, g.in, g.in, ld_in_);
  }

 private:
  GlaMixer(const MixerContext& c, ArenaPlan work)
      : spec_(c.layer_spec().linear),
        in_(c.Tensor(L::kIn)),
        gate_(c.Tensor(L::kGate)),
        length_(c.length),
        ld_in_(Stride(c.width)),
        ld_qkv_(Stride(in_.padded_rows)),
        states_(static_cast<int>(spec_.heads), static_cast<int>(spec_.heads), static_cast<int>(spec_.key_dim),
                static_cast<int>(spec_.value_dim), HeadDecay::kChannel, false, c, work),
        decays_(states_, nullptr, c, work),
        norm_(c.Tensor(L::kNorm), states_.o, c) {
    const size_t rows = static_cast<size_t>(c.rows);
    qkv_ = c.arena.Take(rows * ld_qkv_);
    z_ = states_.o.In(rows, c.arena).at;
    mixed_ = states_.o.In(rows, c.arena).at;
    mixed_ld_ = static_cast<int>(states_.o.ld);
    work_floats_ = work.size();
  }

  ptrdiff_t KeyWidth() const { return static_cast<ptrdiff_t>(spec_.key_width()); }

  // Multiplies queries, or their gradients, by 1 / sqrt(key_dim).
  void Scale(int rows, const HeadRows& q, float* memory) const {
    const float scale = 1.0f / std::sqrt(static_cast<float>(q.dim));
    for (int r = 0; r < rows; ++r) {
      float* row = q.Of(memory, r, 0);
      for (int i = 0; i < q.heads * q.step; ++i) row[i] *= scale;
    }
  }

  const L& spec_;
  const Param &in_, &gate_;
  int length_;
  ptrdiff_t ld_in_, ld_qkv_;
  StateHeads states_;
  ChannelDecays decays_;
  HeadNorm norm_;
  size_t qkv_, z_;  // arena offsets
};

}  // namespace

std::unique_ptr<LayerMixer> MakeGlaMixer(const MixerContext& context) { return std::make_unique<GlaMixer>(context); }

}  // namespace edgefront::train
