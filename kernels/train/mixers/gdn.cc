// Gated DeltaNet in training, or its short-convolution part. Convolved rows hold q, k and v without padding.
// For the recurrence, each head is copied to a multiple of 16 channels, with q and k at unit length.
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "ops/delta/rates.h"
#include "train/layer_mixer.h"
#include "train/mixers/short_conv.h"

namespace edgefront::train {
namespace {

// The recurrence between the convolution and the norm: the keys, rates, decays and states of all heads.
class DeltaHeads {
 public:
  DeltaHeads(const MixerContext& c, ptrdiff_t ldv)
      : spec_(c.layer_spec().gdn),
        beta_(c.Tensor(GdnSpec::kBeta)),
        alpha_(c.Tensor(GdnSpec::kAlpha)),
        step_(c.Tensor(GdnSpec::kStep)),
        log_decay_(c.Tensor(GdnSpec::kDecay)),
        length_(c.length),
        key_dim_(static_cast<int>(spec_.key_dim)),
        padded_dim_(PadUp(key_dim_)),
        values_(static_cast<int>(spec_.value_heads)),
        group_(values_ / static_cast<int>(spec_.key_heads)),
        padded_values_(PadUp(static_cast<int>(spec_.value_dim))),
        ld_in_(Stride(c.width)),
        ldk_(Stride(static_cast<int>(spec_.key_heads) * padded_dim_)),
        ldv_(ldv),
        ldh_(Stride(beta_.padded_rows)) {
    const size_t rows = static_cast<size_t>(c.rows);
    for (size_t* buffer : {&q_, &k_}) *buffer = c.arena.Take(rows * ldk_);
    for (size_t* buffer : {&b_, &a_, &rate_, &decay_}) *buffer = c.arena.Take(rows * ldh_);
    dk_at_ = rows * ldk_;
    ddecay_at_ = dk_at_ + rows * ldk_;
    drate_at_ = ddecay_at_ + rows * ldh_;
    scratch_at_ = drate_at_ + rows * ldh_;
    work_floats_ = scratch_at_ + DeltaScratch(length_, key_dim_);
  }

  size_t work_floats() const { return work_floats_; }

  // Writes the outputs of all heads to `o` [rows, ldv]. `convolved` [rows, ldc] holds q and k; `v` is [rows,
  // ldv].
  void Forward(const MixerPass& p, const float* convolved, ptrdiff_t ldc, const float* v, float* o) const {
    const int rows = p.sequences * length_;
    Project(p.math, p.weights, beta_, rows, p.in, ld_in_, nullptr, p.arena + b_, ldh_);
    Project(p.math, p.weights, alpha_, rows, p.in, ld_in_, nullptr, p.arena + a_, ldh_);
    const float *step = p.weights.flat + step_.offset, *log_decay = p.weights.flat + log_decay_.offset;
    for (int r = 0; r < rows; ++r) {
      for (uint32_t h = 0; h < spec_.key_heads; ++h) {
        const float *q = convolved + r * ldc + h * key_dim_, *k = q + spec_.key_width();
        const double q_factor = QueryScale() * InverseLength(q, key_dim_), k_factor = InverseLength(k, key_dim_);
        float *to_q = p.arena + q_ + r * ldk_ + h * padded_dim_, *to_k = p.arena + k_ + r * ldk_ + h * padded_dim_;
        for (int i = 0; i < key_dim_; ++i) {
          to_q[i] = static_cast<float>(q[i] * q_factor);
          to_k[i] = static_cast<float>(k[i] * k_factor);
        }
      }
      for (int h = 0; h < values_; ++h) {
        p.arena[rate_ + r * ldh_ + h] = Sigmoid(p.arena[b_ + r * ldh_ + h]);
        p.arena[decay_ + r * ldh_ + h] = DecayOf(-std::exp(log_decay[h]), p.arena[a_ + r * ldh_ + h] + step[h]);
      }
    }
    for (int s = 0; s < p.sequences; ++s) {
      for (int h = 0; h < values_; ++h) p.math.delta(HeadOf(p, s, h, v, o));
    }
  }

  // Computes the gradient of v, `dv`, from that of the outputs, `dout`, both [rows, ldv]. Writes the gradients
  // of q and k to `dconvolved` [rows, ldc]. Overwrites g.in.
  void Backward(const MixerPass& p, const MixerGradients& g, const float* convolved, ptrdiff_t ldc, const float* v, const float* dout,
                float* dv, float* dconvolved) const {
    const int rows = p.sequences * length_;
    std::memset(p.work, 0, sizeof(float) * scratch_at_);
    for (int s = 0; s < p.sequences; ++s) {
      for (int h = 0; h < values_; ++h) {
        const ptrdiff_t row = static_cast<ptrdiff_t>(s) * length_, key = row * ldk_ + h / group_ * padded_dim_,
                        value = row * ldv_ + h * padded_values_, head = row * ldh_ + h;
        p.math.delta_grad(HeadOf(p, s, h, v, nullptr), {dout + value, p.work + key, p.work + dk_at_ + key, dv + value,
                                                        p.work + ddecay_at_ + head, p.work + drate_at_ + head});
      }
    }
    for (int r = 0; r < rows; ++r) {
      for (uint32_t h = 0; h < spec_.key_heads; ++h) {
        const ptrdiff_t from = r * ldc + h * key_dim_, to = r * ldk_ + h * padded_dim_, keys = static_cast<ptrdiff_t>(spec_.key_width());
        UnitGrad(convolved + from, p.work + to, QueryScale(), dconvolved + from);
        UnitGrad(convolved + from + keys, p.work + dk_at_ + to, 1.0, dconvolved + from + keys);
      }
    }
    RateGradients(p, g, rows);
    for (const auto& [matrix, at] : {std::pair{&beta_, b_}, {&alpha_, a_}})
      WeightGrad(p.math, p.weights, *matrix, rows, p.arena + at, ldh_, p.in, ld_in_, g.params, g.fresh);
    ProjectBack(p.math, p.weights, beta_, rows, p.arena + b_, ldh_, nullptr, g.in, ld_in_);
    ProjectBack(p.math, p.weights, alpha_, rows, p.arena + a_, ldh_, g.in, g.in, ld_in_);
  }

 private:
  double QueryScale() const { return 1.0 / std::sqrt(static_cast<double>(key_dim_)); }

  // Returns the arguments of value head `h` of sequence `s`.
  Delta HeadOf(const MixerPass& p, int s, int h, const float* v, float* o) const {
    const ptrdiff_t row = static_cast<ptrdiff_t>(s) * length_, key = row * ldk_ + h / group_ * padded_dim_,
                    value = row * ldv_ + h * padded_values_, head = row * ldh_ + h;
    Delta d{};
    d.length = length_;
    d.key_dim = key_dim_;
    d.strips = padded_values_ / kPad;
    d.q = p.arena + q_ + key;
    d.k = p.arena + k_ + key;
    d.v = v + value;
    d.decay = p.arena + decay_ + head;
    d.rate = p.arena + rate_ + head;
    d.ldk = ldk_;
    d.ldv = ldv_;
    d.ldh = ldh_;
    d.o = o != nullptr ? o + value : nullptr;
    d.scratch = p.work + scratch_at_;
    return d;
  }

  // With y = scale x / |x|: dx = scale / |x| (dy - x (x . dy) / |x|^2).
  void UnitGrad(const float* x, const float* dy, double scale, float* dx) const {
    const double inverse = InverseLength(x, key_dim_);
    double along = 0;
    for (int i = 0; i < key_dim_; ++i) along += static_cast<double>(x[i]) * dy[i];
    along *= inverse * inverse;
    for (int i = 0; i < key_dim_; ++i) dx[i] = static_cast<float>(scale * inverse * (dy[i] - x[i] * along));
  }

  // Replaces b and alpha by their gradients, and adds to those of the step's bias and of ln(-a).
  void RateGradients(const MixerPass& p, const MixerGradients& g, int rows) const {
    const float *step = p.weights.flat + step_.offset, *log_decay = p.weights.flat + log_decay_.offset;
    for (int h = 0; h < values_; ++h) {
      const double a = -std::exp(static_cast<double>(log_decay[h]));
      double to_step = 0, to_decay = 0;
      for (int r = 0; r < rows; ++r) {
        const ptrdiff_t at = r * ldh_ + h;
        const double rate = p.arena[rate_ + at], x = static_cast<double>(p.arena[a_ + at]) + step[h];
        // The decay is e^f with f = a softplus(x).
        const double df = static_cast<double>(p.work[ddecay_at_ + at]) * p.arena[decay_ + at], dx = df * a / (1 + std::exp(-x));
        p.arena[b_ + at] = static_cast<float>(p.work[drate_at_ + at] * rate * (1 - rate));
        p.arena[a_ + at] = static_cast<float>(dx);
        to_step += dx;
        to_decay += df * a * Softplus(x);
      }
      g.params[step_.offset + h] += static_cast<float>(to_step);
      g.params[log_decay_.offset + h] += static_cast<float>(to_decay);
    }
  }

  const GdnSpec& spec_;
  const Param &beta_, &alpha_, &step_, &log_decay_;
  int length_, key_dim_, padded_dim_, values_, group_, padded_values_;
  ptrdiff_t ld_in_, ldk_, ldv_, ldh_;
  size_t q_, k_, b_, a_, rate_, decay_;                             // arena offsets
  size_t dk_at_, ddecay_at_, drate_at_, scratch_at_, work_floats_;  // work offsets; dq comes first
};

class GdnMixer : public LayerMixer {
 public:
  explicit GdnMixer(const MixerContext& c)
      : spec_(c.layer_spec().gdn),
        in_(c.Tensor(GdnSpec::kIn)),
        gate_(c.Tensor(GdnSpec::kGate)),
        norm_(c.Tensor(GdnSpec::kNorm)),
        eps_(c.spec.eps),
        length_(c.length),
        heads_(static_cast<int>(spec_.value_heads)),
        head_dim_(static_cast<int>(spec_.value_dim)),
        padded_dim_(PadUp(head_dim_)),
        ld_in_(Stride(c.width)),
        ldv_(Stride(heads_ * padded_dim_)),
        conv_(c.Tensor(GdnSpec::kTaps), nullptr, static_cast<int>(spec_.channels()), c) {
    const size_t rows = static_cast<size_t>(c.rows);
    for (size_t* buffer : {&v_, &z_, &o_, &normed_, &mixed_}) *buffer = c.arena.Take(rows * ldv_);
    rstd_ = c.arena.Take(rows * heads_);
    mixed_ld_ = static_cast<int>(ldv_);
    dv_at_ = rows * ldv_;
    dconv_at_ = dv_at_ + rows * ldv_;
    heads_at_ = dconv_at_ + rows * conv_.ld();
    work_floats_ = heads_at_;
    if (spec_.key_heads == 0) return;
    delta_.emplace(c, ldv_);
    work_floats_ += delta_->work_floats();
  }

  void Forward(const MixerPass& p) const override {
    const int rows = p.sequences * length_;
    float* a = p.arena;
    Project(p.math, p.weights, in_, rows, p.in, ld_in_, nullptr, a + conv_.in(), conv_.ld());
    Project(p.math, p.weights, gate_, rows, p.in, ld_in_, nullptr, a + z_, ldv_);
    conv_.Forward(p);
    CopyHeads(rows, a + conv_.out() + 2 * spec_.key_width(), conv_.ld(), head_dim_, a + v_, ldv_, padded_dim_);
    if (delta_) delta_->Forward(PassOfHeads(p), a + conv_.out(), conv_.ld(), a + v_, a + o_);
    for (int r = 0; r < rows; ++r) {
      const ptrdiff_t row = r * ldv_;
      p.math.rms_norm(heads_, head_dim_, padded_dim_, a + Output() + row, padded_dim_, p.weights.flat + norm_.offset, eps_,
                      a + normed_ + row, padded_dim_, a + rstd_ + static_cast<ptrdiff_t>(r) * heads_);
    }
    p.math.swiglu(rows, heads_ * padded_dim_, a + z_, a + normed_, ldv_, a + mixed_);
  }

  void Backward(const MixerPass& p, const MixerGradients& g) const override {
    const int rows = p.sequences * length_;
    float *a = p.arena, *dout = p.work, *dv = p.work + dv_at_, *dconv = p.work + dconv_at_;
    std::memset(p.work, 0, sizeof(float) * heads_at_);
    p.math.swiglu_grad(rows, heads_ * padded_dim_, a + z_, a + normed_, ldv_, g.mixed);  // they become dz and the norm's gradient
    for (int r = 0; r < rows; ++r) {
      const ptrdiff_t row = r * ldv_;
      p.math.rms_norm_grad(heads_, head_dim_, padded_dim_, a + Output() + row, padded_dim_, p.weights.flat + norm_.offset,
                           a + rstd_ + static_cast<ptrdiff_t>(r) * heads_, a + normed_ + row, padded_dim_, dout + row, padded_dim_,
                           g.params + norm_.offset);
    }
    if (delta_) delta_->Backward(PassOfHeads(p), g, a + conv_.out(), conv_.ld(), a + v_, dout, dv, dconv);
    CopyHeads(rows, delta_ ? dv : dout, ldv_, padded_dim_, dconv + 2 * spec_.key_width(), conv_.ld(), head_dim_);
    conv_.Backward(p, dconv, g.params);
    WeightGrad(p.math, p.weights, in_, rows, dconv, conv_.ld(), p.in, ld_in_, g.params, g.fresh);
    WeightGrad(p.math, p.weights, gate_, rows, a + z_, ldv_, p.in, ld_in_, g.params, g.fresh);
    ProjectBack(p.math, p.weights, in_, rows, dconv, conv_.ld(), delta_ ? g.in : nullptr, g.in, ld_in_);
    ProjectBack(p.math, p.weights, gate_, rows, a + z_, ldv_, g.in, g.in, ld_in_);
  }

 private:
  // The heads' outputs before the norm: those of the recurrence, or the convolved values themselves.
  size_t Output() const { return delta_ ? o_ : v_; }

  // Returns the pass with the part of `work` that the recurrence may use.
  MixerPass PassOfHeads(const MixerPass& p) const { return {p.math, p.weights, p.sequences, p.arena, p.in, p.work + heads_at_}; }

  // Copies the values of all heads, whose first channels lie `from_step` and `to_step` floats apart.
  void CopyHeads(int rows, const float* from, ptrdiff_t ld_from, int from_step, float* to, ptrdiff_t ld_to, int to_step) const {
    for (int r = 0; r < rows; ++r) {
      for (int h = 0; h < heads_; ++h)
        std::memcpy(to + r * ld_to + h * to_step, from + r * ld_from + h * from_step, sizeof(float) * head_dim_);
    }
  }

  const GdnSpec& spec_;
  const Param &in_, &gate_, &norm_;
  float eps_;
  int length_, heads_, head_dim_, padded_dim_;
  ptrdiff_t ld_in_, ldv_;
  ShortConv conv_;
  std::optional<DeltaHeads> delta_;     // absent in the short-convolution part
  size_t v_, z_, o_, normed_, rstd_;    // arena offsets
  size_t dv_at_, dconv_at_, heads_at_;  // work offsets; the gradient of the heads' outputs comes first
};

}  // namespace

std::unique_ptr<LayerMixer> MakeGdnMixer(const MixerContext& context) { return std::make_unique<GdnMixer>(context); }

}  // namespace edgefront::train
