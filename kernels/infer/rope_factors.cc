// Reads and makes the divisors of RoPE frequencies. Sources: llama.cpp src/models/lfm3.cpp, ggml_rope_ext.
#include "infer/rope_factors.h"

#include <algorithm>
#include <cstring>

namespace edgefront {
namespace {

constexpr float kStill = 1e30f;
// A pair with a larger divisor turns by less than 1e-4 at the longest context.
constexpr float kLargeEnough = 1e12f;

}  // namespace

Result<uint32_t> RotatedChannels(const GgufFile& gguf, const DataSource* source) {
  const GgufTensor* t = gguf.FindTensor(kRopeFactors);
  if (t == nullptr) return 0;  // no global attention
  const auto pairs = static_cast<uint32_t>(std::min<uint64_t>(t->elements(), kMaxHeadDim / 2));
  if (const GgufValue* v = gguf.Find("lfm3.rope.rotated_count")) {
    const auto n = v->is_array ? std::nullopt : v->Int(0);
    if (!n || *n < 0 || *n % 2 != 0 || *n > 2 * pairs)
      return BadModel("lfm3.rope.rotated_count is not an even number of a head's channels");
    return static_cast<uint32_t>(*n);
  }
  if (source == nullptr || !gguf.has_data()) return 2 * pairs;
  if (t->type != DType::kF32 || t->bytes > 4 * kMaxHeadDim)
    return BadModel(std::string("tensor '") + kRopeFactors + "' is no vector of F32");
  std::vector<float> factors(t->elements());
  const TensorSpec tensor{kRopeFactors, Role::kConstant, -1, t->elements(), 1, WeightKind::kNorm};
  EDGEFRONT_RETURN_IF_ERROR(ReadRows({}, gguf, tensor, *source, 0, 1, reinterpret_cast<uint8_t*>(factors.data()), nullptr));
  const auto still = std::find_if(factors.begin(), factors.end(), [](float f) { return f != 1; });
  if (!std::all_of(still, factors.end(), [](float f) { return f > kLargeEnough; })) {
    return Unsupported(
        std::string("the file scales RoPE by tensor '") + kRopeFactors +
        "': edgefront reads divisors of 1, followed by divisors above 1e12; run the file with llama.cpp: llama-bench -m FILE");
  }
  return 2 * static_cast<uint32_t>(still - factors.begin());
}

std::vector<float> RopeFactors(const ModelSpec& spec) {
  const auto global = std::find_if(spec.layers.begin(), spec.layers.end(),
                                   [](const LayerSpec& l) { return l.mixer == Mixer::kAttention && l.attention.window == 0; });
  if (spec.architecture != "lfm3" || global == spec.layers.end()) return {};
  std::vector<float> factors(global->attention.head_dim / 2, kStill);
  std::fill_n(factors.begin(), global->attention.rotated / 2, 1.0f);
  return factors;
}

}  // namespace edgefront
