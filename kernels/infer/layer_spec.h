// A layer of a model: the sizes of each kind of mixer and FFN, as the metadata states them, and options of layers.
// Sizes are bounded here, so later arithmetic cannot overflow 64 bits.
#ifndef EDGEFRONT_INFER_LAYER_SPEC_H_
#define EDGEFRONT_INFER_LAYER_SPEC_H_

#include <cstdint>
#include <optional>

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
// A parallel layer of a file has two mixers. Here it is two layers, so mixers need not know of that either: the
// first has no FFN, and the second, `beside`, reads the same normalised input.
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
  bool beside = false;    // reads the normalised input of the layer before; their outputs are added up
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

}  // namespace edgefront

#endif  // EDGEFRONT_INFER_LAYER_SPEC_H_
