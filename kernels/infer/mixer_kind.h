// What the engine asks of a kind of mixer: one table of functions a kind, defined in infer/mixers/<op>.cc and listed in
// infer/mixers/mixer_table.cc. The norm before a mixer, its output's product and the residual belong to the layer (layer_stages.cc).
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

// A line of the listing: the work of a mixer between its products, in one decoding step of the whole batch.
struct ListedWork {
  const char* op;
  uint64_t ne0, ne1;
  DType type;
  double bytes;  // of the step
  double flops;  // of one sequence
};

struct MixerKind {
  Mixer id;
  std::span<const std::string_view> names;  // in edgefront.layer.mixer
  const char* out_stage;                    // names the product of the layer's output in profiles
  const char* out_op;                       // the same in the listing
  // State must be zero where a sequence begins. Otherwise nothing beyond a sequence's position is ever read.
  bool starts_from_zero;

  // Reads and checks the metadata of layer `i`, which the file gives `name` (empty in upstream architectures).
  Status (*read)(const MetaReader& meta, const ModelSpec& m, uint64_t i, std::string_view name, LayerSpec* l);
  // Adds the tensors of the layer, the output's product (Role::kMixerOut) last.
  void (*tensors)(const ModelSpec& m, const LayerSpec& l, LayerTensors* out);
  // Sets the sizes in `plan`, and asks `program` for what layers share: rotation tables, buffers, scratch.
  void (*plan)(const ModelSpec& m, const LayerSpec& l, const SessionOptions& o, Program* program, LayerPlan* plan);
  ListedWork (*listed)(const LayerSpec& l, const LayerPlan& plan, const ModelSpec& m, const SessionOptions& o);
  // What is run between the layer's norm and its output's product.
  std::span<const Stage> stages;
};

const MixerKind& KindOf(Mixer mixer);
const MixerKind* FindMixer(std::string_view name);  // null where no kind has it
std::string MixerNames();                           // of all kinds, "conv, gqa, ..."
std::span<const MixerKind* const> MixerKinds();     // indexed by Mixer

}  // namespace edgefront

#endif  // EDGEFRONT_INFER_MIXER_KIND_H_
