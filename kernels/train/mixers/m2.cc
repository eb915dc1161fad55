// Mamba-2 in training (infer/mixers/m2.cc describes it), and its short-conv part only, without heads. The
// projected rows z, x, B, C, dt are copied into buffers in which every group starts on a multiple of 16; the
// output has the groups that the output's matrix expects. The recurrence is linear attention with the keys B, the
// queries C and the values dt x.
#include <cmath>
#include <cstring>
#include <optional>

#include "ops/ssm/step_size.h"
#include "train/mixers/head_parts.h"
#include "train/mixers/short_conv.h"

namespace edgefront::train {
namespace {

using M2 = Mamba2Spec;

// Rows of `count` blocks of `size` values: dense in `dense`, and each on a multiple of 16 in `padded`.
struct Blocks {
  int count, size;

  int width() const { return count * PadUp(size); }
  void Spread(int rows, const float* dense, ptrdiff_t from, float* padded, ptrdiff_t to) const {
    for (int r = 0; r < rows; ++r) {
      for (int b = 0; b < count; ++b)
        std::memcpy(padded + r * to + b * PadUp(size), dense + r * from + b * size, sizeof(float) * static_cast<size_t>(size));
    }
  }
  void Gather(int rows, const float* padded, ptrdiff_t from, float* dense, ptrdiff_t to) const {
    for (int r = 0; r < rows; ++r) {
      for (int b = 0; b < count; ++b)
        std::memcpy(dense + r * to + b * size, padded + r * from + b * PadUp(size), sizeof(float) * static_cast<size_t>(size));
    }
  }
};

class Mamba2Mixer : public LayerMixer {
 public:
  explicit Mamba2Mixer(const MixerContext& c)
      : in_(c.Tensor(M2::kIn)),
        norm_(c.Tensor(M2::kNorm)),
        inner_(static_cast<int>(c.layer_spec().mamba2.inner)),
        heads_(static_cast<int>(c.layer_spec().mamba2.heads)),
        groups_(static_cast<int>(c.layer_spec().mamba2.groups)),
        convolved_(static_cast<int>(c.layer_spec().mamba2.convolved())),
        length_(c.length),
        eps_(c.spec.eps),
        conv_(c.Tensor(M2::kTaps), &c.Tensor(M2::kTapsBias), convolved_, c),
        channels_{groups_, inner_ / groups_},
        ld_(Stride(c.width)),
        ldr_(Stride(in_.padded_rows)),
        ldm_(Stride(channels_.width())) {
    const size_t rows = static_cast<size_t>(c.rows);
    raw_ = c.arena.Take(rows * ldr_);
    for (size_t* buffer : {&gate_, &y_, &gated_, &mixed_}) *buffer = c.arena.Take(rows * ldm_);
    rstd_ = c.arena.Take(rows * groups_);
    mixed_ld_ = static_cast<int>(ldm_);
    ArenaPlan work;
    draw_at_ = work.Take(rows * ldr_);
    dconv_at_ = work.Take(rows * conv_.ld());
    dgated_at_ = work.Take(rows * ldm_);
    if (heads_ > 0) PlanRecurrence(c, &work);
    work_floats_ = work.size();
  }

  void Forward(const MixerPass& p) const override {
    const int rows = p.sequences * length_;
    float* a = p.arena;
    Project(p.math, p.weights, in_, rows, p.in, ld_, nullptr, a + raw_, ldr_);
    channels_.Spread(rows, a + raw_, ldr_, a + gate_, ldm_);
    CopyColumns(rows, convolved_, a + raw_ + inner_, ldr_, a + conv_.in(), conv_.ld());
    conv_.Forward(p);
    if (heads_ == 0) {
      channels_.Spread(rows, a + conv_.out(), conv_.ld(), a + y_, ldm_);
    } else {
      const float* convolved = a + conv_.out();
      CopyToHeads(rows, convolved + inner_, conv_.ld(), states_->k, a);
      CopyToHeads(rows, convolved + inner_ + Vectors(), conv_.ld(), states_->q, a);
      Steps(p, rows);
      states_->Forward(p);
      for (int r = 0; r < rows; ++r) {
        for (int h = 0; h < heads_; ++h) {
          const float *o = states_->o.Of(a, r, h), *x = convolved + r * conv_.ld() + h * states_->v.dim;
          const float d = p.weights.flat[d_->offset + h];
          float* y = a + y_ + OutputAt(r, h);
          for (int i = 0; i < states_->v.dim; ++i) y[i] = o[i] + d * x[i];
        }
      }
    }
    p.math.swiglu(rows, channels_.width(), a + gate_, a + y_, ldm_, a + gated_);
    const int group = PadUp(channels_.size);
    for (int g = 0; g < groups_; ++g) {
      p.math.rms_norm(rows, channels_.size, group, a + gated_ + g * group, ldm_, p.weights.flat + norm_.offset + g * norm_.ld, eps_,
                      a + mixed_ + g * group, ldm_, a + rstd_ + static_cast<ptrdiff_t>(g) * rows);
    }
  }

  void Backward(const MixerPass& p, const MixerGradients& g) const override {
    const int rows = p.sequences * length_;
    float *a = p.arena, *draw = p.work + draw_at_, *dconv = p.work + dconv_at_, *dgated = p.work + dgated_at_;
    std::memset(p.work, 0, sizeof(float) * work_floats_);
    const int group = PadUp(channels_.size);
    for (int i = 0; i < groups_; ++i) {
      p.math.rms_norm_grad(rows, channels_.size, group, a + gated_ + i * group, ldm_, p.weights.flat + norm_.offset + i * norm_.ld,
                           a + rstd_ + static_cast<ptrdiff_t>(i) * rows, g.mixed + i * group, ldm_, dgated + i * group, ldm_,
                           g.params + norm_.offset + i * norm_.ld);
    }
    p.math.swiglu_grad(rows, channels_.width(), a + gate_, a + y_, ldm_, dgated);  // gate and y become their gradients
    channels_.Gather(rows, a + gate_, ldm_, draw, ldr_);
    if (heads_ == 0) {
      channels_.Gather(rows, a + y_, ldm_, dconv, conv_.ld());
    } else {
      for (int r = 0; r < rows; ++r) {
        for (int h = 0; h < heads_; ++h)
          std::memcpy(states_->dout.Of(p.work, r, h), a + y_ + OutputAt(r, h), sizeof(float) * static_cast<size_t>(states_->v.dim));
      }
      states_->Backward(p);
      for (int h = 0; h < heads_; ++h) HeadBackward(p, g, rows, h);
      CopyFromHeads(rows, states_->dk, p.work, dconv + inner_, conv_.ld());
      CopyFromHeads(rows, states_->dq, p.work, dconv + inner_ + Vectors(), conv_.ld());
    }
    conv_.Backward(p, dconv, g.params);
    CopyColumns(rows, convolved_, dconv, conv_.ld(), draw + inner_, ldr_);
    WeightGrad(p.math, p.weights, in_, rows, draw, ldr_, p.in, ld_, g.params, g.fresh);
    ProjectBack(p.math, p.weights, in_, rows, draw, ldr_, nullptr, g.in, ld_);
  }

 private:
  void PlanRecurrence(const MixerContext& c, ArenaPlan* work) {
    dt_bias_ = &c.Tensor(M2::kDtBias);
    a_ = &c.Tensor(M2::kA);
    d_ = &c.Tensor(M2::kD);
    states_.emplace(heads_, groups_, static_cast<int>(c.layer_spec().mamba2.state), inner_ / heads_, HeadDecay::kHead, false, c, *work);
    dt_ = states_->decay.In(static_cast<size_t>(c.rows), c.arena);
  }

  // Returns the width of B, and of C.
  int Vectors() const { return states_->k.heads * states_->k.dim; }
  // Returns the place of a head's outputs in [rows, ldm_].
  ptrdiff_t OutputAt(int row, int head) const {
    const int in_group = heads_ / groups_, group = head / in_group;
    return row * ldm_ + group * PadUp(channels_.size) + (head - group * in_group) * states_->v.dim;
  }
  float RawStep(const MixerPass& p, int row, int head) const {
    return p.arena[raw_ + row * ldr_ + inner_ + convolved_ + head] + p.weights.flat[dt_bias_->offset + head];
  }
  float Decay(const MixerPass& p, int head) const { return -std::exp(p.weights.flat[a_->offset + head]); }

  // Computes the step sizes, decays and values of all heads.
  void Steps(const MixerPass& p, int rows) const {
    for (int h = 0; h < heads_; ++h) {
      const float a = Decay(p, h);
      for (int r = 0; r < rows; ++r) {
        const float dt = Softplus(RawStep(p, r, h)), *x = p.arena + conv_.out() + r * conv_.ld() + h * states_->v.dim;
        float* v = states_->v.Of(p.arena, r, h);
        *dt_.Of(p.arena, r, h) = dt;
        *states_->decay.Of(p.arena, r, h) = std::exp(a * dt);
        for (int i = 0; i < states_->v.dim; ++i) v[i] = dt * x[i];
      }
    }
  }

  // Writes the gradients of a head's x and raw step sizes, and adds to those of its parameters.
  void HeadBackward(const MixerPass& p, const MixerGradients& g, int rows, int head) const {
    const float a = Decay(p, head), d = p.weights.flat[d_->offset + head];
    float dbias = 0, da = 0, dd = 0;
    for (int r = 0; r < rows; ++r) {
      const ptrdiff_t at = r * conv_.ld() + head * states_->v.dim;
      const float *x = p.arena + conv_.out() + at, *dy = p.arena + y_ + OutputAt(r, head), *dv = states_->dv.Of(p.work, r, head);
      const float dt = *dt_.Of(p.arena, r, head);
      float *dx = p.work + dconv_at_ + at, ddt = 0, skipped = 0;
      for (int i = 0; i < states_->v.dim; ++i) {
        dx[i] = d * dy[i] + dt * dv[i];
        ddt += x[i] * dv[i];
        skipped += dy[i] * x[i];
      }
      const float dlog = *states_->ddecay.Of(p.work, r, head) * *states_->decay.Of(p.arena, r, head);
      const float step = (ddt + dlog * a) / (1.0f + std::exp(-RawStep(p, r, head)));
      p.work[draw_at_ + r * ldr_ + inner_ + convolved_ + head] = step;
      dbias += step;
      da += dlog * dt;
      dd += skipped;
    }
    g.params[d_->offset + head] += dd;
    g.params[dt_bias_->offset + head] += dbias;
    g.params[a_->offset + head] += da * a;  // the parameter is ln(-a)
  }

  const Param &in_, &norm_;
  const Param *dt_bias_ = nullptr, *a_ = nullptr, *d_ = nullptr;
  int inner_, heads_, groups_, convolved_, length_;
  float eps_;
  ShortConv conv_;
  Blocks channels_;                   // of the output
  std::optional<StateHeads> states_;  // absent in the short-conv part
  ptrdiff_t ld_, ldr_, ldm_;
  size_t raw_, gate_, y_, gated_, rstd_;   // arena offsets
  HeadRows dt_;                            // step sizes, in the arena
  size_t draw_at_, dconv_at_, dgated_at_;  // work offsets
};

}  // namespace

std::unique_ptr<LayerMixer> MakeMamba2Mixer(const MixerContext& context) { return std::make_unique<Mamba2Mixer>(context); }

}  // namespace edgefront::train
