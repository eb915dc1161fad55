// Grouped-query attention in training: q, k, v by products, heads normalised and rotated, then the tiles of
// train/attention-inl.h, and each head times its gate. Each head is padded to a multiple of 16. Layers that
// read the keys and values of an earlier one add their gradients up in its part of the arena.
#include <algorithm>
#include <cmath>
#include <vector>

#include "train/layer_mixer.h"

namespace edgefront::train {
namespace {

// The places of a layer's keys, values and their gradients in the arena. Rows have the stride of the keys.
struct KvPlaces {
  size_t k, v;    // rotated keys, and values
  size_t dk, dv;  // sums over the layers that read them
};

class AttentionMixer : public LayerMixer {
 public:
  explicit AttentionMixer(const MixerContext& c)
      : spec_(c.layer_spec().attention),
        source_(static_cast<const AttentionMixer*>(c.kv_source)),
        q_(c.Tensor(AttentionSpec::kQ)),
        k_(source_ ? nullptr : &c.Tensor(AttentionSpec::kK)),
        v_(source_ ? nullptr : &c.Tensor(AttentionSpec::kV)),
        q_norm_(spec_.qk_norm ? &c.Tensor(AttentionSpec::kQNorm) : nullptr),
        k_norm_(spec_.qk_norm && !source_ ? &c.Tensor(AttentionSpec::kKNorm) : nullptr),
        gate_(spec_.gate ? &c.Tensor(AttentionSpec::kGate) : nullptr),
        eps_(c.spec.eps),
        interleaved_(c.spec.rope_interleaved),
        length_(c.length),
        heads_(static_cast<int>(spec_.heads)),
        kv_heads_(static_cast<int>(spec_.kv_heads)),
        head_dim_(static_cast<int>(spec_.head_dim)),
        hd_(PadUp(head_dim_)),
        ld_(Stride(c.width)),
        ldq_(Stride(q_.padded_rows)),
        ldkv_(Stride(kv_heads_ * hd_)) {
    const size_t rows = static_cast<size_t>(c.rows), kv_floats = rows * ldkv_;
    q_raw_ = c.arena.Take(rows * ldq_);
    q_rot_ = c.arena.Take(rows * ldq_);
    out_ = mixed_ = c.arena.Take(rows * ldq_);
    if (source_) {
      kv_ = source_->kv_;
    } else {
      k_raw_ = c.arena.Take(kv_floats);
      kv_.k = c.arena.Take(kv_floats);
      kv_.v = c.arena.Take(kv_floats);
      k_rstd_ = c.arena.Take(rows * kv_heads_);
    }
    for (const LayerSpec& l : c.spec.layers) read_by_others_ |= l.kv_from == static_cast<uint32_t>(c.layer);
    if (read_by_others_) {
      kv_.dk = c.arena.Take(kv_floats);
      kv_.dv = c.arena.Take(kv_floats);
    }
    lse_ = c.arena.Take(rows * heads_);
    q_rstd_ = c.arena.Take(rows * heads_);
    mixed_ld_ = static_cast<int>(ldq_);
    dk_at_ = rows * ldq_;
    dv_at_ = dk_at_ + kv_floats;
    scratch_at_ = dv_at_ + kv_floats;
    work_floats_ = scratch_at_ + AttentionScratch(length_, hd_);
    if (gate_ != nullptr) {
      ldg_ = Stride(gate_->padded_rows);
      factor_ = c.arena.Take(rows * ldg_);
      out_ = c.arena.Take(rows * ldq_);
    }
    const int half = head_dim_ / 2;
    cosines_.resize(static_cast<size_t>(length_) * half);
    sines_.resize(cosines_.size());
    for (int t = 0; t < length_; ++t) {
      for (int j = 0; j < half; ++j) {
        const bool turns = 2 * j < static_cast<int>(spec_.rotated);
        const double angle = turns ? t * std::pow(static_cast<double>(spec_.rope_base), -2.0 * j / spec_.head_dim) : 0;
        cosines_[static_cast<size_t>(t) * half + j] = static_cast<float>(std::cos(angle));
        sines_[static_cast<size_t>(t) * half + j] = static_cast<float>(std::sin(angle));
      }
    }
  }

  void Forward(const MixerPass& p) const override {
    const int rows = p.sequences * length_;
    const Weights& w = p.weights;
    float* a = p.arena;
    Project(p.math, w, q_, rows, p.in, ld_, nullptr, a + q_raw_, ldq_);
    if (!source_) {
      Project(p.math, w, *k_, rows, p.in, ld_, nullptr, a + k_raw_, ldkv_);
      Project(p.math, w, *v_, rows, p.in, ld_, nullptr, a + kv_.v, ldkv_);
    }
    if (read_by_others_) {
      std::fill_n(a + kv_.dk, rows * ldkv_, 0.0f);
      std::fill_n(a + kv_.dv, rows * ldkv_, 0.0f);
    }
    for (int s = 0; s < p.sequences; ++s) {
      const ptrdiff_t row = static_cast<ptrdiff_t>(s) * length_;
      p.math.head_rope(length_, heads_, head_dim_, hd_, a + q_raw_ + row * ldq_, a + q_rot_ + row * ldq_, ldq_, Of(q_norm_, w.flat), eps_,
                       a + q_rstd_ + row * heads_, cosines_.data(), sines_.data(), interleaved_);
      if (!source_) {
        p.math.head_rope(length_, kv_heads_, head_dim_, hd_, a + k_raw_ + row * ldkv_, a + kv_.k + row * ldkv_, ldkv_, Of(k_norm_, w.flat),
                         eps_, a + k_rstd_ + row * kv_heads_, cosines_.data(), sines_.data(), interleaved_);
      }
      p.math.attention(ArgsOf(p, row));
    }
    if (gate_ == nullptr) return;
    Project(p.math, w, *gate_, rows, p.in, ld_, nullptr, a + factor_, ldg_);
    for (int r = 0; r < rows; ++r) {
      for (int h = 0; h < heads_; ++h) {
        float& factor = a[factor_ + r * ldg_ + h];
        factor = 1.0f / (1.0f + std::exp(-factor));
        const float* o = a + out_ + r * ldq_ + h * hd_;
        float* gated = a + mixed_ + r * ldq_ + h * hd_;
        for (int i = 0; i < hd_; ++i) gated[i] = o[i] * factor;
      }
    }
  }

  void Backward(const MixerPass& p, const MixerGradients& g) const override {
    const int rows = p.sequences * length_;
    const Weights& w = p.weights;
    float *a = p.arena, *dq = p.work, *dk = p.work + dk_at_, *dv = p.work + dv_at_;
    if (gate_ != nullptr) GateGradients(a, g.mixed, rows);
    for (int s = 0; s < p.sequences; ++s) {
      const ptrdiff_t row = static_cast<ptrdiff_t>(s) * length_;
      p.math.attention_grad(ArgsOf(p, row), {g.mixed + row * ldq_, dq + row * ldq_, dk + row * ldkv_, dv + row * ldkv_});
      p.math.head_rope_grad(length_, heads_, head_dim_, hd_, a + q_raw_ + row * ldq_, dq + row * ldq_, ldq_, Of(q_norm_, w.flat),
                            a + q_rstd_ + row * heads_, cosines_.data(), sines_.data(), interleaved_, Of(q_norm_, g.params));
    }
    WeightGrad(p.math, w, q_, rows, dq, ldq_, p.in, ld_, g.params, g.fresh);
    ProjectBack(p.math, w, q_, rows, dq, ldq_, nullptr, g.in, ld_);
    if (gate_ != nullptr) {
      WeightGrad(p.math, w, *gate_, rows, a + factor_, ldg_, p.in, ld_, g.params, g.fresh);
      ProjectBack(p.math, w, *gate_, rows, a + factor_, ldg_, g.in, g.in, ld_);
    }
    if (source_) {
      Add(dk, rows * ldkv_, a + kv_.dk);
      Add(dv, rows * ldkv_, a + kv_.dv);
      return;
    }
    if (read_by_others_) {
      Add(a + kv_.dk, rows * ldkv_, dk);
      Add(a + kv_.dv, rows * ldkv_, dv);
    }
    for (int s = 0; s < p.sequences; ++s) {
      const ptrdiff_t row = static_cast<ptrdiff_t>(s) * length_;
      p.math.head_rope_grad(length_, kv_heads_, head_dim_, hd_, a + k_raw_ + row * ldkv_, dk + row * ldkv_, ldkv_, Of(k_norm_, w.flat),
                            a + k_rstd_ + row * kv_heads_, cosines_.data(), sines_.data(), interleaved_, Of(k_norm_, g.params));
    }
    WeightGrad(p.math, w, *k_, rows, dk, ldkv_, p.in, ld_, g.params, g.fresh);
    WeightGrad(p.math, w, *v_, rows, dv, ldkv_, p.in, ld_, g.params, g.fresh);
    ProjectBack(p.math, w, *k_, rows, dk, ldkv_, g.in, g.in, ld_);
    ProjectBack(p.math, w, *v_, rows, dv, ldkv_, g.in, g.in, ld_);
  }

 private:
  // Turns `dmixed` from the gradient of the gated heads into that of the heads, and the factors into the
  // gradients of their logits.
  void GateGradients(float* a, float* dmixed, int rows) const {
    for (int r = 0; r < rows; ++r) {
      for (int h = 0; h < heads_; ++h) {
        float& factor = a[factor_ + r * ldg_ + h];
        const float* o = a + out_ + r * ldq_ + h * hd_;
        float* d = dmixed + r * ldq_ + h * hd_;
        float dfactor = 0;
        for (int i = 0; i < hd_; ++i) dfactor += d[i] * o[i];
        for (int i = 0; i < hd_; ++i) d[i] *= factor;
        factor = dfactor * factor * (1.0f - factor);
      }
      // Rows of the gate beyond the heads are padding, which products read.
      for (ptrdiff_t i = heads_; i < gate_->padded_rows; ++i) a[factor_ + r * ldg_ + i] = 0;
    }
  }

  // Returns a norm's values in a flat array of parameters, or null if there is no norm.
  template <class Float>
  static Float* Of(const Param* norm, Float* flat) {
    return norm != nullptr ? flat + norm->offset : nullptr;
  }

  static void Add(const float* from, ptrdiff_t floats, float* to) {
    for (ptrdiff_t i = 0; i < floats; ++i) to[i] += from[i];
  }

  // Returns the arguments for the sequence whose first row is `row`.
  Attention ArgsOf(const MixerPass& p, ptrdiff_t row) const {
    Attention a{};
    a.length = length_;
    a.heads = heads_;
    a.kv_heads = kv_heads_;
    a.hd = hd_;
    a.window = static_cast<int>(spec_.window);
    a.scale = 1.0f / std::sqrt(static_cast<float>(spec_.head_dim));
    a.q = p.arena + q_rot_ + row * ldq_;
    a.k = p.arena + kv_.k + row * ldkv_;
    a.v = p.arena + kv_.v + row * ldkv_;
    a.ldq = ldq_;
    a.ldkv = ldkv_;
    a.o = p.arena + out_ + row * ldq_;
    a.lse = p.arena + lse_ + row * heads_;
    a.scratch = p.work + scratch_at_;
    return a;
  }

  const AttentionSpec& spec_;
  const AttentionMixer* source_;  // the mixer whose keys and values this one reads; null: its own
  const Param& q_;
  const Param *k_, *v_, *q_norm_, *k_norm_, *gate_;  // null if the layer has none
  float eps_;
  bool interleaved_;
  int length_, heads_, kv_heads_, head_dim_, hd_;
  ptrdiff_t ld_, ldq_, ldkv_, ldg_ = 0;
  bool read_by_others_ = false;
  std::vector<float> cosines_, sines_;  // [length, head_dim / 2]
  KvPlaces kv_{};
  size_t q_raw_, q_rot_, k_raw_ = 0, lse_, q_rstd_, k_rstd_ = 0;  // arena offsets
  size_t out_, factor_ = 0;                                       // heads before their gates, and the gates
  size_t dk_at_, dv_at_, scratch_at_;                             // work offsets; dq comes first
};

}  // namespace

std::unique_ptr<LayerMixer> MakeAttentionMixer(const MixerContext& context) { return std::make_unique<AttentionMixer>(context); }

}  // namespace edgefront::train
