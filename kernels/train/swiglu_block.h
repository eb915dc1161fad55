// x + down(silu(gate(n)) * up(n)) with n = rms_norm(x): the SwiGLU FFN of a layer, and the decoder of the pooled
// head. The last product may have a norm of its own.
#pragma once

#include "train/ffn_block.h"
#include "train/residual_product.h"

namespace edgefront::train {

class SwigluBlock : public FfnBlock {
 public:
  SwigluBlock() = default;
  // `layer` is the layer of its parameters. `width` is the padded width of x.
  SwigluBlock(const ModelSpec& spec, const Params& params, int layer, int rows, int width, ArenaPlan* arena);

  void Forward(const Math& math, const Weights& w, int rows, const float* x, float* out, float* arena) const override;
  // The work buffer holds the gradient of act.
  void Backward(const Math& math, const Weights& w, int rows, const float* x, float* dx, float* dn, float* dact, float* arena,
                float* gradient, bool fresh) const override;

 private:
  int hidden_ld() const { return Stride(gate_->padded_rows); }

  const Param *norm_ = nullptr, *gate_ = nullptr, *up_ = nullptr;
  ResidualProduct down_;
  int d_ = 0, width_ = 0;
  ptrdiff_t ld_ = 0;
  float eps_ = 0;
  size_t n_ = 0, rstd_ = 0, gate_out_ = 0, up_out_ = 0, act_ = 0;  // arena offsets
};

}  // namespace edgefront::train
