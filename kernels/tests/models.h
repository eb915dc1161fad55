// Plans of small (and named) models for tests and benchmarks, built with GgufWriter.
#ifndef EDGEFRONT_TESTS_MODELS_H_
#define EDGEFRONT_TESTS_MODELS_H_

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "include/edgefront/gguf.h"
#include "infer/model_spec.h"
#include "tests/ffns.h"
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

// Returns the layer's value of `key`, which several mixers may have.
inline double KeyOf(const LayerKey& key, const LayerSpec& layer) {
  for (const LayerKey& own : TestMixerOf(layer.mixer).keys)
    if (std::string_view(own.key) == key.key) return own.of(layer);
  return key.otherwise;
}

// Adds the array of one key in the `edgefront` architecture. of(layer) is its value. Parallel mixers have no key in
// common.
template <class Of>
void AddLayerKey(const LayerKey& key, const std::vector<LayerSpec>& layers, const Of& of, GgufWriter* w) {
  std::vector<double> values;
  for (const LayerSpec& l : layers) {
    const double value = of(l);
    if (!l.beside) values.push_back(value);
    if (value != key.otherwise) values.back() = value;
  }
  const std::string name = std::string("edgefront.") + key.key;
  switch (key.type) {
    case LayerKey::kInt: w->AddI32Array(name, std::vector<int32_t>(values.begin(), values.end())); break;
    case LayerKey::kFloat: w->AddF32Array(name, std::vector<float>(values.begin(), values.end())); break;
    case LayerKey::kBool: w->AddBoolArray(name, std::vector<bool>(values.begin(), values.end())); break;
  }
}

// Adds the mixers' names and the keys of all mixers and FFNs in the `edgefront` architecture, each once.
inline void AddOwnLayers(const std::vector<LayerSpec>& layers, GgufWriter* w) {
  std::vector<std::string> names;
  for (const LayerSpec& l : layers) {
    const std::string name = TestMixerOf(l.mixer).name(l);
    l.beside ? void(names.back() += "+" + name) : names.push_back(name);
  }
  w->AddStringArray("edgefront.layer.mixer", names);
  std::set<std::string_view> added;
  for (const TestMixer& m : TestMixers())
    for (const LayerKey& key : m.keys)
      if (added.insert(key.key).second) AddLayerKey(key, layers, [&](const LayerSpec& l) { return KeyOf(key, l); }, w);
  for (const TestFfn& f : TestFfns())
    for (const LayerKey& key : f.keys) AddLayerKey(key, layers, key.of, w);
}

// Adds the widths of FFNs in an upstream architecture, and the keys of experts in lfm2moe.
inline void AddUpstreamFfns(const std::string& arch, const std::vector<LayerSpec>& layers, GgufWriter* w) {
  std::vector<int32_t> widths;
  uint32_t dense = 0;
  for (const LayerSpec& l : layers) {
    widths.push_back(static_cast<int32_t>(l.ffn));
    if (l.ffn_kind() == Ffn::kSwiglu) ++dense;
  }
  w->AddI32Array(arch + ".feed_forward_length", widths);
  if (arch != "lfm2moe") return;
  const MoeSpec& moe = layers.back().moe;
  w->AddU32(arch + ".leading_dense_block_count", dense);
  w->AddU32(arch + ".expert_gating_func", 2);
  w->AddU32(arch + ".expert_count", moe.experts);
  w->AddU32(arch + ".expert_used_count", moe.used);
  w->AddU32(arch + ".expert_feed_forward_length", moe.width);
}

// Adds the array that names a source for each layer of the file, if a layer has another source than itself.
inline void AddSources(const char* key, const ModelSpec& m, std::optional<uint32_t> LayerSpec::* source, GgufWriter* w) {
  std::vector<int32_t> from;
  bool shared = false;
  for (size_t i = 0; i < m.layers.size(); ++i) {
    if (m.layers[i].beside) continue;
    shared |= (m.layers[i].*source).has_value();
    from.push_back(static_cast<int32_t>(m.BlockOf((m.layers[i].*source).value_or(i))));
  }
  if (shared) w->AddI32Array(key, from);
}

// Adds the mixers' keys in an upstream architecture. These have convolution (lfm2, lfm3) or Mamba-2
// (granitehybrid), of one shape, and attention of one geometry, in lfm3 both global and over a window.
inline void AddUpstreamMixers(const std::string& arch, const std::vector<LayerSpec>& layers, GgufWriter* w) {
  const AttentionSpec *attention = nullptr, *windowed = nullptr;
  std::vector<int32_t> kv;
  std::vector<bool> pattern;
  for (const LayerSpec& l : layers) {
    if (l.mixer == Mixer::kAttention) (l.attention.window > 0 ? windowed : attention) = &l.attention;
    kv.push_back(static_cast<int32_t>(l.attention.kv_heads));
    pattern.push_back(l.attention.window > 0);
  }
  if (attention == nullptr) attention = windowed;
  w->AddU32(arch + ".attention.head_count", attention->heads);
  if (arch.starts_with("lfm") || arch == "granitehybrid")
    w->AddI32Array(arch + ".attention.head_count_kv", kv);
  else
    w->AddU32(arch + ".attention.head_count_kv", attention->kv_heads);
  w->AddU32(arch + ".attention.key_length", attention->head_dim);
  w->AddU32(arch + ".attention.value_length", attention->head_dim);
  w->AddU32(arch + ".rope.dimension_count", attention->head_dim);
  w->AddF32(arch + ".rope.freq_base", attention->rope_base);
  if (arch.starts_with("lfm")) w->AddU32(arch + ".shortconv.l_cache", layers[0].conv.taps);
  if (arch == "granitehybrid") {
    const TestMixer& mamba2 = TestMixerOf(Mixer::kMamba2);
    const LayerSpec* first = nullptr;
    for (const LayerSpec& l : layers)
      if (first == nullptr && l.mixer == Mixer::kMamba2) first = &l;
    for (const LayerKey& key : mamba2.keys) w->AddU32(arch + "." + key.key, static_cast<uint32_t>(key.of(*first)));
  }
  if (windowed != nullptr) w->AddU32(arch + ".attention.sliding_window", windowed->window);
  if (arch != "lfm3") return;
  w->AddBoolArray(arch + ".attention.sliding_window_pattern", pattern);
  w->AddF32(arch + ".rope.freq_base_swa", windowed->rope_base);
}

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
  GgufWriter w;
  w.AddString("general.architecture", arch);
  w.AddString("general.name", "test");
  w.AddU32("general.alignment", 32);
  w.AddU64("edgefront.weights.seed", o.seed);
  w.AddU32(arch + ".block_count", static_cast<uint32_t>(m.BlockOf(layers.size() - 1) + 1));
  w.AddU32(arch + ".embedding_length", dim);
  w.AddU32(arch + ".context_length", 32768);
  w.AddU32(arch + ".vocab_size", vocab);
  w.AddF32(arch + ".attention.layer_norm_rms_epsilon", 1e-5f);
  if (m.own_architecture()) {
    AddOwnLayers(layers, &w);
  } else {
    AddUpstreamMixers(arch, layers, &w);
    AddUpstreamFfns(arch, layers, &w);
  }
  AddSources("edgefront.layer.weights_from", m, &LayerSpec::weights_from, &w);
  AddSources("edgefront.attention.kv_from", m, &LayerSpec::kv_from, &w);
  for (const TensorSpec& t : FileTensors(m)) {
    const bool vector = t.kind != WeightKind::kMatrix;
    const bool exact = vector || t.exact || t.role == Role::kRouter;  // F32 in every file
    DType type = !exact && o.type_of ? o.type_of(t) : exact ? DType::kF32 : t.role == Role::kEmbedding ? o.embedding : o.matrices;
    if (t.inner && t.ne0 % BlockOf(type).elements != 0) type = DType::kF16;  // as candidates/quantization.ts does
    if (t.ne1 == 1 && vector && !t.by_channel)
      w.AddTensor(t.name, {t.ne0}, type);
    else if (o.taps_3d && t.kind == WeightKind::kConv)
      w.AddTensor(t.name, {t.ne0, 1, t.ne1}, type);
    else if (t.stack > 1)
      w.AddTensor(t.name, {t.ne0, t.ne1, t.stack}, type);
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
