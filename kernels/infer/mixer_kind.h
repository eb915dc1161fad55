// The interface of a kind of mixer: one table of functions, defined in infer/mixers/<op>.cc and listed in
// infer/mixers/mixer_table.cc. The layer itself (layer_stages.cc) does the norm before a mixer, the product
// of its output, and the residual.
#ifndef EDGEFRONT_INFER_MIXER_KIND_H_
#define EDGEFRONT_INFER_MIXER_KIND_H_

#include <span>
#include <string>
#include <string_view>

#include "infer/meta_reader.h"
#include "infer/model_spec.h"
#include "infer/stage.h"

namespace edgefront {

struct LayerPlan;
struct Program;
struct SessionOptions;

// A line of the listing: the work of a mixer between its products, in one decode step of the whole batch.
struct ListedWork {
  const char* op;
  uint64_t ne0, ne1;
  DType type;
  double bytes;  // of the step
  double flops;  // of one sequence
};

// One kind of mixer, as the engine, the memory plan and the listing use it.
struct MixerKind {
  Mixer id;
  std::span<const std::string_view> names;  // values of edgefront.layer.mixer
  const char* out_stage;                    // profile name of the output's product
  const char* out_op;                       // listing name of the output's product
  // True if a new sequence needs zeroed state. Otherwise state beyond a sequence's position is never read.
  bool starts_from_zero;

  // Reads and checks the metadata of layer `i`. `name` is its mixer name in the file, empty in upstream
  // architectures.
  Status (*read)(const MetaReader& meta, const ModelSpec& m, uint64_t i, std::string_view name, LayerSpec* l);
  // Adds the tensors of the layer. The output's matrix (Role::kMixerOut) comes last.
  void (*tensors)(const ModelSpec& m, const LayerSpec& l, LayerTensors* out);
  // Turns the layer's vectors, as loaded, into the values that its stages read; null: they read the loaded ones.
  // vectors[slot] has the layout of LayerWeights.
  void (*prepare)(const ModelSpec& m, const LayerSpec& l, float* const* vectors) = nullptr;
  // Sets the sizes in `plan`, and asks `program` for shared resources: rotation tables, buffers, scratch.
  void (*plan)(const ModelSpec& m, const LayerSpec& l, const SessionOptions& o, Program* program, LayerPlan* plan);
  // Returns the mixer's line of the listing.
  ListedWork (*listed)(const LayerSpec& l, const LayerPlan& plan, const ModelSpec& m, const SessionOptions& o);
  // The stages between the layer's norm and the output's product.
  std::span<const Stage> stages;
};

// Returns the kind of a mixer.
const MixerKind& KindOf(Mixer mixer);
const MixerKind* FindMixer(std::string_view name);  // null if no kind has this name
std::string MixerNames();                           // of all kinds, "conv, gqa, ..."
std::span<const MixerKind* const> MixerKinds();     // indexed by Mixer

}  // namespace edgefront

#endif  // EDGEFRONT_INFER_MIXER_KIND_H_
