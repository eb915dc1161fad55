// The interface of a layer's FFN in training: x + ffn(rms_norm(x)). One class for each kind, chosen by
// ffn_block.cc.
#pragma once

#include <memory>

#include "train/layer_mixer.h"

namespace edgefront::train {

// An FFN planned for one layer. Its constructor reserves its part of the arena.
class FfnBlock {
 public:
  virtual ~FfnBlock() = default;

  // Computes `out` from x, both [rows, Stride(width)].
  virtual void Forward(const Math& math, const Weights& w, int rows, const float* x, float* out, float* arena) const = 0;
  // Turns dx from the gradient of `out` into that of x. Work buffers: dn in the shape of x, `work` of
  // work_floats(). Gradients of matrices are overwritten if `fresh`. Destroys the results of Forward.
  virtual void Backward(const Math& math, const Weights& w, int rows, const float* x, float* dx, float* dn, float* work, float* arena,
                        float* gradient, bool fresh) const = 0;

  size_t work_floats() const { return work_floats_; }

 protected:
  size_t work_floats_ = 0;
};

// Returns the FFN of a layer for `rows` rows of the padded width `width`; null if the layer has none.
std::unique_ptr<FfnBlock> MakeFfnBlock(const ModelSpec& spec, const Params& params, int layer, int rows, int width, ArenaPlan* arena);

}  // namespace edgefront::train
