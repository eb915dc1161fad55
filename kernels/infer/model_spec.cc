// Metadata -> ModelSpec. Every quantity may be a scalar or an array with one value a layer.
#include "infer/model_spec.h"

#include <cmath>

#include "infer/foreign_file.h"

namespace edgefront {
namespace {

constexpr int64_t kMaxLayers = 1024, kMaxDim = 1 << 17, kMaxFfn = 1 << 20, kMaxVocab = 1 << 22, kMaxHeads = 1024;
constexpr int64_t kMaxHeadDim = 512, kMaxKernel = 64, kMaxContext = 1 << 24;

class MetaReader {
 public:
  MetaReader(const GgufFile& gguf, std::string arch) : gguf_(gguf), arch_(std::move(arch)) {}

  // Layer `i`'s value of arch.key, or `fallback` where the key is absent (no fallback: an error).
  Status Int(const char* key, uint64_t i, int64_t lo, int64_t hi, std::optional<int64_t> fallback, uint32_t* out) const {
    const GgufValue* v = gguf_.Find(arch_ + "." + key);
    std::optional<int64_t> x = v ? v->Int(v->is_array ? i : 0) : fallback;
    if (!x) return BadModel(arch_ + "." + key + (v ? " is not an integer (array) of the right length" : " is missing"));
    if (*x < lo || *x > hi) {
      return BadModel(arch_ + "." + key + " is " + std::to_string(*x) + ", outside " + std::to_string(lo) + ".." + std::to_string(hi));
    }
    *out = static_cast<uint32_t>(*x);
    return Status::Ok();
  }

  Status Float(const char* key, uint64_t i, double lo, double hi, float* out) const {
    const GgufValue* v = gguf_.Find(arch_ + "." + key);
    const std::optional<double> x = v ? v->Float(v->is_array ? i : 0) : std::nullopt;
    if (!x) return BadModel(arch_ + "." + key + (v ? " is not a float (array) of the right length" : " is missing"));
    if (!(*x >= lo && *x <= hi)) return BadModel(arch_ + "." + key + " is out of range");
    *out = static_cast<float>(*x);
    return Status::Ok();
  }

 private:
  const GgufFile& gguf_;
  std::string arch_;
};

std::string ReadString(const GgufFile& gguf, const char* key) {
  const GgufValue* v = gguf.Find(key);
  if (v == nullptr || v->is_array) return "";
  const auto s = v->Strings(1);
  return s ? std::string((*s)[0].substr(0, 65536)) : "";
}

Status ReadAttention(const MetaReader& meta, const ModelSpec& m, uint64_t i, LayerSpec* l) {
  const bool own = m.architecture == "edgefront";
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("attention.head_count", i, 1, kMaxHeads, {}, &l->heads));
  const int64_t default_dim = m.dim / l->heads;
  uint32_t value_dim, rope_dim;
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("attention.key_length", i, 2, kMaxHeadDim, default_dim, &l->head_dim));
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("attention.value_length", i, 2, kMaxHeadDim, l->head_dim, &value_dim));
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("rope.dimension_count", i, 0, kMaxHeadDim, l->head_dim, &rope_dim));
  if (value_dim != l->head_dim) return Unsupported("value heads of another size than key heads");
  if (rope_dim != l->head_dim) return Unsupported("rotation of a part of each head");
  if (l->head_dim % 2 != 0) return BadModel("head size " + std::to_string(l->head_dim) + " is odd");
  if (l->heads % l->kv_heads != 0) {
    return BadModel("layer " + std::to_string(i) + ": " + std::to_string(l->heads) + " heads do not share " +
                    std::to_string(l->kv_heads) + " KV heads evenly");
  }
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("attention.sliding_window", i, 0, kMaxContext, 0, &l->window));
  EDGEFRONT_RETURN_IF_ERROR(meta.Float("rope.freq_base", i, 1.0, 1e12, &l->rope_base));
  if (!own) l->qk_norm = m.architecture != "llama";
  return Status::Ok();
}

Status ReadLayers(const GgufFile& gguf, const MetaReader& meta, ModelSpec* m) {
  const bool own = m->architecture == "edgefront", lfm2 = m->architecture == "lfm2";
  std::vector<std::string_view> mixers;
  const GgufValue* qk_norm = nullptr;
  if (own) {
    const GgufValue* v = gguf.Find("edgefront.layer.mixer");
    auto names = v ? v->Strings(kMaxLayers) : std::nullopt;
    if (!names || names->size() != m->layers.size()) return BadModel("edgefront.layer.mixer must be one string a layer");
    mixers = std::move(*names);
    qk_norm = gguf.Find("edgefront.attention.qk_norm");
  }
  for (uint64_t i = 0; i < m->layers.size(); ++i) {
    LayerSpec& l = m->layers[i];
    EDGEFRONT_RETURN_IF_ERROR(meta.Int("feed_forward_length", i, 1, kMaxFfn, {}, &l.ffn));
    if (own && mixers[i] != "conv" && mixers[i] != "gqa" && mixers[i] != "swa") {
      return Unsupported("layer " + std::to_string(i) + " has a mixer that is none of conv, gqa, swa");
    }
    if (own && mixers[i] == "conv") l.mixer = Mixer::kConv;
    else {
      l.mixer = Mixer::kAttention;
      EDGEFRONT_RETURN_IF_ERROR(meta.Int("attention.head_count_kv", i, lfm2 ? 0 : 1, kMaxHeads, {}, &l.kv_heads));
      if (l.kv_heads == 0) l.mixer = Mixer::kConv;
    }
    if (l.mixer == Mixer::kConv) {
      EDGEFRONT_RETURN_IF_ERROR(meta.Int("shortconv.l_cache", i, 1, kMaxKernel, {}, &l.conv_kernel));
      continue;
    }
    EDGEFRONT_RETURN_IF_ERROR(ReadAttention(meta, *m, i, &l));
    if (!own) continue;
    const auto norm = qk_norm ? qk_norm->Int(qk_norm->is_array ? i : 0) : std::nullopt;
    if (!norm) return BadModel("edgefront.attention.qk_norm must be one bool a layer");
    l.qk_norm = *norm != 0;
    if ((mixers[i] == "swa") != (l.window > 0)) return BadModel("layer " + std::to_string(i) + ": window and mixer disagree");
  }
  return Status::Ok();
}

Status CheckTensors(const GgufFile& gguf, const ModelSpec& spec) {
  const std::vector<TensorSpec> expected = ExpectedTensors(spec);
  for (const TensorSpec& want : expected) {
    const GgufTensor* got = gguf.FindTensor(want.name);
    if (got == nullptr) return BadModel("tensor '" + want.name + "' is missing");
    // Dimensions of 1 mean nothing: some converters keep the middle one of a depthwise convolution, [k, 1, d].
    const bool rows_in_one = got->dims[1] == want.ne1 || got->dims[2] == want.ne1 || got->dims[3] == want.ne1;
    if (got->dims[0] != want.ne0 || !rows_in_one || got->rows() != want.ne1) {
      return BadModel("tensor '" + want.name + "' is " + std::to_string(got->dims[0]) + " x " + std::to_string(got->rows()) +
                      ", the layout needs " + std::to_string(want.ne0) + " x " + std::to_string(want.ne1));
    }
  }
  if (gguf.tensors().size() != expected.size()) {
    return Unsupported("the file has " + std::to_string(gguf.tensors().size()) + " tensors, the layout only " +
                       std::to_string(expected.size()) + ": it describes more than this engine runs");
  }
  return Status::Ok();
}

}  // namespace

Result<ModelSpec> ModelSpec::FromGguf(const GgufFile& gguf) {
  ModelSpec m;
  EDGEFRONT_RETURN_IF_ERROR(CheckModelKind(gguf));
  if (!gguf.unread().empty()) return Unsupported(gguf.unread());
  m.architecture = ReadString(gguf, "general.architecture");
  EDGEFRONT_RETURN_IF_ERROR(CheckRopeScaling(gguf, m.architecture));
  // Ollama's converter names the final norm of lfm2 as the other architectures do.
  if (gguf.FindTensor(m.final_norm_name()) == nullptr && gguf.FindTensor("output_norm.weight") != nullptr) m.final_norm = "output_norm.weight";
  m.name = ReadString(gguf, "general.name");
  m.layout = ReadString(gguf, "edgefront.layout");
  m.rope_interleaved = m.architecture == "llama";
  const GgufTensor* embedding = gguf.FindTensor("token_embd.weight");
  if (embedding == nullptr) return BadModel("tensor 'token_embd.weight' is missing");
  m.tied = gguf.FindTensor("output.weight") == nullptr;

  const MetaReader meta(gguf, m.architecture);
  uint32_t n_layers;
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("block_count", 0, 1, kMaxLayers, {}, &n_layers));
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("embedding_length", 0, 1, kMaxDim, {}, &m.dim));
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("context_length", 0, 1, kMaxContext, {}, &m.context_length));
  const uint64_t rows = embedding->rows();
  EDGEFRONT_RETURN_IF_ERROR(
      meta.Int("vocab_size", 0, 1, kMaxVocab, rows <= kMaxVocab ? static_cast<int64_t>(rows) : -1, &m.vocab));
  EDGEFRONT_RETURN_IF_ERROR(meta.Float("attention.layer_norm_rms_epsilon", 0, 1e-12, 1.0, &m.eps));
  if (const GgufValue* v = gguf.Find("edgefront.weights.seed")) {
    const auto seed = v->is_array ? std::nullopt : v->Int(0);
    if (!seed) return BadModel("edgefront.weights.seed is not an integer");
    m.seed = static_cast<uint64_t>(*seed);
  }
  m.layers.resize(n_layers);
  EDGEFRONT_RETURN_IF_ERROR(ReadLayers(gguf, meta, &m));
  EDGEFRONT_RETURN_IF_ERROR(CheckTensors(gguf, m));
  return m;
}

uint64_t ModelSpec::Parameters() const {
  uint64_t n = 0;
  for (const TensorSpec& t : ExpectedTensors(*this)) n += t.ne0 * t.ne1;
  return n;
}

std::vector<TensorSpec> ExpectedTensors(const ModelSpec& m) {
  std::vector<TensorSpec> out;
  out.push_back({"token_embd.weight", Role::kEmbedding, -1, m.dim, m.vocab});
  for (size_t i = 0; i < m.layers.size(); ++i) {
    const LayerSpec& l = m.layers[i];
    const auto add = [&](const char* suffix, Role role, uint64_t ne0, uint64_t ne1) {
      out.push_back({"blk." + std::to_string(i) + "." + suffix + ".weight", role, static_cast<int>(i), ne0, ne1});
    };
    const uint64_t d = m.dim, q = uint64_t{l.heads} * l.head_dim, kv = uint64_t{l.kv_heads} * l.head_dim;
    add("attn_norm", Role::kMixerNorm, d, 1);
    if (l.mixer == Mixer::kConv) {
      add("shortconv.in_proj", Role::kConvIn, d, 3 * d);
      add("shortconv.conv", Role::kConvTaps, l.conv_kernel, d);
      add("shortconv.out_proj", Role::kConvOut, d, d);
    } else {
      add("attn_q", Role::kQ, d, q);
      add("attn_k", Role::kK, d, kv);
      add("attn_v", Role::kV, d, kv);
      if (l.qk_norm) add("attn_q_norm", Role::kQNorm, l.head_dim, 1);
      if (l.qk_norm) add("attn_k_norm", Role::kKNorm, l.head_dim, 1);
      add("attn_output", Role::kAttnOut, q, d);
    }
    add("ffn_norm", Role::kFfnNorm, d, 1);
    add("ffn_gate", Role::kGate, d, l.ffn);
    add("ffn_up", Role::kUp, d, l.ffn);
    add("ffn_down", Role::kDown, l.ffn, d);
  }
  if (!m.tied) out.push_back({"output.weight", Role::kOutput, -1, m.dim, m.vocab});
  out.push_back({m.final_norm_name(), Role::kFinalNorm, -1, m.dim, 1});
  return out;
}

}  // namespace edgefront
