// The interface of a layer's mixer in training: one class for each kind in train/mixers/<op>.cc, listed in
// train/mixers/layer_mixers.cc. The layer itself (train/network.cc) does the norm before a mixer, the product
// of its output, and the residual. Shapes: rows = sequences * length, sequence by sequence; a row of width w
// has the stride Stride(w).
#pragma once

#include <memory>

#include "infer/model_spec.h"
#include "train/projections.h"

namespace edgefront::train {

// Assigns parts of a worker's arena: offsets first, memory later. Units are floats.
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

class LayerMixer;

// The inputs of a mixer's plan.
struct MixerContext {
  const ModelSpec& spec;
  const Params& params;
  int layer;
  int length, rows;  // of one sequence; of a whole microbatch
  int width;         // d, padded; the normalised input is [rows, width]
  ArenaPlan& arena;
  const LayerMixer* kv_source = nullptr;  // the mixer whose keys and values are read; null: its own

  const LayerSpec& layer_spec() const { return spec.layers[layer]; }
  const Param& Tensor(int slot) const { return params.Get(Role::kMixer, layer, slot); }
};

// The pass of one microbatch through a mixer.
struct MixerPass {
  const Math& math;
  const Weights& weights;
  int sequences;
  float* arena;
  const float* in;  // the layer's normalised input
  float* work;      // work_floats() floats, shared by the layers; no content outlives the call
};

// The outputs of a backward pass.
struct MixerGradients {
  float* mixed;   // gradient of mixed(), in its shape; may be overwritten
  float* in;      // gradient of the normalised input, overwritten
  float* params;  // Params::size() floats: matrices are overwritten if `fresh`, the rest is added to
  bool fresh;
};

// A mixer planned for one layer. Its constructor reserves its part of the arena.
class LayerMixer {
 public:
  virtual ~LayerMixer() = default;

  // Writes the mixer's output, before the output's product, to mixed() in the arena, and keeps what Backward
  // needs.
  virtual void Forward(const MixerPass& pass) const = 0;
  // Computes gradients.in and the gradients of the mixer's own parameters from gradients.mixed. Layers that
  // read a mixer's keys and values go backward before it, and leave their part of its gradients in the arena.
  virtual void Backward(const MixerPass& pass, const MixerGradients& gradients) const = 0;

  size_t mixed() const { return mixed_; }  // offset in the arena of [rows, mixed_ld]
  int mixed_ld() const { return mixed_ld_; }
  size_t work_floats() const { return work_floats_; }

 protected:
  size_t mixed_ = 0, work_floats_ = 0;
  int mixed_ld_ = 0;
};

// Returns the mixer of the context's layer.
std::unique_ptr<LayerMixer> MakeLayerMixer(const MixerContext& context);

}  // namespace edgefront::train
