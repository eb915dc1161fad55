// What a model is: its layout as read and validated from GGUF metadata, and the tensors that layout must have.
// Sizes are bounded here so that later arithmetic on them cannot overflow 64 bits.
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

enum class Mixer { kConv, kAttention };

struct LayerSpec {
  Mixer mixer = Mixer::kConv;
  uint32_t conv_kernel = 0;                       // conv: taps k
  uint32_t heads = 0, kv_heads = 0, head_dim = 0;  // attention
  uint32_t window = 0;                            // attention: 0 = full, else the query at p sees p-window+1 .. p
  bool qk_norm = false;
  float rope_base = 0;
  uint32_t ffn = 0;
};

struct ModelSpec {
  std::string architecture;   // lfm2 | qwen3 | llama | edgefront
  std::string name, layout;   // informative
  std::string final_norm;     // name of the final norm's tensor where it is not the architecture's own
  uint32_t dim = 0;           // d
  uint32_t vocab = 0;         // V
  uint32_t context_length = 0;
  float eps = 0;
  bool rope_interleaved = false;  // llama: pairs (2i, 2i+1); else (i, i+hd/2)
  bool tied = true;               // the output matrix is the embedding
  std::optional<uint64_t> seed;   // edgefront.weights.seed
  std::vector<LayerSpec> layers;

  // Reads and validates the metadata, and checks that the tensors are exactly those of the layout.
  static Result<ModelSpec> FromGguf(const GgufFile& gguf);

  std::string final_norm_name() const {
    return !final_norm.empty() ? final_norm : architecture == "lfm2" ? "token_embd_norm.weight" : "output_norm.weight";
  }
  uint64_t Parameters() const;
};

enum class Role {
  kEmbedding, kOutput, kFinalNorm, kMixerNorm, kFfnNorm, kGate, kUp, kDown,
  kConvIn, kConvTaps, kConvOut, kQ, kK, kV, kAttnOut, kQNorm, kKNorm,
};

struct TensorSpec {
  std::string name;
  Role role;
  int layer;      // -1 outside the layers
  uint64_t ne0;   // input dimension, contiguous
  uint64_t ne1;   // rows; 1 for vectors

  WeightKind kind() const {
    switch (role) {
      case Role::kConvTaps: return WeightKind::kConv;
      case Role::kFinalNorm: case Role::kMixerNorm: case Role::kFfnNorm: case Role::kQNorm: case Role::kKNorm: return WeightKind::kNorm;
      default: return WeightKind::kMatrix;
    }
  }
};

// Every tensor of the layout, embedding first, then layer by layer in the order they are used, final norm last.
std::vector<TensorSpec> ExpectedTensors(const ModelSpec& spec);

}  // namespace edgefront

#endif  // EDGEFRONT_INFER_MODEL_SPEC_H_
