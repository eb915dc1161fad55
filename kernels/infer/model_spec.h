// The layout of a model, read and validated from GGUF metadata, and the tensors that it must have. Sizes are
// bounded here, so later arithmetic cannot overflow 64 bits. The metadata and tensors of each mixer are in
// infer/mixers/.
#ifndef EDGEFRONT_INFER_MODEL_SPEC_H_
#define EDGEFRONT_INFER_MODEL_SPEC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "include/edgefront/gguf.h"
#include "include/edgefront/status.h"
#include "infer/seeded_weights.h"

namespace edgefront {

inline constexpr int64_t kMaxLayers = 1024, kMaxDim = 1 << 17, kMaxFfn = 1 << 20, kMaxVocab = 1 << 22, kMaxHeads = 1024;
inline constexpr int64_t kMaxExperts = 1024, kMaxHeadDim = 512, kMaxTaps = 64, kMaxContext = 1 << 24, kMaxState = 1 << 12;

// Indexes the tables of infer/mixers/mixer_table.cc and train/mixers/layer_mixers.cc.
enum class Mixer {
  // clang-format off
  kConv, kAttention, kMamba2, kMamba2Conv, kGdn, kGdnConv, kS4d, kRtf, kLs4, kMamba, kMambaConv, kCfc,
  kLin, kGla, kKda, kKdaConv,
  // clang-format on
};

// Each mixer has a struct with its metadata. Slot numbers its tensors in LayerWeights and Params.

// Gated short convolution.
struct ConvSpec {
  enum Slot { kIn, kTaps };
  uint32_t taps = 0;  // k

  bool operator==(const ConvSpec&) const = default;
};

// Grouped-query attention.
struct AttentionSpec {
  enum Slot { kQ, kK, kV, kGate, kQNorm, kKNorm };
  uint32_t heads = 0, kv_heads = 0, head_dim = 0;
  uint32_t window = 0;  // 0 = full, else the query at p sees p-window+1 .. p
  bool qk_norm = false;
  float rope_base = 0;
  uint32_t rotated = 0;  // channels of a head that RoPE turns: of pairs (i, i+hd/2) those with 2i < rotated
  bool gate = false;     // the output of each head is multiplied by sigmoid(gate)

  uint64_t q_width() const { return uint64_t{heads} * head_dim; }
  uint64_t kv_width() const { return uint64_t{kv_heads} * head_dim; }
  // Returns true if layers with these specs can read the same keys and values.
  bool SameKv(const AttentionSpec& o) const {
    AttentionSpec as_other = *this;
    as_other.heads = o.heads;
    as_other.gate = o.gate;
    return as_other == o;
  }
  bool operator==(const AttentionSpec&) const = default;
};

// Mamba-2, and its short-conv part only, which has no heads and no state.
struct Mamba2Spec {
  enum Slot { kIn, kTaps, kTapsBias, kDtBias, kA, kD, kNorm };
  uint32_t inner = 0;  // channels: heads times the size of a head
  uint32_t heads = 0;
  uint32_t state = 0;   // elements for each channel
  uint32_t groups = 1;  // groups of heads that share B and C, and of channels that are normalised together
  uint32_t taps = 0;

  uint64_t convolved() const { return inner + 2 * uint64_t{groups} * state; }  // x, B, C
  uint64_t projected() const { return inner + convolved() + heads; }           // z, x, B, C, dt
  bool operator==(const Mamba2Spec&) const = default;
};

// Gated DeltaNet, or its short-convolution part, which has no key heads.
struct GdnSpec {
  enum Slot { kIn, kGate, kTaps, kBeta, kAlpha, kStep, kDecay, kNorm };
  uint32_t key_heads = 0, value_heads = 0, key_dim = 0, value_dim = 0;
  uint32_t taps = 0;  // k

  uint64_t key_width() const { return uint64_t{key_heads} * key_dim; }
  uint64_t value_width() const { return uint64_t{value_heads} * value_dim; }
  uint64_t channels() const { return 2 * key_width() + value_width(); }  // of the convolution: q, k, v
  bool operator==(const GdnSpec&) const = default;
};

// Mamba, and its short-conv part only, which has no state and no rank.
struct MambaSpec {
  enum Slot { kIn, kTaps, kTapsBias, kX, kDt, kDtBias, kA, kD };
  uint32_t inner = 0;  // channels
  uint32_t state = 0;  // elements for each channel
  uint32_t rank = 0;   // numbers from which the steps of all channels are computed
  uint32_t taps = 0;

  uint64_t rates() const { return rank + 2 * uint64_t{state}; }  // raw steps, B, C
  bool operator==(const MambaSpec&) const = default;
};

// S4D and Liquid-S4: a bank of complex modes in each channel, between two gates. S4D has no b.
struct ModalSpec {
  enum Slot { kIn, kDt, kARe, kAIm, kCRe, kCIm, kD, kBRe, kBIm };
  uint32_t state = 0;  // real elements of a channel

  uint32_t modes() const { return state / 2; }
  bool operator==(const ModalSpec&) const = default;
};

// A rational transfer function in each channel, between two gates.
struct RationalSpec {
  enum Slot { kIn, kA, kB, kSlack, kH0 };
  uint32_t order = 0;  // state elements of a channel

  bool operator==(const RationalSpec&) const = default;
};

// The CfC cell, whose sizes are all the model's width.
struct CfcSpec {
  enum Slot { kIn, kInBias, kState, kF1, kF1Bias, kF2, kF2Bias, kTimeA, kTimeABias, kTimeB, kTimeBBias };
};

// Linear attention, gated linear attention, Kimi Delta Attention, or its short-convolution part, which has no
// keys.
struct LinearSpec {
  enum Slot { kIn, kTaps, kBeta, kDecayA, kDecayB, kDecayBias, kRate, kGate, kGateA, kGateB, kNorm };
  uint32_t heads = 0, key_dim = 0, value_dim = 0;
  uint32_t taps = 0;  // k; 0: no convolution

  uint64_t key_width() const { return uint64_t{heads} * key_dim; }
  uint64_t value_width() const { return uint64_t{heads} * value_dim; }
  uint64_t channels() const { return 2 * key_width() + value_width(); }  // q, k, v
  bool operator==(const LinearSpec&) const = default;
};

// Indexes the tables of infer/ffns/ffn_table.cc and train/ffn_block.cc.
enum class Ffn { kAbsent, kSwiglu, kMoe };

// A mixture of experts: a router chooses `used` of `experts` SwiGLU FFNs of `width` channels for each token.
struct MoeSpec {
  uint32_t experts = 0, used = 0, width = 0;

  bool operator==(const MoeSpec&) const = default;
};

// Options for any mixer (norms after it, weights or KV of another layer) belong here, beside `ffn`. The layer's
// own stages (infer/layer_stages.cc, train/network.cc) apply them, so mixers need not know of them.
struct LayerSpec {
  Mixer mixer = Mixer::kConv;
  ConvSpec conv;  // only the spec of `mixer` is set
  AttentionSpec attention;
  Mamba2Spec mamba2;
  GdnSpec gdn;
  ModalSpec modal;
  RationalSpec rational;
  MambaSpec mamba;
  LinearSpec linear;
  uint32_t ffn = 0;       // width of the SwiGLU FFN; 0: none
  MoeSpec moe;            // instead of that FFN, if it has experts
  bool sandwich = false;  // the outputs of mixer and FFN are normalised before they are added to the residual stream
  // Earlier layers whose weights this layer applies again, and whose keys and values its attention reads;
  // empty: its own. State belongs to each layer, also if it shares weights.
  std::optional<uint32_t> weights_from, kv_from;

  Ffn ffn_kind() const { return moe.experts > 0 ? Ffn::kMoe : ffn > 0 ? Ffn::kSwiglu : Ffn::kAbsent; }
  // Returns true if one set of weights fits both layers. They may read keys and values of different layers.
  bool SameBlock(const LayerSpec& o) const {
    LayerSpec as_other = *this;
    as_other.weights_from = o.weights_from;
    if (kv_from.has_value() == o.kv_from.has_value()) as_other.kv_from = o.kv_from;
    return as_other == o;
  }
  bool operator==(const LayerSpec&) const = default;
};

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
  bool rope_interleaved = false;  // llama, granitehybrid: pairs (2i, 2i+1); else (i, i+hd/2)
  uint32_t rope_rotated = 0;      // lfm3: channels of a head that RoPE turns in global attention
  bool tied = true;               // the output matrix is the embedding matrix
  std::optional<uint64_t> seed;   // edgefront.weights.seed
  std::vector<LayerSpec> layers;

  // Reads and validates the metadata, and checks that the tensors are exactly those of the layout. `source`
  // is the file's data; null suffices for a plan, and for the sizes of a file.
  static Result<ModelSpec> FromGguf(const GgufFile& gguf, const DataSource* source = nullptr);

  bool own_architecture() const { return architecture == "edgefront"; }
  std::string final_norm_name() const {
    return !final_norm.empty() ? final_norm : architecture.starts_with("lfm2") ? "token_embd_norm.weight" : "output_norm.weight";
  }
  // Returns the layer whose weights layer `i` applies: i, or an earlier one.
  size_t WeightsOf(size_t i) const { return layers[i].weights_from.value_or(i); }
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

// Collects the tensors of one layer, in order of use. A tensor's name is blk.N.SUFFIX.weight; Vector and
// PerChannel take the whole name after blk.N.
class LayerTensors {
 public:
  LayerTensors(int layer, std::vector<TensorSpec>* out) : layer_(layer), out_(out) {}

  TensorSpec& Add(Role role, const char* suffix, uint64_t ne0, uint64_t ne1, const char* op) {
    return Named(role, std::string(suffix) + ".weight", ne0, ne1, op);
  }
  void Norm(Role role, const char* suffix, uint64_t n, int slot = 0) {
    TensorSpec& t = Add(role, suffix, n, 1, "");
    t.kind = WeightKind::kNorm;
    t.slot = slot;
  }
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
    out_->push_back({"blk." + std::to_string(layer_) + "." + name, role, layer_, ne0, ne1});
    out_->back().op = op;
    return out_->back();
  }

  int layer_;
  std::vector<TensorSpec>* out_;
};

// Returns every tensor of the layout: embedding, then layer by layer in order of use, then the final norm.
// Layers with the weights of another have none.
std::vector<TensorSpec> ExpectedTensors(const ModelSpec& spec);
// Returns every tensor of the layout's files: ExpectedTensors, then those that hold no parameters.
std::vector<TensorSpec> FileTensors(const ModelSpec& spec);

}  // namespace edgefront

#endif  // EDGEFRONT_INFER_MODEL_SPEC_H_
