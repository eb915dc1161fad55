// The layout of a model, read and validated from GGUF metadata, and the tensors that it must have. The metadata and
// tensors of each mixer are in infer/mixers/.
#ifndef EDGEFRONT_INFER_MODEL_SPEC_H_
#define EDGEFRONT_INFER_MODEL_SPEC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "include/edgefront/gguf.h"
#include "include/edgefront/status.h"
#include "infer/layer_spec.h"
#include "infer/seeded_weights.h"

namespace edgefront {

struct DataSource;

// A validated layout.
struct ModelSpec {
  std::string architecture;  // as in general.architecture, one of those in foreign_file.cc
  std::string name, layout;  // informative
  std::string final_norm;    // name of the final norm's tensor if it is not the architecture's usual one
  uint32_t dim = 0;          // d
  uint32_t vocab = 0;        // V
  uint32_t context_length = 0;
  float eps = 0;
  bool rope_interleaved = false;  // llama, nanbeige, granitehybrid: pairs (2i, 2i+1); else (i, i+hd/2)
  uint32_t rope_rotated = 0;      // lfm3: channels of a head that RoPE turns in global attention
  uint32_t norm_every = 0;        // nanbeige: the final norm also stands after every so many layers; 0: after the last only
  bool tied = true;               // the output matrix is the embedding matrix
  std::optional<uint64_t> seed;   // edgefront.weights.seed
  std::vector<LayerSpec> layers;  // a parallel layer is two of them

  // Reads and validates the metadata, and checks that the tensors are exactly those of the layout. `source`
  // is the file's data; null suffices for a plan, and for the sizes of a file.
  static Result<ModelSpec> FromGguf(const GgufFile& gguf, const DataSource* source = nullptr);

  bool own_architecture() const { return architecture == "edgefront"; }
  std::string final_norm_name() const {
    return !final_norm.empty() ? final_norm : architecture.starts_with("lfm2") ? "token_embd_norm.weight" : "output_norm.weight";
  }
  // Returns the layer whose weights layer `i` applies: i, or an earlier one.
  size_t WeightsOf(size_t i) const { return layers[i].weights_from.value_or(i); }
  // Returns the number of the file's layers before layer `i`, and so the number in its tensors' names.
  size_t BlockOf(size_t i) const;
  // Returns the first of `layers` of a layer of the file.
  size_t FirstOf(size_t block) const;
  // Returns true unless the next layer is beside layer `i`.
  bool EndsBlock(size_t i) const { return i + 1 == layers.size() || !layers[i + 1].beside; }
  // Returns the number of parameters; a tied matrix and shared weights count once.
  uint64_t Parameters() const;
};

// The use of a tensor in the layout.
enum class Role {
  // clang-format off
  kEmbedding, kOutput, kFinalNorm, kMixerNorm, kMixerPostNorm,
  kMixer,     // a mixer's own tensor, numbered by `slot`; its matrices read the layer's normalised input, unless `inner`
  kMixerOut,  // reads the mixer's output, writes into the residual stream
  kFfnNorm, kRouter, kRouterBias, kGate, kUp, kDown, kFfnPostNorm,
  kConstant,  // holds no parameters: only in the file
  // clang-format on
};

// A tensor that the layout must have.
struct TensorSpec {
  std::string name;
  Role role;
  int layer;     // -1 outside the layers
  uint64_t ne0;  // input dimension, contiguous
  uint64_t ne1;  // rows; 1 for vectors
  WeightKind kind = WeightKind::kMatrix;
  int slot = 0;
  const char* op = "";  // name of its product in the listing
  // Sizes of blocks of inputs (rows) and outputs (columns) that belong together, such as those of a head.
  // Training pads each block separately. 0: one block.
  uint64_t row_block = 0, col_block = 0;
  // A mixer's matrix that reads the mixer's own values, not the layer's normalised input.
  bool inner = false;
  // An inner matrix that is never quantised, because it is small. Its input is never rounded.
  bool exact = false;
  // A vector with one row for each channel or head. It is kept as [ne0][ne1], so that loops run along channels.
  bool by_channel = false;
  // Matrices of ne1 rows that the tensor holds one after the other, one for each expert, and how many of them a
  // token uses.
  uint32_t stack = 1, used = 1;

  uint64_t rows() const { return stack * ne1; }
  uint64_t elements() const { return ne0 * rows(); }
  bool writes_residual() const { return role == Role::kMixerOut || role == Role::kDown; }
};

// Collects the tensors of one layer, in order of use. A tensor's name is blk.N.SUFFIX.weight, with N = `block`; Vector
// and PerChannel take the whole name after blk.N.
class LayerTensors {
 public:
  LayerTensors(int layer, size_t block, std::vector<TensorSpec>* out) : layer_(layer), block_(block), out_(out) {}

  TensorSpec& Add(Role role, const char* suffix, uint64_t ne0, uint64_t ne1, const char* op) {
    return Named(role, std::string(suffix) + ".weight", ne0, ne1, op);
  }
  void Norm(Role role, const char* suffix, uint64_t n, int slot = 0) {
    TensorSpec& t = Add(role, suffix, n, 1, "");
    t.kind = WeightKind::kNorm;
    t.slot = slot;
  }
  // `name` is the whole name after blk.N.
  void FfnNorm(const char* name, uint64_t n) { Named(Role::kFfnNorm, name, n, 1, "").kind = WeightKind::kNorm; }
  TensorSpec& Mixer(int slot, const char* suffix, uint64_t ne0, uint64_t ne1, const char* op) {
    TensorSpec& t = Add(Role::kMixer, suffix, ne0, ne1, op);
    t.slot = slot;
    return t;
  }
  // Adds a matrix that reads the mixer's own values.
  TensorSpec& Inner(int slot, const char* suffix, uint64_t ne0, uint64_t ne1, const char* op) {
    TensorSpec& t = Mixer(slot, suffix, ne0, ne1, op);
    t.inner = true;
    return t;
  }
  // Adds one matrix for each expert.
  void Experts(Role role, const char* suffix, uint64_t ne0, uint64_t ne1, const MoeSpec& moe, const char* op) {
    TensorSpec& t = Add(role, suffix, ne0, ne1, op);
    t.stack = moe.experts;
    t.used = moe.used;
  }
  void RouterBias(const char* name, uint64_t n) { Named(Role::kRouterBias, name, n, 1, "").kind = WeightKind::kBalance; }
  // Adds a vector of a mixer with `ne1` rows of `ne0` values.
  TensorSpec& Vector(int slot, const char* name, uint64_t ne0, uint64_t ne1, WeightKind kind) {
    TensorSpec& t = Named(Role::kMixer, name, ne0, ne1, "");
    t.kind = kind;
    t.slot = slot;
    return t;
  }
  // Adds `n` values for each of `channels` channels, [n, channels] in the file.
  void PerChannel(int slot, const char* name, uint64_t n, uint64_t channels, WeightKind kind) {
    Vector(slot, name, n, channels, kind).by_channel = true;
  }

 private:
  TensorSpec& Named(Role role, const std::string& name, uint64_t ne0, uint64_t ne1, const char* op) {
    out_->push_back({"blk." + std::to_string(block_) + "." + name, role, layer_, ne0, ne1});
    out_->back().op = op;
    return out_->back();
  }

  int layer_;
  size_t block_;
  std::vector<TensorSpec>* out_;
};

// Returns every tensor of the layout: embedding, then layer by layer in order of use, then the final norm.
// Layers with the weights of another have none.
std::vector<TensorSpec> ExpectedTensors(const ModelSpec& spec);
// Returns every tensor of the layout's files: ExpectedTensors, then those that hold no parameters.
std::vector<TensorSpec> FileTensors(const ModelSpec& spec);

}  // namespace edgefront

#endif  // EDGEFRONT_INFER_MODEL_SPEC_H_
