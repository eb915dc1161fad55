// Mamba in training (infer/mixers/m1.cc describes it), and its short-conv part only, without a state. All
// channels are [rows, width], width being padded.
#include <cmath>
#include <cstring>

#include "train/layer_mixer.h"
#include "train/mixers/short_conv.h"

namespace edgefront::train {
namespace {

using M = MambaSpec;

class MambaMixer : public LayerMixer {
 public:
  explicit MambaMixer(const MixerContext& c)
      : in_(c.Tensor(M::kIn)),
        rank_(static_cast<int>(c.layer_spec().mamba.rank)),
        states_(static_cast<int>(c.layer_spec().mamba.state)),
        width_(PadUp(static_cast<int>(c.layer_spec().mamba.inner))),
        length_(c.length),
        conv_(c.Tensor(M::kTaps), &c.Tensor(M::kTapsBias), static_cast<int>(c.layer_spec().mamba.inner), c),
        ld_(Stride(c.width)),
        ldi_(Stride(in_.padded_rows)),
        ldm_(Stride(width_)) {
    const size_t rows = static_cast<size_t>(c.rows);
    projected_ = c.arena.Take(rows * ldi_);
    for (size_t* buffer : {&gate_, &y_, &mixed_}) *buffer = c.arena.Take(rows * ldm_);
    mixed_ld_ = static_cast<int>(ldm_);
    ArenaPlan work;
    dprojected_ = work.Take(rows * ldi_);
    dconv_ = work.Take(rows * conv_.ld());
    if (states_ > 0) PlanRecurrence(c, &work);
    work_floats_ = work.size();
  }

  void Forward(const MixerPass& p) const override {
    const int rows = p.sequences * length_;
    float* a = p.arena;
    Project(p.math, p.weights, in_, rows, p.in, ld_, nullptr, a + projected_, ldi_);
    CopyColumns(rows, width_, a + projected_, ldi_, a + conv_.in(), conv_.ld());
    CopyColumns(rows, width_, a + projected_ + width_, ldi_, a + gate_, ldm_);
    conv_.Forward(p);
    if (states_ == 0) {
      CopyColumns(rows, width_, a + conv_.out(), conv_.ld(), a + y_, ldm_);
    } else {
      Project(p.math, p.weights, *x_, rows, a + conv_.out(), conv_.ld(), nullptr, a + rates_, ldr_);
      CopyColumns(rows, rank_, a + rates_, ldr_, a + low_, ldl_);
      Project(p.math, p.weights, *dt_, rows, a + low_, ldl_, nullptr, a + raw_, ldm_);
      for (size_t i = 0; i < a_->size(); ++i) a[decay_ + i] = -std::exp(p.weights.flat[a_->offset + i]);
      for (int s = 0; s < p.sequences; ++s) p.math.mamba(Of(p, s), a + y_ + FirstRow(s) * ldm_);
    }
    p.math.swiglu(rows, width_, a + gate_, a + y_, ldm_, a + mixed_);
  }

  void Backward(const MixerPass& p, const MixerGradients& g) const override {
    const int rows = p.sequences * length_;
    float *a = p.arena, *dprojected = p.work + dprojected_, *dconv = p.work + dconv_;
    std::memset(p.work, 0, sizeof(float) * work_floats_);
    p.math.swiglu_grad(rows, width_, a + gate_, a + y_, ldm_, g.mixed);  // gate and y become their gradients
    CopyColumns(rows, width_, a + gate_, ldm_, dprojected + width_, ldi_);
    if (states_ == 0)
      CopyColumns(rows, width_, a + y_, ldm_, dconv, conv_.ld());
    else
      RecurrenceBackward(p, g);
    conv_.Backward(p, dconv, g.params);
    CopyColumns(rows, width_, dconv, conv_.ld(), dprojected, ldi_);
    WeightGrad(p.math, p.weights, in_, rows, dprojected, ldi_, p.in, ld_, g.params, g.fresh);
    ProjectBack(p.math, p.weights, in_, rows, dprojected, ldi_, nullptr, g.in, ld_);
  }

 private:
  void PlanRecurrence(const MixerContext& c, ArenaPlan* work) {
    const size_t rows = static_cast<size_t>(c.rows);
    x_ = &c.Tensor(M::kX);
    dt_ = &c.Tensor(M::kDt);
    dt_bias_ = &c.Tensor(M::kDtBias);
    a_ = &c.Tensor(M::kA);
    d_ = &c.Tensor(M::kD);
    ldr_ = Stride(x_->padded_rows);
    ldl_ = Stride(dt_->ld);
    rates_ = c.arena.Take(rows * ldr_);
    low_ = c.arena.Take(rows * ldl_);
    for (size_t* buffer : {&raw_, &step_}) *buffer = c.arena.Take(rows * ldm_);
    decay_ = c.arena.Take(a_->size());
    drates_ = work->Take(rows * ldr_);
    dlow_ = work->Take(rows * ldl_);
    draw_ = work->Take(rows * ldm_);
    da_ = work->Take(a_->size());
    scratch_ = work->Take(MambaScratch(length_));
  }

  ptrdiff_t FirstRow(int sequence) const { return static_cast<ptrdiff_t>(sequence) * length_; }

  MambaScan Of(const MixerPass& p, int sequence) const {
    const ptrdiff_t row = FirstRow(sequence);
    const float *a = p.arena, *rates = a + rates_ + row * ldr_ + rank_;
    MambaScan m{};
    m.length = length_;
    m.width = width_;
    m.states = states_;
    m.x = a + conv_.out() + row * conv_.ld();
    m.ldx = conv_.ld();
    m.raw = a + raw_ + row * ldm_;
    m.dt = p.arena + step_ + row * ldm_;
    m.ld = ldm_;
    m.b = rates;
    m.c = rates + states_;
    m.ldb = ldr_;
    m.dt_bias = p.weights.flat + dt_bias_->offset;
    m.skip = p.weights.flat + d_->offset;
    m.a = a + decay_;
    m.scratch = p.work + scratch_;
    return m;
  }

  // Computes the gradient of the convolution's output from that of y.
  void RecurrenceBackward(const MixerPass& p, const MixerGradients& g) const {
    const int rows = p.sequences * length_;
    float *drates = p.work + drates_, *dlow = p.work + dlow_, *draw = p.work + draw_, *da = p.work + da_, *dconv = p.work + dconv_;
    for (int s = 0; s < p.sequences; ++s) {
      const ptrdiff_t row = FirstRow(s);
      float* db = drates + row * ldr_ + rank_;
      p.math.mamba_grad(Of(p, s), {p.arena + y_ + row * ldm_, dconv + row * conv_.ld(), draw + row * ldm_, db, db + states_,
                                   g.params + dt_bias_->offset, g.params + d_->offset, da});
    }
    // The parameter is ln(-a).
    for (size_t i = 0; i < a_->size(); ++i) g.params[a_->offset + i] += da[i] * p.arena[decay_ + i];
    WeightGrad(p.math, p.weights, *dt_, rows, draw, ldm_, p.arena + low_, ldl_, g.params, g.fresh);
    ProjectBack(p.math, p.weights, *dt_, rows, draw, ldm_, nullptr, dlow, ldl_);
    CopyColumns(rows, rank_, dlow, ldl_, drates, ldr_);
    WeightGrad(p.math, p.weights, *x_, rows, drates, ldr_, p.arena + conv_.out(), conv_.ld(), g.params, g.fresh);
    ProjectBack(p.math, p.weights, *x_, rows, drates, ldr_, dconv, dconv, conv_.ld());
  }

  const Param& in_;
  const Param *x_ = nullptr, *dt_ = nullptr, *dt_bias_ = nullptr, *a_ = nullptr, *d_ = nullptr;
  int rank_, states_, width_, length_;
  ShortConv conv_;
  ptrdiff_t ld_, ldi_, ldm_, ldr_ = 0, ldl_ = 0;
  size_t projected_, gate_, y_, rates_ = 0, low_ = 0, raw_ = 0, step_ = 0, decay_ = 0;   // arena offsets
  size_t dprojected_, dconv_, drates_ = 0, dlow_ = 0, draw_ = 0, da_ = 0, scratch_ = 0;  // work offsets
};

}  // namespace

std::unique_ptr<LayerMixer> MakeMambaMixer(const MixerContext& context) { return std::make_unique<MambaMixer>(context); }

}  // namespace edgefront::train
