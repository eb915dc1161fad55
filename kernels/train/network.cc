#include "train/network.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "train/projections.h"

namespace edgefront::train {

size_t Network::Take(size_t floats) {
  const size_t at = arena_size_;
  arena_size_ += (floats + kPad - 1) / kPad * kPad;
  return at;
}

Network::Network(const ModelSpec& spec, const Params& params, int length, int sequences, const Objective& objective)
    : spec_(spec), params_(params), objective_(objective), length_(length), sequences_(sequences), rows_(length * sequences) {
  d_ = static_cast<int>(spec.dim);
  width_ = PadUp(d_);
  ld_ = Stride(width_);
  const size_t rows = static_cast<size_t>(rows_);
  size_t widest_f = 0, widest_d1 = 0, widest_d2 = 0, widest_d3 = 0, widest_scratch = 0;
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    const LayerSpec& s = spec.layers[i];
    const int n = static_cast<int>(i);
    Layer l{};
    l.spec = s;
    l.mixer_norm = &params.Get(Role::kMixerNorm, n);
    l.ffn_norm = &params.Get(Role::kFfnNorm, n);
    l.gate = &params.Get(Role::kGate, n);
    l.up = &params.Get(Role::kUp, n);
    l.down = &params.Get(Role::kDown, n);
    l.width_f = l.gate->padded_rows;
    l.x = Take(rows * ld_);
    l.n1 = Take(rows * ld_);
    l.rstd1 = Take(rows);
    if (s.mixer == Mixer::kConv) {
      l.conv_in = &params.Get(Role::kConvIn, n);
      l.taps = &params.Get(Role::kConvTaps, n);
      l.conv_out = &params.Get(Role::kConvOut, n);
      l.bch = Take(rows * Stride(3 * width_));
      l.y = Take(rows * ld_);
      l.u = Take(rows * ld_);
      widest_d1 = std::max<size_t>(widest_d1, Stride(3 * width_));
      widest_d2 = std::max<size_t>(widest_d2, ld_);
      widest_scratch = std::max(widest_scratch, static_cast<size_t>(length) * ld_);
    } else {
      l.q = &params.Get(Role::kQ, n);
      l.k = &params.Get(Role::kK, n);
      l.v = &params.Get(Role::kV, n);
      l.attn_out = &params.Get(Role::kAttnOut, n);
      if (s.qk_norm) {
        l.q_norm = &params.Get(Role::kQNorm, n);
        l.k_norm = &params.Get(Role::kKNorm, n);
      }
      l.hd = PadUp(static_cast<int>(s.head_dim));
      l.width_q = l.q->padded_rows;
      l.width_kv = l.k->padded_rows;
      const size_t ldq = Stride(l.width_q), ldkv = Stride(l.width_kv);
      l.q_raw = Take(rows * ldq);
      l.q_rot = Take(rows * ldq);
      l.o = Take(rows * ldq);
      l.k_raw = Take(rows * ldkv);
      l.k_rot = Take(rows * ldkv);
      l.v_out = Take(rows * ldkv);
      l.lse = Take(rows * s.heads);
      l.q_rstd = Take(rows * s.heads);
      l.k_rstd = Take(rows * s.kv_heads);
      widest_d1 = std::max(widest_d1, ldq);
      widest_d2 = std::max(widest_d2, ldq);
      widest_d3 = std::max(widest_d3, ldkv);
      widest_scratch = std::max(widest_scratch, AttentionScratch(length, l.hd));
      l.rope = rope_.size();
      const int half = static_cast<int>(s.head_dim) / 2;
      rope_.resize(l.rope + 2 * static_cast<size_t>(length) * half);
      for (int t = 0; t < length; ++t) {
        for (int j = 0; j < half; ++j) {
          const double angle = t * std::pow(static_cast<double>(s.rope_base), -2.0 * j / s.head_dim);
          rope_[l.rope + static_cast<size_t>(t) * half + j] = static_cast<float>(std::cos(angle));
          rope_[l.rope + static_cast<size_t>(length + t) * half + j] = static_cast<float>(std::sin(angle));
        }
      }
    }
    l.mid = Take(rows * ld_);
    l.n2 = Take(rows * ld_);
    l.rstd2 = Take(rows);
    l.gate_out = Take(rows * Stride(l.width_f));
    l.up_out = Take(rows * Stride(l.width_f));
    l.act = Take(rows * Stride(l.width_f));
    widest_f = std::max<size_t>(widest_f, Stride(l.width_f));
    layers_.push_back(l);
  }
  embedding_ = &params.Get(Role::kEmbedding);
  output_ = spec.tied ? embedding_ : &params.Get(Role::kOutput);
  final_norm_ = &params.Get(Role::kFinalNorm);
  x_last_ = Take(rows * ld_);
  dx_ = Take(rows * ld_);
  dn_ = Take(rows * ld_);
  df_ = Take(rows * widest_f);
  d1_ = Take(rows * widest_d1);
  d2_ = Take(rows * widest_d2);
  d3_ = Take(2 * rows * widest_d3);
  scratch_ = Take(widest_scratch);
  PlanHead();
}

Attention Network::AttentionOf(const Layer& l, int sequence, float* arena) const {
  const ptrdiff_t ldq = Stride(l.width_q), ldkv = Stride(l.width_kv), row = static_cast<ptrdiff_t>(sequence) * length_;
  Attention a{};
  a.length = length_;
  a.heads = static_cast<int>(l.spec.heads);
  a.kv_heads = static_cast<int>(l.spec.kv_heads);
  a.hd = l.hd;
  a.window = static_cast<int>(l.spec.window);
  a.scale = 1.0f / std::sqrt(static_cast<float>(l.spec.head_dim));
  a.q = arena + l.q_rot + row * ldq;
  a.k = arena + l.k_rot + row * ldkv;
  a.v = arena + l.v_out + row * ldkv;
  a.ldq = ldq;
  a.ldkv = ldkv;
  a.o = arena + l.o + row * ldq;
  a.lse = arena + l.lse + row * a.heads;
  a.scratch = arena + scratch_;
  return a;
}

void Network::MixerForward(const Math& math, const Weights& w, const Layer& l, int sequences, float* arena) const {
  const int rows = sequences * length_;
  if (l.spec.mixer == Mixer::kConv) {
    const ptrdiff_t ldb = Stride(3 * width_);
    Project(math, w, *l.conv_in, rows, arena + l.n1, ld_, nullptr, arena + l.bch, ldb);
    for (int s = 0; s < sequences; ++s) {
      const ptrdiff_t row = static_cast<ptrdiff_t>(s) * length_;
      math.conv(length_, width_, static_cast<int>(l.spec.conv_kernel), w.flat + l.taps->offset, arena + l.bch + row * ldb, ldb,
                arena + l.y + row * ld_, arena + l.u + row * ld_, ld_);
    }
    Project(math, w, *l.conv_out, rows, arena + l.u, ld_, arena + l.x, arena + l.mid, ld_);
    return;
  }
  const ptrdiff_t ldq = Stride(l.width_q), ldkv = Stride(l.width_kv);
  const int heads = static_cast<int>(l.spec.heads), kv_heads = static_cast<int>(l.spec.kv_heads), hd = static_cast<int>(l.spec.head_dim);
  const float* cosines = rope_.data() + l.rope;
  const float* sines = cosines + static_cast<ptrdiff_t>(length_) * (hd / 2);
  const float* q_norm = l.q_norm ? w.flat + l.q_norm->offset : nullptr;
  const float* k_norm = l.k_norm ? w.flat + l.k_norm->offset : nullptr;
  Project(math, w, *l.q, rows, arena + l.n1, ld_, nullptr, arena + l.q_raw, ldq);
  Project(math, w, *l.k, rows, arena + l.n1, ld_, nullptr, arena + l.k_raw, ldkv);
  Project(math, w, *l.v, rows, arena + l.n1, ld_, nullptr, arena + l.v_out, ldkv);
  for (int s = 0; s < sequences; ++s) {
    const ptrdiff_t row = static_cast<ptrdiff_t>(s) * length_;
    math.head_rope(length_, heads, hd, l.hd, arena + l.q_raw + row * ldq, arena + l.q_rot + row * ldq, ldq, q_norm, spec_.eps,
                   arena + l.q_rstd + row * heads, cosines, sines, spec_.rope_interleaved);
    math.head_rope(length_, kv_heads, hd, l.hd, arena + l.k_raw + row * ldkv, arena + l.k_rot + row * ldkv, ldkv, k_norm, spec_.eps,
                   arena + l.k_rstd + row * kv_heads, cosines, sines, spec_.rope_interleaved);
    math.attention(AttentionOf(l, s, arena));
  }
  Project(math, w, *l.attn_out, rows, arena + l.o, ldq, arena + l.x, arena + l.mid, ld_);
}

// dx_ holds the gradient of the mixer's output (and of the residual); leaves that of its normed input in dn_.
void Network::MixerBackward(const Math& math, const Weights& w, const Layer& l, int sequences, float* arena, float* gradient,
                            bool fresh) const {
  const int rows = sequences * length_;
  float *dx = arena + dx_, *dn = arena + dn_;
  if (l.spec.mixer == Mixer::kConv) {
    const ptrdiff_t ldb = Stride(3 * width_);
    float *du = arena + d2_, *dbch = arena + d1_;
    WeightGrad(math, w, *l.conv_out, rows, dx, ld_, arena + l.u, ld_, gradient, fresh);
    ProjectBack(math, w, *l.conv_out, rows, dx, ld_, nullptr, du, ld_);
    for (int s = 0; s < sequences; ++s) {
      const ptrdiff_t row = static_cast<ptrdiff_t>(s) * length_;
      math.conv_grad(length_, width_, static_cast<int>(l.spec.conv_kernel), w.flat + l.taps->offset, arena + l.bch + row * ldb, ldb,
                     arena + l.y + row * ld_, du + row * ld_, ld_, dbch + row * ldb, gradient + l.taps->offset, arena + scratch_);
    }
    WeightGrad(math, w, *l.conv_in, rows, dbch, ldb, arena + l.n1, ld_, gradient, fresh);
    ProjectBack(math, w, *l.conv_in, rows, dbch, ldb, nullptr, dn, ld_);
    return;
  }
  const ptrdiff_t ldq = Stride(l.width_q), ldkv = Stride(l.width_kv);
  const int heads = static_cast<int>(l.spec.heads), kv_heads = static_cast<int>(l.spec.kv_heads), hd = static_cast<int>(l.spec.head_dim);
  const float* cosines = rope_.data() + l.rope;
  const float* sines = cosines + static_cast<ptrdiff_t>(length_) * (hd / 2);
  float *dq = arena + d1_, *dout = arena + d2_, *dk = arena + d3_, *dv = dk + static_cast<ptrdiff_t>(rows_) * ldkv;
  WeightGrad(math, w, *l.attn_out, rows, dx, ld_, arena + l.o, ldq, gradient, fresh);
  ProjectBack(math, w, *l.attn_out, rows, dx, ld_, nullptr, dout, ldq);
  for (int s = 0; s < sequences; ++s) {
    const ptrdiff_t row = static_cast<ptrdiff_t>(s) * length_;
    math.attention_grad(AttentionOf(l, s, arena), {dout + row * ldq, dq + row * ldq, dk + row * ldkv, dv + row * ldkv});
    math.head_rope_grad(length_, heads, hd, l.hd, arena + l.q_raw + row * ldq, dq + row * ldq, ldq,
                        l.q_norm ? w.flat + l.q_norm->offset : nullptr, arena + l.q_rstd + row * heads, cosines, sines,
                        spec_.rope_interleaved, l.q_norm ? gradient + l.q_norm->offset : nullptr);
    math.head_rope_grad(length_, kv_heads, hd, l.hd, arena + l.k_raw + row * ldkv, dk + row * ldkv, ldkv,
                        l.k_norm ? w.flat + l.k_norm->offset : nullptr, arena + l.k_rstd + row * kv_heads, cosines, sines,
                        spec_.rope_interleaved, l.k_norm ? gradient + l.k_norm->offset : nullptr);
  }
  WeightGrad(math, w, *l.q, rows, dq, ldq, arena + l.n1, ld_, gradient, fresh);
  WeightGrad(math, w, *l.k, rows, dk, ldkv, arena + l.n1, ld_, gradient, fresh);
  WeightGrad(math, w, *l.v, rows, dv, ldkv, arena + l.n1, ld_, gradient, fresh);
  ProjectBack(math, w, *l.q, rows, dq, ldq, nullptr, dn, ld_);
  ProjectBack(math, w, *l.k, rows, dk, ldkv, dn, dn, ld_);
  ProjectBack(math, w, *l.v, rows, dv, ldkv, dn, dn, ld_);
}

void Network::Forward(const Math& math, const Weights& w, const Microbatch& batch, float* arena) const {
  const int rows = batch.sequences * length_;
  const float* table = w.flat + embedding_->offset;
  float* x0 = arena + (layers_.empty() ? x_last_ : layers_[0].x);
  for (int r = 0; r < rows; ++r) {
    std::memcpy(x0 + static_cast<ptrdiff_t>(r) * ld_, table + static_cast<ptrdiff_t>(batch.tokens[r]) * embedding_->ld,
                sizeof(float) * width_);
  }
  for (size_t i = 0; i < layers_.size(); ++i) {
    const Layer& l = layers_[i];
    const ptrdiff_t ldf = Stride(l.width_f);
    math.rms_norm(rows, d_, width_, arena + l.x, ld_, w.flat + l.mixer_norm->offset, spec_.eps, arena + l.n1, ld_, arena + l.rstd1);
    MixerForward(math, w, l, batch.sequences, arena);
    math.rms_norm(rows, d_, width_, arena + l.mid, ld_, w.flat + l.ffn_norm->offset, spec_.eps, arena + l.n2, ld_, arena + l.rstd2);
    Project(math, w, *l.gate, rows, arena + l.n2, ld_, nullptr, arena + l.gate_out, ldf);
    Project(math, w, *l.up, rows, arena + l.n2, ld_, nullptr, arena + l.up_out, ldf);
    math.swiglu(rows, l.width_f, arena + l.gate_out, arena + l.up_out, ldf, arena + l.act);
    float* next = arena + (i + 1 < layers_.size() ? layers_[i + 1].x : x_last_);
    Project(math, w, *l.down, rows, arena + l.act, ldf, arena + l.mid, next, ld_);
  }
}

void Network::Backward(const Math& math, const Weights& w, const Microbatch& batch, float* arena, float* gradient, bool fresh) const {
  const int rows = batch.sequences * length_;
  float *dx = arena + dx_, *dn = arena + dn_, *df = arena + df_;
  for (size_t i = layers_.size(); i-- > 0;) {
    const Layer& l = layers_[i];
    const ptrdiff_t ldf = Stride(l.width_f);
    float *gate = arena + l.gate_out, *up = arena + l.up_out;
    WeightGrad(math, w, *l.down, rows, dx, ld_, arena + l.act, ldf, gradient, fresh);
    ProjectBack(math, w, *l.down, rows, dx, ld_, nullptr, df, ldf);
    math.swiglu_grad(rows, l.width_f, gate, up, ldf, df);
    WeightGrad(math, w, *l.gate, rows, gate, ldf, arena + l.n2, ld_, gradient, fresh);
    WeightGrad(math, w, *l.up, rows, up, ldf, arena + l.n2, ld_, gradient, fresh);
    ProjectBack(math, w, *l.gate, rows, gate, ldf, nullptr, dn, ld_);
    ProjectBack(math, w, *l.up, rows, up, ldf, dn, dn, ld_);
    math.rms_norm_grad(rows, d_, width_, arena + l.mid, ld_, w.flat + l.ffn_norm->offset, arena + l.rstd2, dn, ld_, dx, ld_,
                       gradient + l.ffn_norm->offset);
    MixerBackward(math, w, l, batch.sequences, arena, gradient, fresh);
    math.rms_norm_grad(rows, d_, width_, arena + l.x, ld_, w.flat + l.mixer_norm->offset, arena + l.rstd1, dn, ld_, dx, ld_,
                       gradient + l.mixer_norm->offset);
  }
  float* table = gradient + embedding_->offset;
  for (int r = 0; r < rows; ++r) {
    float* row = table + static_cast<ptrdiff_t>(batch.tokens[r]) * embedding_->ld;
    const float* g = dx + static_cast<ptrdiff_t>(r) * ld_;
    for (int j = 0; j < width_; ++j) row[j] += g[j];
  }
}

CrossEntropyResult Network::Run(const Math& math, const Weights& w, const Microbatch& batch, float* arena, float* gradient, bool fresh,
                                float loss_scale) const {
  if (gradient && fresh) {
    // The layers' matrices are overwritten by their first product; everything else (the head's too) is added to.
    for (const Param& p : params_.all()) {
      if (!p.matrix || p.layer < 0) {
        std::memset(gradient + p.offset, 0, p.size() * sizeof(float));
      }
    }
  }
  Forward(math, w, batch, arena);
  const CrossEntropyResult result = Head(math, w, batch, arena, gradient, loss_scale);
  if (gradient) Backward(math, w, batch, arena, gradient, fresh);
  return result;
}

}  // namespace edgefront::train
