// The interface of a kind of FFN: one table of functions for each, listed in infer/ffns/ffn_table.cc. The layer
// itself (layer_stages.cc) does the norm before an FFN. An FFN adds its output to the residual stream.
#ifndef EDGEFRONT_INFER_FFN_KIND_H_
#define EDGEFRONT_INFER_FFN_KIND_H_

#include <span>

#include "infer/model_spec.h"
#include "infer/stage.h"

namespace edgefront {

struct LayerPlan;
struct Program;

// One kind of FFN, as the engine and the memory plan use it.
struct FfnKind {
  Ffn id;
  const char* name;  // in messages of tests
  // Adds the tensors after the FFN's norm, in order of use.
  void (*tensors)(const ModelSpec& m, const LayerSpec& l, LayerTensors* out);
  // Asks `program`, whose `rows` is set, for shared buffers and scratch.
  void (*plan)(const ModelSpec& m, const LayerSpec& l, Program* program, LayerPlan* plan);
  std::span<const Stage> stages;  // after the norm; none: the layer has neither an FFN nor its norm
};

// Returns the kind of an FFN.
const FfnKind& KindOf(Ffn ffn);
std::span<const FfnKind* const> FfnKinds();  // indexed by Ffn

}  // namespace edgefront

#endif  // EDGEFRONT_INFER_FFN_KIND_H_
