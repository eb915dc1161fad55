// Plans, runs and differentiates the end of a mixer or an FFN.
#include "train/residual_product.h"

#include <cstring>

namespace edgefront::train {

ResidualNorm::ResidualNorm(const ModelSpec& spec, const Params& params, Role norm, int layer, int rows, int width, ArenaPlan* arena)
    : d_(static_cast<int>(spec.dim)), width_(width), ld_(Stride(width)), eps_(spec.eps) {
  if (layer < 0 || !spec.layers[layer].sandwich) return;  // below 0: the pooled head
  norm_ = &params.Get(norm, layer);
  raw_ = arena->Take(static_cast<size_t>(rows) * ld_);
  rstd_ = arena->Take(rows);
}

void ResidualNorm::Forward(const Math& math, const Weights& w, int rows, const float* x, float* out, float* arena) const {
  if (norm_ == nullptr) return;
  math.rms_norm(rows, d_, width_, arena + raw_, ld_, w.flat + norm_->offset, eps_, out, ld_, arena + rstd_);
  for (int r = 0; r < rows; ++r) {
    for (ptrdiff_t i = r * ld_; i < r * ld_ + width_; ++i) out[i] += x[i];
  }
}

const float* ResidualNorm::Backward(const Math& math, const Weights& w, int rows, const float* dout, float* work, const float* arena,
                                    float* gradient) const {
  if (norm_ == nullptr) return dout;
  std::memset(work, 0, sizeof(float) * rows * ld_);
  math.rms_norm_grad(rows, d_, width_, arena + raw_, ld_, w.flat + norm_->offset, arena + rstd_, dout, ld_, work, ld_,
                     gradient + norm_->offset);
  return work;
}

ResidualProduct::ResidualProduct(const ModelSpec& spec, const Params& params, Role product, Role norm, int layer, int rows, int width,
                                 ArenaPlan* arena)
    : product_(&params.Get(product, layer)), norm_(spec, params, norm, layer, rows, width, arena), ld_(Stride(width)) {}

void ResidualProduct::Forward(const Math& math, const Weights& w, int rows, const float* a, ptrdiff_t lda, const float* x, float* out,
                              float* arena) const {
  Project(math, w, *product_, rows, a, lda, norm_.base(x), norm_.Sum(out, arena), ld_);
  norm_.Forward(math, w, rows, x, out, arena);
}

void ResidualProduct::Backward(const Math& math, const Weights& w, int rows, const float* a, ptrdiff_t lda, const float* dout, float* work,
                               float* da, const float* arena, float* gradient, bool fresh) const {
  const float* dproduct = norm_.Backward(math, w, rows, dout, work, arena, gradient);
  WeightGrad(math, w, *product_, rows, dproduct, ld_, a, lda, gradient, fresh);
  ProjectBack(math, w, *product_, rows, dproduct, ld_, nullptr, da, lda);
}

}  // namespace edgefront::train
