// Mamba-2 in training (infer/mixers/m2.cc describes it), and its short-conv part only, without heads. The
// projected rows z, x, B, C, dt are copied into buffers in which every group starts on a multiple of 16; the
// output has the groups that the output's matrix expects.
#include <cmath>
#include <cstring>

#include "ops/ssm/step_size.h"
#include "train/layer_mixer.h"
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
        states_(static_cast<int>(c.layer_spec().mamba2.state)),
        groups_(static_cast<int>(c.layer_spec().mamba2.groups)),
        convolved_(static_cast<int>(c.layer_spec().mamba2.convolved())),
        length_(c.length),
        eps_(c.spec.eps),
        conv_(c.Tensor(M2::kTaps), &c.Tensor(M2::kTapsBias), convolved_, c),
        channels_{groups_, inner_ / groups_},
        vectors_{groups_, states_},
        ld_(Stride(c.width)),
        ldr_(Stride(in_.padded_rows)),
        ldm_(Stride(channels_.width())),
        ldb_(Stride(vectors_.width())) {
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
      Steps(p);
      const float* b = a + conv_.out() + inner_;
      vectors_.Spread(rows, b, conv_.ld(), a + b_, ldb_);
      vectors_.Spread(rows, b + groups_ * states_, conv_.ld(), a + c_, ldb_);
      for (int s = 0; s < p.sequences; ++s) {
        for (int h = 0; h < heads_; ++h) p.math.ssm(HeadOf(p, s, h), a + y_ + OutputAt(s, h), ldm_);
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
      for (int s = 0; s < p.sequences; ++s) {
        for (int h = 0; h < heads_; ++h) HeadBackward(p, g, s, h);
      }
      vectors_.Gather(rows, p.work + db_at_, ldb_, dconv + inner_, conv_.ld());
      vectors_.Gather(rows, p.work + dc_at_, ldb_, dconv + inner_ + groups_ * states_, conv_.ld());
    }
    conv_.Backward(p, dconv, g.params);
    CopyColumns(rows, convolved_, dconv, conv_.ld(), draw + inner_, ldr_);
    WeightGrad(p.math, p.weights, in_, rows, draw, ldr_, p.in, ld_, g.params, g.fresh);
    ProjectBack(p.math, p.weights, in_, rows, draw, ldr_, nullptr, g.in, ld_);
  }

 private:
  void PlanRecurrence(const MixerContext& c, ArenaPlan* work) {
    const size_t rows = static_cast<size_t>(c.rows);
    dt_bias_ = &c.Tensor(M2::kDtBias);
    a_ = &c.Tensor(M2::kA);
    d_ = &c.Tensor(M2::kD);
    for (size_t* buffer : {&b_, &c_}) *buffer = c.arena.Take(rows * ldb_);
    for (size_t* buffer : {&dt_, &decay_}) *buffer = c.arena.Take(rows * heads_);
    kept_ = c.arena.Take(rows / length_ * heads_ * KeptFloats());
    for (size_t* buffer : {&db_at_, &dc_at_}) *buffer = work->Take(rows * ldb_);
    for (size_t* buffer : {&ddt_at_, &dlog_at_}) *buffer = work->Take(rows * heads_);
    scratch_at_ = work->Take(SsmScratch(PadUp(states_)));
  }

  size_t KeptFloats() const { return SsmKept(length_, inner_ / heads_, PadUp(states_)); }
  ptrdiff_t FirstRow(int sequence) const { return static_cast<ptrdiff_t>(sequence) * length_; }
  int GroupOf(int head) const { return head / (heads_ / groups_); }
  // Returns the place of a head's steps in arrays [sequences, heads, length].
  ptrdiff_t StepsAt(int sequence, int head) const { return (static_cast<ptrdiff_t>(sequence) * heads_ + head) * length_; }
  // Returns the place of a head's first output in [rows, ldm_].
  ptrdiff_t OutputAt(int sequence, int head) const {
    const int group = GroupOf(head), first = group * (heads_ / groups_);
    return FirstRow(sequence) * ldm_ + group * PadUp(channels_.size) + (head - first) * (inner_ / heads_);
  }
  float* RawSteps(const MixerPass& p, int sequence, int head) const {
    return p.arena + raw_ + FirstRow(sequence) * ldr_ + inner_ + convolved_ + head;
  }
  float Decay(const MixerPass& p, int head) const { return -std::exp(p.weights.flat[a_->offset + head]); }

  // Computes the step sizes and decays of all heads.
  void Steps(const MixerPass& p) const {
    for (int s = 0; s < p.sequences; ++s) {
      for (int h = 0; h < heads_; ++h) {
        float *dt = p.arena + dt_ + StepsAt(s, h), *decay = p.arena + decay_ + StepsAt(s, h);
        const float *raw = RawSteps(p, s, h), bias = p.weights.flat[dt_bias_->offset + h], a = Decay(p, h);
        for (int t = 0; t < length_; ++t) {
          dt[t] = Softplus(raw[t * ldr_] + bias);
          decay[t] = std::exp(a * dt[t]);
        }
      }
    }
  }

  Ssm HeadOf(const MixerPass& p, int sequence, int head) const {
    Ssm s{};
    const ptrdiff_t row = FirstRow(sequence), vectors = row * ldb_ + GroupOf(head) * PadUp(states_);
    s.length = length_;
    s.channels = inner_ / heads_;
    s.states = PadUp(states_);
    s.x = p.arena + conv_.out() + row * conv_.ld() + head * s.channels;
    s.ldx = conv_.ld();
    s.b = p.arena + b_ + vectors;
    s.c = p.arena + c_ + vectors;
    s.ldb = ldb_;
    s.dt = p.arena + dt_ + StepsAt(sequence, head);
    s.decay = p.arena + decay_ + StepsAt(sequence, head);
    s.d = p.weights.flat[d_->offset + head];
    s.kept = p.arena + kept_ + (static_cast<size_t>(sequence) * heads_ + head) * KeptFloats();
    s.scratch = p.work + scratch_at_;
    return s;
  }

  // Writes the gradients of a head's x, B, C and raw step sizes, and adds to those of its parameters.
  void HeadBackward(const MixerPass& p, const MixerGradients& g, int sequence, int head) const {
    const Ssm s = HeadOf(p, sequence, head);
    const ptrdiff_t row = FirstRow(sequence), vectors = row * ldb_ + GroupOf(head) * PadUp(states_);
    float *ddt = p.work + ddt_at_ + StepsAt(sequence, head), *dlog = p.work + dlog_at_ + StepsAt(sequence, head);
    float* dx = p.work + dconv_at_ + row * conv_.ld() + head * s.channels;
    g.params[d_->offset + head] += p.math.ssm_grad(
        s, {p.arena + y_ + OutputAt(sequence, head), ldm_, dx, p.work + db_at_ + vectors, p.work + dc_at_ + vectors, ddt, dlog});
    const float *raw = RawSteps(p, sequence, head), bias = p.weights.flat[dt_bias_->offset + head], a = Decay(p, head);
    float *draw = p.work + draw_at_ + row * ldr_ + inner_ + convolved_ + head, dbias = 0, da = 0;
    for (int t = 0; t < length_; ++t) {
      da += dlog[t] * s.dt[t];
      const float step = (ddt[t] + dlog[t] * a) / (1.0f + std::exp(-raw[t * ldr_] - bias));
      draw[t * ldr_] = step;
      dbias += step;
    }
    g.params[dt_bias_->offset + head] += dbias;
    g.params[a_->offset + head] += da * a;  // the parameter is ln(-a)
  }

  const Param &in_, &norm_;
  const Param *dt_bias_ = nullptr, *a_ = nullptr, *d_ = nullptr;
  int inner_, heads_, states_, groups_, convolved_, length_;
  float eps_;
  ShortConv conv_;
  Blocks channels_, vectors_;  // of the output; of B and C
  ptrdiff_t ld_, ldr_, ldm_, ldb_;
  size_t raw_, gate_, y_, gated_, rstd_, b_ = 0, c_ = 0, dt_ = 0, decay_ = 0, kept_ = 0;                       // arena offsets
  size_t draw_at_, dconv_at_, dgated_at_, db_at_ = 0, dc_at_ = 0, ddt_at_ = 0, dlog_at_ = 0, scratch_at_ = 0;  // work offsets
};

}  // namespace

std::unique_ptr<LayerMixer> MakeMamba2Mixer(const MixerContext& context) { return std::make_unique<Mamba2Mixer>(context); }

}  // namespace edgefront::train
