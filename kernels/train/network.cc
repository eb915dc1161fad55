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
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    layers_.push_back(MakeLayer(static_cast<int>(i)));
    const Layer& l = layers_.back();
    if (l.ffn) most_ffn_work = std::max(most_ffn_work, l.ffn->work_floats());
    widest_mixed = std::max<size_t>(widest_mixed, l.mixer->mixed_ld());
    most_work = std::max(most_work, l.mixer->work_floats());
  }
  embedding_ = &params.Get(Role::kEmbedding);
  output_ = spec.tied ? embedding_ : &params.Get(Role::kOutput);
  final_norm_ = &params.Get(Role::kFinalNorm);
  x_last_ = arena_.Take(rows * ld_);
  dx_ = arena_.Take(rows * ld_);
  dn_ = arena_.Take(rows * ld_);
  ffn_work_ = arena_.Take(most_ffn_work);
  dmixed_ = arena_.Take(rows * widest_mixed);
  work_ = arena_.Take(most_work);
  PlanHead();
}

Network::Layer Network::MakeLayer(int layer) {
  const size_t rows = static_cast<size_t>(rows_);
  Layer l{};
  l.mixer_norm = &params_.Get(Role::kMixerNorm, layer);
  l.x = arena_.Take(rows * ld_);
  l.n = arena_.Take(rows * ld_);
  l.rstd = arena_.Take(rows);
  const LayerSpec& spec = spec_.layers[layer];
  l.mixer =
      MakeLayerMixer({spec_, params_, layer, length_, rows_, width_, arena_, spec.kv_from ? layers_[*spec.kv_from].mixer.get() : nullptr});
  l.mixer_out = ResidualProduct(spec_, params_, Role::kMixerOut, Role::kMixerPostNorm, layer, rows_, width_, &arena_);
  l.mid = arena_.Take(rows * ld_);
  l.ffn = MakeFfnBlock(spec_, params_, layer, rows_, width_, &arena_);
  l.last_use = true;
  for (size_t later = layer + size_t{1}; later < spec_.layers.size(); ++later)
    l.last_use &= spec_.WeightsOf(later) != spec_.WeightsOf(layer);
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
    const LayerMixer& mixer = *l.mixer;
    math.rms_norm(rows, d_, width_, arena + l.x, ld_, w.flat + l.mixer_norm->offset, spec_.eps, arena + l.n, ld_, arena + l.rstd);
    mixer.Forward({math, w, batch.sequences, arena, arena + l.n, arena + work_});
    l.mixer_out.Forward(math, w, rows, arena + mixer.mixed(), mixer.mixed_ld(), arena + l.x, arena + l.mid, arena);
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
    const LayerMixer& mixer = *l.mixer;
    const bool overwrite = fresh && l.last_use;
    if (l.ffn) l.ffn->Backward(math, w, rows, arena + l.mid, dx, dn, arena + ffn_work_, arena, gradient, overwrite);
    l.mixer_out.Backward(math, w, rows, arena + mixer.mixed(), mixer.mixed_ld(), dx, dn, dmixed, arena, gradient, overwrite);
    mixer.Backward({math, w, batch.sequences, arena, arena + l.n, arena + work_}, {dmixed, dn, gradient, overwrite});
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
