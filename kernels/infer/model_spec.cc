// Reads a ModelSpec from metadata: the parts that all layouts have. Each layer's mixer reads its own part.
#include "infer/model_spec.h"

#include "infer/ffn_kind.h"
#include "infer/foreign_file.h"
#include "infer/meta_reader.h"
#include "infer/mixer_kind.h"
#include "infer/rope_factors.h"

namespace edgefront {
namespace {

constexpr int64_t kSigmoidGating = 2;  // LLAMA_EXPERT_GATING_FUNC_TYPE_SIGMOID of llama.cpp

std::string ReadString(const GgufFile& gguf, const char* key) {
  const GgufValue* v = gguf.Find(key);
  if (v == nullptr || v->is_array) return "";
  const auto s = v->Strings(1);
  return s ? std::string((*s)[0].substr(0, 65536)) : "";
}

// A mixer of a layer, and its name in files of `edgefront`.
struct NamedMixer {
  const MixerKind* kind;
  std::string_view name = {};
};

// Returns the mixers with these names, "gqa" or "gqa+m2".
Result<std::vector<NamedMixer>> NamedMixers(std::string_view names, uint64_t i) {
  const size_t plus = names.find('+');
  std::vector<NamedMixer> mixers = {{nullptr, names.substr(0, plus)}};
  if (plus != std::string_view::npos) mixers.push_back({nullptr, names.substr(plus + 1)});
  for (NamedMixer& mixer : mixers) {
    mixer.kind = FindMixer(mixer.name);
    if (mixer.kind == nullptr) return Unsupported("layer " + std::to_string(i) + " has a mixer that is none of " + MixerNames());
  }
  return mixers;
}

// Returns the mixers of layer `i` of the file. `edgefront` lists names. `lfm2`, `lfm2moe` and `lfm3` mark a convolution
// by zero KV heads, `granitehybrid` and `nemotron_h` Mamba-2. `mamba` and `mamba2` have no other mixers, and
// `falcon-h1` has Mamba-2 beside attention. The other architectures have attention only.
Result<std::vector<NamedMixer>> MixersOf(const MetaReader& meta, const ModelSpec& m, const std::vector<std::string_view>& names,
                                         uint64_t i) {
  const auto one = [](Mixer mixer) { return std::vector<NamedMixer>{{&KindOf(mixer)}}; };
  if (m.own_architecture()) return NamedMixers(names[i], i);
  if (m.architecture == "falcon-h1") return std::vector<NamedMixer>{{&KindOf(Mixer::kAttention)}, {&KindOf(Mixer::kMamba2)}};
  if (m.architecture == "mamba") return one(Mixer::kMamba);
  if (m.architecture == "mamba2") return one(Mixer::kMamba2);
  uint32_t kv_heads = 1;
  const bool conv = m.architecture.starts_with("lfm"), mamba2 = m.architecture == "granitehybrid" || m.architecture == "nemotron_h";
  if (conv || mamba2) EDGEFRONT_RETURN_IF_ERROR(meta.Int("attention.head_count_kv", i, 0, kMaxHeads, {}, &kv_heads));
  return one(kv_heads > 0 ? Mixer::kAttention : conv ? Mixer::kConv : Mixer::kMamba2);
}

// Reads the FFN of layer `i`. In `lfm2moe` all layers but the first ones have experts, and no scores other than
// sigmoids are known. Layers of `mamba`, `mamba2` and `nemotron_h` have none; in `nemotron_h` a layer may be an
// FFN alone, of a kind that no other architecture has.
Status ReadFfn(const MetaReader& meta, const ModelSpec& m, uint64_t i, LayerSpec* l) {
  MoeSpec& moe = l->moe;
  if (m.architecture.starts_with("mamba")) return Status::Ok();
  if (m.architecture == "nemotron_h") {
    EDGEFRONT_RETURN_IF_ERROR(meta.Int("feed_forward_length", i, 0, kMaxFfn, {}, &l->ffn));
    return l->ffn == 0 ? Status::Ok() : Unsupported("layer " + std::to_string(i) + " is an FFN without gate (ReLU^2)");
  }
  if (m.own_architecture()) {
    EDGEFRONT_RETURN_IF_ERROR(meta.Int("expert_count", i, 0, kMaxExperts, 0, &moe.experts));
  } else if (m.architecture == "lfm2moe") {
    uint32_t dense, gating;
    EDGEFRONT_RETURN_IF_ERROR(meta.Int("leading_dense_block_count", i, 0, kMaxLayers, 0, &dense));
    EDGEFRONT_RETURN_IF_ERROR(meta.Int("expert_gating_func", i, kSigmoidGating, kSigmoidGating, {}, &gating));
    if (i >= dense) EDGEFRONT_RETURN_IF_ERROR(meta.Int("expert_count", i, 1, kMaxExperts, {}, &moe.experts));
  }
  if (moe.experts == 0) return meta.Int("feed_forward_length", i, m.own_architecture() ? 0 : 1, kMaxFfn, {}, &l->ffn);
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("expert_used_count", i, 1, moe.experts, {}, &moe.used));
  return meta.Int("expert_feed_forward_length", i, 1, kMaxFfn, {}, &moe.width);
}

// Reads layer `i` of the file, and appends it to the model's layers.
Status ReadLayer(const MetaReader& meta, const std::vector<std::string_view>& names, uint64_t i, ModelSpec* m) {
  const auto mixers = MixersOf(meta, *m, names, i);
  if (!mixers.ok()) return mixers.status();
  const size_t first = m->layers.size(), count = mixers->size();
  std::optional<uint32_t> source;
  EDGEFRONT_RETURN_IF_ERROR(meta.Source("layer.weights_from", i, &source));
  const size_t owner = source ? m->FirstOf(*source) : first;
  const auto cannot_share = [&] {
    return BadModel("layer " + std::to_string(i) + " cannot use the weights of layer " + std::to_string(source.value_or(i)));
  };
  if (source && m->FirstOf(*source + 1) - owner != count) return cannot_share();
  for (size_t n = 0; n < count; ++n) {
    LayerSpec l;
    l.beside = n > 0;
    // First, because a layer's tensors show some of its options.
    if (source) l.weights_from = static_cast<uint32_t>(owner + n);
    if (n + 1 == count) EDGEFRONT_RETURN_IF_ERROR(ReadFfn(meta, *m, i, &l));
    l.mixer = (*mixers)[n].kind->id;
    EDGEFRONT_RETURN_IF_ERROR((*mixers)[n].kind->read(meta, *m, i, (*mixers)[n].name, &l));
    const bool sandwich = m->own_architecture() || m->architecture == "lfm3";
    l.sandwich = sandwich && meta.Has("blk." + std::to_string(source.value_or(i)) + ".post_attention_norm.weight");
    if (source && (m->layers[owner + n].weights_from || !l.SameBlock(m->layers[owner + n]))) return cannot_share();
    m->layers.push_back(l);
  }
  return Status::Ok();
}

Status ReadLayers(const GgufFile& gguf, const MetaReader& meta, uint32_t n_layers, ModelSpec* m) {
  std::vector<std::string_view> names;
  if (m->own_architecture()) {
    const GgufValue* v = gguf.Find("edgefront.layer.mixer");
    auto found = v ? v->Strings(kMaxLayers) : std::nullopt;
    if (!found || found->size() != n_layers) return BadModel("edgefront.layer.mixer must have one string for each layer");
    names = std::move(*found);
  }
  for (uint64_t i = 0; i < n_layers; ++i) EDGEFRONT_RETURN_IF_ERROR(ReadLayer(meta, names, i, m));
  return Status::Ok();
}

// Repeats the layers of a `nanbeige` file, which lists those of one loop. Each loop applies the same weights.
// Unless the file skips it, the final norm also stands between two loops.
Status RepeatLayers(const MetaReader& meta, ModelSpec* m) {
  const uint32_t stack = static_cast<uint32_t>(m->layers.size());
  uint32_t loops;
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("num_loops", 0, 1, kMaxLayers / stack, 1, &loops));
  if (loops > 1 && !meta.Bool("skip_loop_final_norm", 0).value_or(false)) m->norm_every = stack;
  for (uint32_t i = stack; i < loops * stack; ++i) {
    LayerSpec again = m->layers[i % stack];
    again.weights_from = i % stack;
    m->layers.push_back(again);
  }
  return Status::Ok();
}

Status CheckTensors(const GgufFile& gguf, const ModelSpec& spec) {
  const std::vector<TensorSpec> expected = FileTensors(spec);
  for (const TensorSpec& want : expected) {
    const GgufTensor* got = gguf.FindTensor(want.name);
    if (got == nullptr) return BadModel("tensor '" + want.name + "' is missing");
    // Dimensions of 1 are ignored, because some converters keep the middle one of a depthwise convolution,
    // [k, 1, d].
    const bool rows_in_one = got->dims[1] == want.ne1 || got->dims[2] == want.ne1 || got->dims[3] == want.ne1;
    if (got->dims[0] != want.ne0 || !rows_in_one || got->rows() != want.rows()) {
      return BadModel("tensor '" + want.name + "' is " + std::to_string(got->dims[0]) + " x " + std::to_string(got->rows()) +
                      ", the layout needs " + std::to_string(want.ne0) + " x " + std::to_string(want.rows()));
    }
  }
  if (gguf.tensors().size() != expected.size()) {
    return Unsupported("the file has " + std::to_string(gguf.tensors().size()) + " tensors, the layout only " +
                       std::to_string(expected.size()) + ": it describes more than this engine runs");
  }
  return Status::Ok();
}

}  // namespace

Result<ModelSpec> ModelSpec::FromGguf(const GgufFile& gguf, const DataSource* source) {
  ModelSpec m;
  EDGEFRONT_RETURN_IF_ERROR(CheckModelKind(gguf));
  if (!gguf.unread().empty()) return Unsupported(gguf.unread());
  m.architecture = ReadString(gguf, "general.architecture");
  EDGEFRONT_RETURN_IF_ERROR(CheckRopeScaling(gguf, m.architecture));
  EDGEFRONT_RETURN_IF_ERROR(CheckFactors(gguf, m.architecture));
  // Ollama's converter gives lfm2's final norm the name that other architectures use.
  if (gguf.FindTensor(m.final_norm_name()) == nullptr && gguf.FindTensor("output_norm.weight") != nullptr)
    m.final_norm = "output_norm.weight";
  m.name = ReadString(gguf, "general.name");
  m.layout = ReadString(gguf, "edgefront.layout");
  m.rope_interleaved = m.architecture == "llama" || m.architecture == "nanbeige" || m.architecture == "granitehybrid";
  const GgufTensor* embedding = gguf.FindTensor("token_embd.weight");
  if (embedding == nullptr) return BadModel("tensor 'token_embd.weight' is missing");
  m.tied = gguf.FindTensor("output.weight") == nullptr;

  const MetaReader meta(gguf, m.architecture);
  uint32_t n_layers;
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("block_count", 0, 1, kMaxLayers, {}, &n_layers));
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("embedding_length", 0, 1, kMaxDim, {}, &m.dim));
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("context_length", 0, 1, kMaxContext, {}, &m.context_length));
  const uint64_t rows = embedding->rows();
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("vocab_size", 0, 1, kMaxVocab, rows <= kMaxVocab ? static_cast<int64_t>(rows) : -1, &m.vocab));
  EDGEFRONT_RETURN_IF_ERROR(meta.Float("attention.layer_norm_rms_epsilon", 0, 1e-12, 1.0, &m.eps));
  if (const GgufValue* v = gguf.Find("edgefront.weights.seed")) {
    const auto seed = v->is_array ? std::nullopt : v->Int(0);
    if (!seed) return BadModel("edgefront.weights.seed is not an integer");
    m.seed = static_cast<uint64_t>(*seed);
  }
  if (m.architecture == "lfm3") {
    const Result<uint32_t> rotated = RotatedChannels(gguf, source);
    if (!rotated.ok()) return rotated.status();
    m.rope_rotated = *rotated;
  }
  EDGEFRONT_RETURN_IF_ERROR(ReadLayers(gguf, meta, n_layers, &m));
  if (m.architecture == "nanbeige") EDGEFRONT_RETURN_IF_ERROR(RepeatLayers(meta, &m));
  EDGEFRONT_RETURN_IF_ERROR(CheckTensors(gguf, m));
  return m;
}

size_t ModelSpec::BlockOf(size_t i) const {
  size_t block = 0;
  for (size_t layer = 1; layer <= i; ++layer) block += layers[layer].beside ? 0 : 1;
  return block;
}

size_t ModelSpec::FirstOf(size_t block) const {
  size_t i = 0;
  for (size_t blocks = 0; i < layers.size(); ++i) {
    if (!layers[i].beside && blocks++ == block) break;
  }
  return i;
}

uint64_t ModelSpec::Parameters() const {
  uint64_t n = 0;
  for (const TensorSpec& t : ExpectedTensors(*this)) n += t.elements();
  return n;
}

std::vector<TensorSpec> ExpectedTensors(const ModelSpec& m) {
  std::vector<TensorSpec> out;
  out.push_back({"token_embd.weight", Role::kEmbedding, -1, m.dim, m.vocab});
  for (size_t i = 0; i < m.layers.size(); ++i) {
    const LayerSpec& l = m.layers[i];
    if (l.weights_from) continue;
    LayerTensors tensors(static_cast<int>(i), m.BlockOf(i), &out);
    if (!l.beside) tensors.Norm(Role::kMixerNorm, "attn_norm", m.dim);
    KindOf(l.mixer).tensors(m, l, &tensors);
    if (!m.EndsBlock(i)) continue;
    if (l.sandwich) tensors.Norm(Role::kMixerPostNorm, "post_attention_norm", m.dim);
    const FfnKind& ffn = KindOf(l.ffn_kind());
    if (ffn.stages.empty()) continue;
    tensors.FfnNorm(m.architecture == "falcon-h1" ? "ffn_norm" : "ffn_norm.weight", m.dim);
    ffn.tensors(m, l, &tensors);
    if (l.sandwich) tensors.Norm(Role::kFfnPostNorm, "post_ffw_norm", m.dim);
  }
  if (!m.tied) out.push_back({"output.weight", Role::kOutput, -1, m.dim, m.vocab});
  out.push_back({m.final_norm_name(), Role::kFinalNorm, -1, m.dim, 1, WeightKind::kNorm});
  return out;
}

std::vector<TensorSpec> FileTensors(const ModelSpec& m) {
  std::vector<TensorSpec> out = ExpectedTensors(m);
  const size_t factors = RopeFactors(m).size();
  if (factors > 0) out.push_back({kRopeFactors, Role::kConstant, -1, factors, 1, WeightKind::kNorm});
  return out;
}

}  // namespace edgefront
