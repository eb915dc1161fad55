// How the output of a mixer or an FFN reaches the residual stream: x + y, or x + norm(y) in layers with norms
// after their parts.
#pragma once

#include "train/layer_mixer.h"

namespace edgefront::train {

// The norm after a mixer or an FFN, if the layer has one, and the sum.
class ResidualNorm {
 public:
  ResidualNorm() = default;
  // `norm` is the role of its tensor in layer `layer`. `rows` and `width` (padded) are those of x.
  ResidualNorm(const ModelSpec& spec, const Params& params, Role norm, int layer, int rows, int width, ArenaPlan* arena);

  // Returns the array for y [rows, Stride(width)]. Without a norm it is `out`, and y begins with x: base(x) is x
  // then, and null otherwise.
  float* Sum(float* out, float* arena) const { return norm_ != nullptr ? arena + raw_ : out; }
  const float* base(const float* x) const { return norm_ != nullptr ? nullptr : x; }
  // Computes `out` from x and y. Without a norm, `out` is complete already.
  void Forward(const Math& math, const Weights& w, int rows, const float* x, float* out, float* arena) const;
  // Returns the gradient of y: that of `out`, `dout`, or with a norm `work`, all [rows, Stride(width)].
  const float* Backward(const Math& math, const Weights& w, int rows, const float* dout, float* work, const float* arena,
                        float* gradient) const;

 private:
  const Param* norm_ = nullptr;  // null: none
  int d_ = 0, width_ = 0;
  ptrdiff_t ld_ = 0;
  float eps_ = 0;
  size_t raw_ = 0, rstd_ = 0;  // arena offsets: y, and 1 / rms of its rows
};

// The product that ends a mixer or an FFN, y = a W^T, with its norm and the sum.
class ResidualProduct {
 public:
  ResidualProduct() = default;
  // `product` and `norm` are the roles of its tensors in layer `layer`. `rows` and `width` (padded) are those of x.
  ResidualProduct(const ModelSpec& spec, const Params& params, Role product, Role norm, int layer, int rows, int width, ArenaPlan* arena);

  // Computes `out` from x, both [rows, Stride(width)], and the input a [rows, lda].
  void Forward(const Math& math, const Weights& w, int rows, const float* a, ptrdiff_t lda, const float* x, float* out, float* arena) const;
  // Computes the gradient of a, `da` in its shape, from that of `out`, `dout`, which is also that of x.
  // `work` has the shape of x. Gradients of matrices are overwritten if `fresh`.
  void Backward(const Math& math, const Weights& w, int rows, const float* a, ptrdiff_t lda, const float* dout, float* work, float* da,
                const float* arena, float* gradient, bool fresh) const;

 private:
  const Param* product_ = nullptr;
  ResidualNorm norm_;
  ptrdiff_t ld_ = 0;
};

}  // namespace edgefront::train
