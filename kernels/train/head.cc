// The end of the network: final norm, logits of the scored rows in chunks, the loss, and the gradient of the
// last layer's output. The pooled head (MAD's auto-encoder, arXiv 2403.17844) reads each position out of the
// state at the last one: that state plus a sinusoidal code of the position, through one SwiGLU block of the
// trainer's own. MAD has two GELU layers there.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "train/network.h"

namespace edgefront::train {
namespace {

constexpr int kLogitBudget = 1 << 16;  // floats of logits held at a time: 256 KiB stay in a core's L2

}  // namespace

void Network::PlanHead() {
  const size_t rows = static_cast<size_t>(rows_);
  chunk_ = std::clamp(kLogitBudget / output_->padded_rows / 8 * 8, 16, std::max(16, rows_));
  head_.x = arena_.Take(rows * ld_);
  head_.n = arena_.Take(rows * ld_);
  head_.dx = arena_.Take(rows * ld_);
  head_.dn = arena_.Take(static_cast<size_t>(chunk_) * ld_);
  head_.rstd = arena_.Take(rows);
  head_.index = arena_.Take(rows);
  head_.targets = arena_.Take(rows);
  head_.logits = arena_.Take(static_cast<size_t>(chunk_) * Stride(output_->padded_rows));
  if (objective_.kind != Objective::kCrossEntropy) {
    head_.soft_ids = arena_.Take(static_cast<size_t>(chunk_) * objective_.k);
    head_.soft_log_probs = arena_.Take(static_cast<size_t>(chunk_) * objective_.k);
    head_.scratch = arena_.Take(output_->padded_rows);
  }
  if (!params_.pooled()) return;
  decoder_ = SwigluBlock(spec_, params_, kDecoder, rows_, width_, &arena_);
  decoder_at_.in = arena_.Take(rows * ld_);
  decoder_at_.dn = arena_.Take(rows * ld_);
  decoder_at_.dact = arena_.Take(decoder_.work_floats());
  // Sine and cosine of the position at d/2 frequencies from 1 to 1/10000 (Vaswani et al., 2017).
  position_code_.assign(static_cast<size_t>(length_) * ld_, 0.0f);
  const int half = d_ / 2;
  for (int t = 0; t < length_; ++t) {
    for (int i = 0; i < half; ++i) {
      const double angle = t * std::pow(1e4, -static_cast<double>(i) / std::max(1, half - 1));
      position_code_[static_cast<size_t>(t) * ld_ + i] = static_cast<float>(std::sin(angle));
      position_code_[static_cast<size_t>(t) * ld_ + half + i] = static_cast<float>(std::cos(angle));
    }
  }
}

// Copies the head's inputs of all scored rows together. Returns the number of scored rows.
int Network::Gather(const Microbatch& batch, float* arena) const {
  const int rows = batch.sequences * length_;
  int32_t* index = reinterpret_cast<int32_t*>(arena + head_.index);
  uint16_t* targets = reinterpret_cast<uint16_t*>(arena + head_.targets);
  float* out = arena + (params_.pooled() ? decoder_at_.in : head_.x);
  int scored = 0;
  for (int r = 0; r < rows; ++r) {
    if (batch.targets[r] == kNotScored) continue;
    float* to = out + static_cast<ptrdiff_t>(scored) * ld_;
    const int from = params_.pooled() ? r / length_ * length_ + length_ - 1 : r;
    std::memcpy(to, arena + x_last_ + static_cast<ptrdiff_t>(from) * ld_, sizeof(float) * width_);
    if (params_.pooled()) {
      const float* code = position_code_.data() + static_cast<ptrdiff_t>(r % length_) * ld_;
      for (int i = 0; i < width_; ++i) to[i] += code[i];
    }
    index[scored] = r;
    targets[scored++] = batch.targets[r];
  }
  return scored;
}

// Returns the loss of the scored rows. If `gradient` is not null, writes dx of all rows to dx_.
CrossEntropyResult Network::Head(const Math& math, const Weights& w, const Microbatch& batch, float* arena, float* gradient,
                                 float scale) const {
  const int rows = batch.sequences * length_, scored = Gather(batch, arena);
  const int32_t* index = reinterpret_cast<const int32_t*>(arena + head_.index);
  const uint16_t* targets = reinterpret_cast<const uint16_t*>(arena + head_.targets);
  if (params_.pooled()) decoder_.Forward(math, w, scored, arena + decoder_at_.in, arena + head_.x, arena);
  float *sx = arena + head_.x, *sn = arena + head_.n, *sdx = arena + head_.dx, *sdn = arena + head_.dn, *logits = arena + head_.logits;
  const float* norm = w.flat + final_norm_->offset;
  math.rms_norm(scored, d_, width_, sx, ld_, norm, spec_.eps, sn, ld_, arena + head_.rstd);
  CrossEntropyResult total;
  const ptrdiff_t ldl = Stride(output_->padded_rows);
  const int vocab = static_cast<int>(spec_.vocab);
  for (int r0 = 0; r0 < scored; r0 += chunk_) {
    const int n = std::min(chunk_, scored - r0);
    const ptrdiff_t at = static_cast<ptrdiff_t>(r0) * ld_;
    Project(math, w, *output_, n, sn + at, ld_, nullptr, logits, ldl);
    const CrossEntropyResult part = batch.soft && gradient
                                        ? DistillLoss(math, objective_, n, vocab, logits, ldl, targets + r0,
                                                      GatherSoft(*batch.soft, index + r0, n, arena), scale, arena + head_.scratch)
                                        : math.cross_entropy(n, vocab, logits, ldl, targets + r0, scale);
    total.loss += part.loss;
    total.right += part.right;
    if (!gradient) continue;
    WeightGrad(math, w, *output_, n, logits, ldl, sn + at, ld_, gradient, false);
    ProjectBack(math, w, *output_, n, logits, ldl, nullptr, sdn, ld_);
    std::memset(sdx + at, 0, sizeof(float) * n * ld_);
    math.rms_norm_grad(n, d_, width_, sx + at, ld_, norm, arena + head_.rstd + r0, sdn, ld_, sdx + at, ld_, gradient + final_norm_->offset);
  }
  if (!gradient) return total;
  if (params_.pooled()) {
    decoder_.Backward(math, w, scored, arena + decoder_at_.in, sdx, arena + decoder_at_.dn, arena + decoder_at_.dact, arena, gradient,
                      false);
  }
  std::memset(arena + dx_, 0, sizeof(float) * rows * ld_);
  for (int i = 0; i < scored; ++i) {
    const int to = params_.pooled() ? index[i] / length_ * length_ + length_ - 1 : index[i];
    float* out = arena + dx_ + static_cast<ptrdiff_t>(to) * ld_;
    const float* in = sdx + static_cast<ptrdiff_t>(i) * ld_;
    for (int j = 0; j < width_; ++j) out[j] += in[j];
  }
  return total;
}

SoftTargets Network::GatherSoft(const SoftTargets& all, const int32_t* index, int rows, float* arena) const {
  uint16_t* ids = reinterpret_cast<uint16_t*>(arena + head_.soft_ids);
  float* log_probs = arena + head_.soft_log_probs;
  for (int i = 0; i < rows; ++i) {
    const ptrdiff_t from = static_cast<ptrdiff_t>(index[i]) * all.k, to = static_cast<ptrdiff_t>(i) * all.k;
    std::memcpy(ids + to, all.ids + from, sizeof(uint16_t) * all.k);
    std::memcpy(log_probs + to, all.log_probs + from, sizeof(float) * all.k);
  }
  return {all.k, ids, log_probs};
}

void Network::Teach(const Math& math, const Weights& w, const Microbatch& batch, int k, float* arena, uint16_t* ids, float* log_probs,
                    std::vector<uint32_t>* order) const {
  Forward(math, w, batch, arena);
  const int scored = Gather(batch, arena);
  const int32_t* index = reinterpret_cast<const int32_t*>(arena + head_.index);
  if (params_.pooled()) decoder_.Forward(math, w, scored, arena + decoder_at_.in, arena + head_.x, arena);
  float *sx = arena + head_.x, *sn = arena + head_.n, *logits = arena + head_.logits;
  math.rms_norm(scored, d_, width_, sx, ld_, w.flat + final_norm_->offset, spec_.eps, sn, ld_, arena + head_.rstd);
  const ptrdiff_t ldl = Stride(output_->padded_rows);
  for (int r0 = 0; r0 < scored; r0 += chunk_) {
    const int n = std::min(chunk_, scored - r0);
    Project(math, w, *output_, n, sn + static_cast<ptrdiff_t>(r0) * ld_, ld_, nullptr, logits, ldl);
    for (int i = 0; i < n; ++i) {
      const ptrdiff_t to = static_cast<ptrdiff_t>(index[r0 + i]) * k;
      SelectTopK(static_cast<int>(spec_.vocab), logits + i * ldl, k, ids + to, log_probs + to, order);
    }
  }
}

}  // namespace edgefront::train
