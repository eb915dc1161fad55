// What the network asks of a layer's mixer in training: one class a kind in train/mixers/<op>.cc, one line each in
// train/mixers/layer_mixers.cc. The norm before it, its output's product and the residual belong to the layer (train/network.cc).
// Shapes: rows = sequences * length, sequence by sequence; a row of width w has the stride Stride(w).
#pragma once

#include <memory>

#include "infer/model_spec.h"
#include "train/projections.h"

namespace edgefront::train {

// Hands out parts of a worker's arena: offsets first, memory later.
class ArenaPlan {
 public:
  size_t Take(size_t floats) {
    const size_t at = size_;
    size_ += (floats + kPad - 1) / kPad * kPad;
    return at;
  }
  size_t size() const { return size_; }

 private:
  size_t size_ = 0;
};

// What a mixer is planned from.
struct MixerContext {
  const ModelSpec& spec;
  const Params& params;
  int layer;
  int length, rows;  // of a sequence; of a whole microbatch
  int width;         // d, padded; the normed input is [rows, width]
  ArenaPlan& arena;

  const LayerSpec& layer_spec() const { return spec.layers[layer]; }
  const Param& Tensor(int slot) const { return params.Get(Role::kMixer, layer, slot); }
};

// One microbatch's pass through a mixer.
struct MixerPass {
  const Math& math;
  const Weights& weights;
  int sequences;
  float* arena;
  const float* in;  // the layer's normed input
  float* work;      // work_floats(), which the layers use in turn: nothing of it outlives the call
};

// Where a backward pass writes.
struct MixerGradients {
  float* mixed;   // of mixed(), and of its shape; may be overwritten
  float* in;      // of the normed input, overwritten
  float* params;  // a lane of Params::size(): matrices are overwritten where `fresh`, the rest is added to
  bool fresh;
};

class LayerMixer {
 public:
  virtual ~LayerMixer() = default;

  // Leaves the mixer's output, before the output's product, at mixed() in the arena, with what Backward needs.
  virtual void Forward(const MixerPass& pass) const = 0;
  // From gradients.mixed to gradients.in, and to those of the mixer's own parameters.
  virtual void Backward(const MixerPass& pass, const MixerGradients& gradients) const = 0;

  size_t mixed() const { return mixed_; }  // offset in the arena: [rows, mixed_ld]
  int mixed_ld() const { return mixed_ld_; }
  size_t work_floats() const { return work_floats_; }

 protected:
  size_t mixed_ = 0, work_floats_ = 0;
  int mixed_ld_ = 0;
};

std::unique_ptr<LayerMixer> MakeLayerMixer(const MixerContext& context);

}  // namespace edgefront::train
