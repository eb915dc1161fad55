// Grouped-query attention, full or over a window, with RoPE of all or some channels, optional QK-norm and
// output gate. A row of `proj` holds q [H*hd], k and v [KV*hd], and the gates [H]; outputs replace q. The
// state holds keys and values of each KV head in a ring of positions (targets/kernels.h: KvHead). A layer with
// the keys and values of an earlier one has neither k and v nor a state: it attends to the earlier layer's,
// which hold the current rows already.
#include "infer/mixers/attention.h"

#include "infer/mixer_kind.h"

namespace edgefront {

using attention::kAttendSegment;
using attention::LayerAttention;

extern const MixerKind kAttentionMixer;

namespace {

constexpr std::string_view kNames[] = {"gqa", "swa"};

// Reads the parts of a layer that differ between global attention and windows in lfm3.
Status ReadLfm3(const MetaReader& meta, const ModelSpec& m, uint64_t i, AttentionSpec* a) {
  const std::optional<bool> windowed = meta.Bool("attention.sliding_window_pattern", i);
  if (!windowed) return BadModel("lfm3.attention.sliding_window_pattern must be one bool a layer");
  if (meta.Bool("attention.causal", 0) == false) return Unsupported("the file's attention reads a prompt in both directions");
  EDGEFRONT_RETURN_IF_ERROR(meta.Float(*windowed ? "rope.freq_base_swa" : "rope.freq_base", i, 1.0, 1e12, &a->rope_base));
  a->gate = true;
  if (*windowed && a->window == 0) return BadModel("lfm3.attention.sliding_window is 0");
  if (*windowed) return Status::Ok();
  a->window = 0;
  a->rotated = std::min(a->head_dim, m.rope_rotated);
  return Status::Ok();
}

Status Read(const MetaReader& meta, const ModelSpec& m, uint64_t i, std::string_view name, LayerSpec* l) {
  AttentionSpec& a = l->attention;
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("attention.head_count_kv", i, 1, kMaxHeads, {}, &a.kv_heads));
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("attention.head_count", i, 1, kMaxHeads, {}, &a.heads));
  const int64_t default_dim = m.dim / a.heads;
  uint32_t value_dim, rope_dim;
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("attention.key_length", i, 2, kMaxHeadDim, default_dim, &a.head_dim));
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("attention.value_length", i, 2, kMaxHeadDim, a.head_dim, &value_dim));
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("rope.dimension_count", i, 0, kMaxHeadDim, a.head_dim, &rope_dim));
  if (value_dim != a.head_dim) return Unsupported("value heads of another size than key heads");
  if (rope_dim != a.head_dim) return Unsupported("rotation of a part of each head");
  if (a.head_dim % 2 != 0) return BadModel("head size " + std::to_string(a.head_dim) + " is odd");
  if (a.heads % a.kv_heads != 0) {
    return BadModel("layer " + std::to_string(i) + ": " + std::to_string(a.heads) + " heads do not share " + std::to_string(a.kv_heads) +
                    " KV heads evenly");
  }
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("attention.sliding_window", i, 0, kMaxContext, 0, &a.window));
  if (m.architecture == "nemotron_h") {  // no QK-norm and no positions
    a.rope_base = 1e4f;
    return Status::Ok();
  }
  EDGEFRONT_RETURN_IF_ERROR(meta.Float("rope.freq_base", i, 1.0, 1e12, &a.rope_base));
  a.rotated = a.head_dim;
  a.qk_norm = !m.rope_interleaved && m.architecture != "falcon-h1";  // no upstream architecture has pairs (2i, 2i+1) and QK-norm
  if (m.architecture == "lfm3") return ReadLfm3(meta, m, i, &a);
  if (!m.own_architecture()) return Status::Ok();
  const std::optional<bool> norm = meta.Bool("attention.qk_norm", i);
  if (!norm) return BadModel("edgefront.attention.qk_norm must be one bool a layer");
  a.qk_norm = *norm;
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("rope.rotated_count", i, 0, a.head_dim, a.head_dim, &a.rotated));
  if (a.rotated % 2 != 0) return BadModel("layer " + std::to_string(i) + ": RoPE turns pairs, but an odd number of channels is given");
  const uint64_t owner = l->weights_from ? m.BlockOf(*l->weights_from) : i;
  a.gate = meta.Bool("attention.output_gate", i).value_or(meta.Has("blk." + std::to_string(owner) + ".attn_gate.weight"));
  if ((name == "swa") != (a.window > 0)) return BadModel("layer " + std::to_string(i) + ": window and mixer disagree");
  std::optional<uint32_t> source;
  EDGEFRONT_RETURN_IF_ERROR(meta.Source("attention.kv_from", i, &source));
  if (!source) return Status::Ok();
  l->kv_from = static_cast<uint32_t>(m.FirstOf(*source));
  const LayerSpec& from = m.layers[*l->kv_from];
  if (from.mixer != Mixer::kAttention || from.kv_from || !a.SameKv(from.attention)) {
    return BadModel("layer " + std::to_string(i) + " cannot read the keys and values of layer " + std::to_string(*source));
  }
  return Status::Ok();
}

void Tensors(const ModelSpec& m, const LayerSpec& l, LayerTensors* out) {
  using A = AttentionSpec;
  const A& a = l.attention;
  const uint64_t d = m.dim, hd = a.head_dim;
  out->Mixer(A::kQ, "attn_q", d, a.q_width(), "rmsnorm+quantise+q").row_block = hd;
  if (!l.kv_from) {
    out->Mixer(A::kK, "attn_k", d, a.kv_width(), "k").row_block = hd;
    out->Mixer(A::kV, "attn_v", d, a.kv_width(), "v").row_block = hd;
  }
  if (a.gate) out->Mixer(A::kGate, "attn_gate", d, a.heads, "attn_gate");
  if (a.qk_norm) out->Norm(Role::kMixer, "attn_q_norm", hd, A::kQNorm);
  if (a.qk_norm && !l.kv_from) out->Norm(Role::kMixer, "attn_k_norm", hd, A::kKNorm);
  out->Add(Role::kMixerOut, "attn_output", a.q_width(), d, kAttentionMixer.out_op).col_block = hd;
}

void Plan(const ModelSpec&, const LayerSpec& l, const SessionOptions& o, Program* program, LayerPlan* plan) {
  const AttentionSpec& s = l.attention;
  AttentionPlan& a = plan->attention;
  // A chunk is stored before its attention, so a window needs window + rows - 1 live slots.
  const size_t live = s.window > 0 ? std::min<size_t>(o.max_context, size_t{s.window} + program->rows - 1) : o.max_context;
  const bool q8 = o.kv == KvType::kQ8_0;
  a.ring = RoundUp(live, kAttendBlock);
  a.hd = RoundUp(s.head_dim, q8 ? 32 : 16);
  const size_t element = q8 ? 1 : o.kv == KvType::kF32 ? 4 : 2;
  const size_t values = a.ring * a.hd * element, scales = q8 ? a.ring * (a.hd / 32) * 2 : 0;
  a.v_at = RoundUp(values, 64);
  a.k_scale_at = 2 * a.v_at;
  a.v_scale_at = a.k_scale_at + RoundUp(scales, 64);
  a.head_bytes = a.v_scale_at + RoundUp(scales, 64);
  plan->seq_bytes = a.head_bytes * s.kv_heads;
  a.gates_at = s.q_width() + (l.kv_from ? 0 : 2 * s.kv_width());
  plan->width = a.gates_at + (s.gate ? s.heads : 0);
  plan->mixed = 0;

  a.rope = program->Rope(s.rope_base, s.head_dim, s.rotated);
  const uint32_t all = (o.max_context + kAttendSegment - 1) / kAttendSegment;
  a.segments = s.window > 0 ? std::min(all, (s.window - 1 + kAttendSegment - 1) / kAttendSegment + 1) : all;
  program->Scratch(4 * attention::RoomFloats(s, a, o.max_context));
  if (a.segments == 1) return;
  const size_t parts = size_t{o.batch} * s.heads * a.segments;  // parts of decoded tokens' attention
  a.partial = program->Share("attention partial sums", 4 * parts * (2 + a.hd));
  // The weights lie in tiles of the heads of one KV head.
  a.weights = program->Share("attention weights", 4 * parts * kAttendSegment);
}

ListedWork Listed(const LayerSpec& l, const LayerPlan& plan, const ModelSpec&, const SessionOptions& o) {
  const AttentionSpec& s = l.attention;
  const AttentionPlan& a = plan.attention;
  const uint32_t seen = s.window > 0 ? std::min(s.window, o.max_context) : o.max_context;
  const double cached = static_cast<double>(a.head_bytes) * s.kv_heads * seen / static_cast<double>(a.ring);
  const DType type = o.kv == KvType::kF16 ? DType::kF16 : o.kv == KvType::kF32 ? DType::kF32 : DType::kQ8_0;
  return {s.window > 0 ? "qk_norm+rope+window_attend" : "qk_norm+rope+attend",
          s.head_dim,
          seen,
          type,
          static_cast<double>(o.batch) * cached,
          4.0 * s.heads * s.head_dim * seen};
}

void Qkv(const StageRun& r) {
  const Engine& e = r.engine;
  const LayerSpec& l = e.spec->layers[r.layer];
  const AttentionSpec& s = l.attention;
  const LayerPlan& plan = e.program.layers[r.layer];
  const auto& w = e.weights->layers[r.layer].matrices;
  e.ProjectNormed(w[AttentionSpec::kQ], plan, 0, r.worker, r.tickets[0]);
  if (!l.kv_from) {
    e.ProjectNormed(w[AttentionSpec::kK], plan, s.q_width(), r.worker, r.tickets[1]);
    e.ProjectNormed(w[AttentionSpec::kV], plan, s.q_width() + s.kv_width(), r.worker, r.tickets[2]);
  }
  if (s.gate) e.ProjectNormed(w[AttentionSpec::kGate], plan, plan.attention.gates_at, r.worker, r.tickets[3]);
}

OpCost QkvCost(const Engine& e, size_t layer) {
  const LayerSpec& l = e.spec->layers[layer];
  const auto& w = e.weights->layers[layer].matrices;
  OpCost cost = e.ProductCost(w[AttentionSpec::kQ], e.n);
  if (!l.kv_from) cost = cost + e.ProductCost(w[AttentionSpec::kK], e.n) + e.ProductCost(w[AttentionSpec::kV], e.n);
  return l.attention.gate ? cost + e.ProductCost(w[AttentionSpec::kGate], e.n) : cost;
}

void StoreKeys(const StageRun& r) {
  if (!r.engine.spec->layers[r.layer].kv_from) LayerAttention(r.engine, r.layer, r.worker, r.workers).StoreKeys();
}

void Attend(const StageRun& r) {
  LayerAttention(r.engine, r.layer, r.worker, r.workers).Run(r.tickets);
  r.engine.FinishMixer(r.layer, r.worker, r.workers);
}

// The cached keys and values of a sequence count once in each step.
OpCost AttendCost(const Engine& e, size_t layer) {
  const AttentionSpec& s = e.spec->layers[layer].attention;
  const AttentionPlan& a = e.program.layers[layer].attention;
  const double key_bytes = static_cast<double>(a.head_bytes) * s.kv_heads / static_cast<double>(a.ring);
  OpCost cost;
  for (uint32_t i = 0; i < e.n; ++i) {
    const uint32_t end = e.PositionOf(i) + 1, seen = s.window > 0 ? std::min(end, s.window) : end;
    cost.flops += 4.0 * s.heads * s.head_dim * seen;
    if (e.decode) cost.bytes += key_bytes * seen;
    if (!e.decode && i + 1 == e.n) cost.bytes = key_bytes * (s.window > 0 ? std::min(end, e.n + s.window - 1) : end);
  }
  return cost;
}

constexpr Stage kStages[] = {{"qkv", 4, Qkv, QkvCost}, {"store-keys", 0, StoreKeys}, {"attend", 2, Attend, AttendCost}};

}  // namespace

KvHead LayerAttention::Head(uint32_t sequence, uint32_t kv_head) const {
  uint8_t* base = e_.State(layer_, sequence) + kv_head * plan_.head_bytes;
  const KvType kv = e_.options.kv;
  const KvFormat format = kv == KvType::kF16 ? KvFormat::kF16 : kv == KvType::kF32 ? KvFormat::kF32 : KvFormat::kQ8;
  return {format,
          plan_.ring,
          plan_.hd,
          base,
          base + plan_.v_at,
          reinterpret_cast<uint16_t*>(base + plan_.k_scale_at),
          reinterpret_cast<uint16_t*>(base + plan_.v_scale_at)};
}

void LayerAttention::StoreKeys() const {
  const size_t hd = spec_.head_dim;
  const Part part = PartOf(uint64_t{e_.n} * spec_.kv_heads, worker_, workers_);
  for (uint64_t j = part.begin; j < part.end; ++j) {
    const uint32_t i = static_cast<uint32_t>(j / spec_.kv_heads), h = static_cast<uint32_t>(j % spec_.kv_heads);
    float* k = QueryOf(i, spec_.heads + h);
    if (spec_.qk_norm) e_.kernels->rmsnorm(k, w_.vectors[AttentionSpec::kKNorm], hd, e_.spec->eps, k);
    e_.kernels->rope(k, RopeOf(i), hd, e_.spec->rope_interleaved);
    const KvHead kv = Head(e_.SequenceOf(i), h);
    e_.kernels->store_kv(kv, e_.PositionOf(i) % kv.ring, k, k + spec_.kv_heads * hd, hd);
  }
}

const MixerKind kAttentionMixer = {
    .id = Mixer::kAttention,
    .names = kNames,
    .out_stage = "attn-out",
    .out_op = "attn_out+residual",
    .starts_from_zero = false,
    .read = Read,
    .tensors = Tensors,
    .plan = Plan,
    .listed = Listed,
    .stages = kStages,
};

}  // namespace edgefront
