// Plans a worker's arena, and runs embedding, layers and residuals forward and backward. head.cc does the
// output head.
#include "train/network.h"

#include <algorithm>
#include <cstring>

namespace edgefront::train {

Network::Network(const ModelSpec& spec, const Params& params, int length, int sequences, const Objective& objective)
    : spec_(spec), params_(params), objective_(objective), length_(length), sequences_(sequences), rows_(length * sequences) {
  d_ = static_cast<int>(spec.dim);
  width_ = PadUp(d_);
  ld_ = Stride(width_);
  const size_t rows = static_cast<size_t>(rows_);
  size_t widest_mixed = 0, most_work = 0, most_ffn_work = 0;
  bool parallel = false;
  while (branches_.size() < spec.layers.size()) {
    layers_.push_back(MakeLayer(branches_.size()));
    const Layer& l = layers_.back();
    if (l.ffn) most_ffn_work = std::max(most_ffn_work, l.ffn->work_floats());
    parallel |= l.end - l.first > 1;
  }
  for (const Branch& b : branches_) {
    widest_mixed = std::max<size_t>(widest_mixed, b.mixer->mixed_ld());
    most_work = std::max(most_work, b.mixer->work_floats());
  }
  embedding_ = &params.Get(Role::kEmbedding);
  output_ = spec.tied ? embedding_ : &params.Get(Role::kOutput);
  final_norm_ = &params.Get(Role::kFinalNorm);
  x_last_ = arena_.Take(rows * ld_);
  dx_ = arena_.Take(rows * ld_);
  dn_ = arena_.Take(rows * ld_);
  dn_beside_ = arena_.Take(parallel ? rows * ld_ : 0);
  ffn_work_ = arena_.Take(most_ffn_work);
  dmixed_ = arena_.Take(rows * widest_mixed);
  work_ = arena_.Take(most_work);
  PlanHead();
}

Network::Layer Network::MakeLayer(size_t first) {
  const size_t rows = static_cast<size_t>(rows_);
  Layer l{};
  l.first = l.end = first;
  l.mixer_norm = &params_.Get(Role::kMixerNorm, static_cast<int>(first));
  l.x = arena_.Take(rows * ld_);
  l.n = arena_.Take(rows * ld_);
  l.rstd = arena_.Take(rows);
  do {
    const int branch = static_cast<int>(l.end);
    const std::optional<uint32_t> kv = spec_.layers[l.end].kv_from;
    branches_.push_back(
        {MakeLayerMixer({spec_, params_, branch, length_, rows_, width_, arena_, kv ? branches_[*kv].mixer.get() : nullptr}),
         &params_.Get(Role::kMixerOut, branch)});
  } while (!spec_.EndsBlock(l.end++));
  const int last = static_cast<int>(l.end - 1);
  l.mixed = ResidualNorm(spec_, params_, Role::kMixerPostNorm, last, rows_, width_, &arena_);
  l.mid = arena_.Take(rows * ld_);
  l.ffn = MakeFfnBlock(spec_, params_, last, rows_, width_, &arena_);
  l.last_use = true;
  for (size_t later = l.end; later < spec_.layers.size(); ++later) l.last_use &= spec_.WeightsOf(later) != spec_.WeightsOf(first);
  return l;
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
    math.rms_norm(rows, d_, width_, arena + l.x, ld_, w.flat + l.mixer_norm->offset, spec_.eps, arena + l.n, ld_, arena + l.rstd);
    float* sum = l.mixed.Sum(arena + l.mid, arena);
    const float* base = l.mixed.base(arena + l.x);
    for (size_t j = l.first; j < l.end; ++j, base = sum) {
      const LayerMixer& mixer = *branches_[j].mixer;
      mixer.Forward({math, w, batch.sequences, arena, arena + l.n, arena + work_});
      Project(math, w, *branches_[j].out, rows, arena + mixer.mixed(), mixer.mixed_ld(), base, sum, ld_);
    }
    l.mixed.Forward(math, w, rows, arena + l.x, arena + l.mid, arena);
    float* next = arena + (i + 1 < layers_.size() ? layers_[i + 1].x : x_last_);
    if (l.ffn)
      l.ffn->Forward(math, w, rows, arena + l.mid, next, arena);
    else
      std::memcpy(next, arena + l.mid, sizeof(float) * rows * ld_);
  }
}

void Network::Backward(const Math& math, const Weights& w, const Microbatch& batch, float* arena, float* gradient, bool fresh) const {
  const int rows = batch.sequences * length_;
  float *dx = arena + dx_, *dn = arena + dn_, *dmixed = arena + dmixed_;
  for (size_t i = layers_.size(); i-- > 0;) {
    const Layer& l = layers_[i];
    const bool overwrite = fresh && l.last_use;
    if (l.ffn) l.ffn->Backward(math, w, rows, arena + l.mid, dx, dn, arena + ffn_work_, arena, gradient, overwrite);
    const float* dsum = l.mixed.Backward(math, w, rows, dx, dn, arena, gradient);
    for (size_t j = l.first; j < l.end; ++j) {
      const LayerMixer& mixer = *branches_[j].mixer;
      const Param& out = *branches_[j].out;
      WeightGrad(math, w, out, rows, dsum, ld_, arena + mixer.mixed(), mixer.mixed_ld(), gradient, overwrite);
      ProjectBack(math, w, out, rows, dsum, ld_, nullptr, dmixed, mixer.mixed_ld());
      // `dsum` may lie in `dn`, so only the last mixer overwrites it.
      float* din = j + 1 == l.end ? dn : arena + dn_beside_;
      mixer.Backward({math, w, batch.sequences, arena, arena + l.n, arena + work_}, {dmixed, din, gradient, overwrite});
    }
    if (l.end - l.first > 1) {
      for (ptrdiff_t j = 0; j < rows * ld_; ++j) dn[j] += arena[dn_beside_ + j];
    }
    math.rms_norm_grad(rows, d_, width_, arena + l.x, ld_, w.flat + l.mixer_norm->offset, arena + l.rstd, dn, ld_, dx, ld_,
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
    // The first product overwrites the layers' matrices. Everything else, also in the head, is added to, so
    // it is zeroed here.
    for (const Param& p : params_.all()) {
      if (!p.matrix() || p.layer < 0) {
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
