// Plans of small (and named) models for tests and benchmarks, built with GgufWriter.
#ifndef EDGEFRONT_TESTS_MODELS_H_
#define EDGEFRONT_TESTS_MODELS_H_

#include <functional>
#include <string>
#include <vector>

#include "include/edgefront/gguf.h"
#include "infer/model_spec.h"
#include "tests/layers.h"

namespace edgefront::testing {

struct PlanOptions {
  DType matrices = DType::kF32;
  DType embedding = DType::kF32;
  uint64_t seed = 7;
  // Type of each matrix; replaces the two types above.
  std::function<DType(const TensorSpec&)> type_of = nullptr;
  std::function<void(GgufWriter&)> more = nullptr;  // further metadata and tensors
  // Name of the final norm; replaces the architecture's usual one.
  std::string final_norm = {};
  bool taps_3d = false;  // convolution taps as [k, 1, d]
};

// Returns a plan of any layout in the `edgefront` architecture. For an upstream architecture the caller
// ensures that the layout fits.
inline std::vector<uint8_t> MakePlan(const std::string& arch, uint32_t dim, uint32_t vocab, const std::vector<LayerSpec>& layers,
                                     const PlanOptions& o = {}) {
  ModelSpec m;
  m.architecture = arch;
  m.dim = dim;
  m.vocab = vocab;
  m.layers = layers;
  m.final_norm = o.final_norm;
  const bool own = arch == "edgefront";
  const AttentionSpec* attention = nullptr;
  std::vector<int32_t> ffn, heads, kv, hd, window, kernel;
  std::vector<float> base;
  std::vector<bool> norm;
  std::vector<std::string> mixer;
  for (const LayerSpec& l : layers) {
    if (l.mixer == Mixer::kAttention) attention = &l.attention;
    ffn.push_back(static_cast<int32_t>(l.ffn));
    heads.push_back(static_cast<int32_t>(l.attention.heads));
    kv.push_back(static_cast<int32_t>(l.attention.kv_heads));
    hd.push_back(static_cast<int32_t>(l.attention.head_dim));
    window.push_back(static_cast<int32_t>(l.attention.window));
    kernel.push_back(static_cast<int32_t>(l.conv.taps));
    base.push_back(l.attention.rope_base > 0 ? l.attention.rope_base : 1.0f);
    norm.push_back(l.attention.qk_norm);
    mixer.push_back(l.mixer == Mixer::kConv ? "conv" : l.attention.window > 0 ? "swa" : "gqa");
  }
  GgufWriter w;
  w.AddString("general.architecture", arch);
  w.AddString("general.name", "test");
  w.AddU32("general.alignment", 32);
  w.AddU64("edgefront.weights.seed", o.seed);
  w.AddU32(arch + ".block_count", static_cast<uint32_t>(layers.size()));
  w.AddU32(arch + ".embedding_length", dim);
  w.AddU32(arch + ".context_length", 32768);
  w.AddU32(arch + ".vocab_size", vocab);
  w.AddI32Array(arch + ".feed_forward_length", ffn);
  w.AddF32(arch + ".attention.layer_norm_rms_epsilon", 1e-5f);
  if (own) {
    w.AddI32Array(arch + ".attention.head_count", heads);
    w.AddI32Array(arch + ".attention.head_count_kv", kv);
    w.AddI32Array(arch + ".attention.key_length", hd);
    w.AddI32Array(arch + ".attention.value_length", hd);
    w.AddI32Array(arch + ".rope.dimension_count", hd);
    w.AddF32Array(arch + ".rope.freq_base", base);
    w.AddI32Array(arch + ".attention.sliding_window", window);
    w.AddI32Array(arch + ".shortconv.l_cache", kernel);
    w.AddStringArray("edgefront.layer.mixer", mixer);
    w.AddBoolArray("edgefront.attention.qk_norm", norm);
  } else {
    w.AddU32(arch + ".attention.head_count", attention->heads);
    if (arch == "lfm2")
      w.AddI32Array(arch + ".attention.head_count_kv", kv);
    else
      w.AddU32(arch + ".attention.head_count_kv", attention->kv_heads);
    w.AddU32(arch + ".attention.key_length", attention->head_dim);
    w.AddU32(arch + ".attention.value_length", attention->head_dim);
    w.AddU32(arch + ".rope.dimension_count", attention->head_dim);
    w.AddF32(arch + ".rope.freq_base", attention->rope_base);
    if (arch == "lfm2") w.AddU32(arch + ".shortconv.l_cache", layers[0].conv.taps);
    if (attention->window > 0) w.AddU32(arch + ".attention.sliding_window", attention->window);
  }
  for (const TensorSpec& t : ExpectedTensors(m)) {
    const bool vector = t.kind != WeightKind::kMatrix;
    const DType type = !vector && o.type_of ? o.type_of(t) : vector ? DType::kF32 : t.role == Role::kEmbedding ? o.embedding : o.matrices;
    if (t.ne1 == 1 && t.kind == WeightKind::kNorm)
      w.AddTensor(t.name, {t.ne0}, type);
    else if (o.taps_3d && t.kind == WeightKind::kConv)
      w.AddTensor(t.name, {t.ne0, 1, t.ne1}, type);
    else
      w.AddTensor(t.name, {t.ne0, t.ne1}, type);
  }
  if (o.more) o.more(w);
  return w.Finish();
}

// Returns a plan of a published LFM2 layout: 16 layers, with attention at 2, 5, 8, 10, 12, 14.
inline std::vector<uint8_t> Lfm2Plan(uint32_t dim, uint32_t ffn, uint32_t heads, DType matrices, DType embedding) {
  std::vector<LayerSpec> layers(16, ConvLayer(3, ffn));
  for (int i : {2, 5, 8, 10, 12, 14}) layers[i] = AttentionLayer(heads, 8, 64, ffn, 0, true, 1e6f);
  return MakePlan("lfm2", dim, 65536, layers, {matrices, embedding, 1});
}

}  // namespace edgefront::testing

#endif  // EDGEFRONT_TESTS_MODELS_H_
