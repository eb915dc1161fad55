// Sizes and offsets of everything a session touches.
#include "infer/program.h"

#include <algorithm>

#include "include/edgefront/host.h"
#include "targets/kernels.h"

namespace edgefront {
namespace {

void PlanCache(const ModelSpec& spec, const SessionOptions& o, Program* p) {
  Carver carver;
  for (const LayerSpec& l : spec.layers) {
    LayerCache c;
    if (l.mixer == Mixer::kConv) {
      c.seq_bytes = RoundUp(4 * size_t{l.conv_kernel - 1} * spec.dim, 64);
    } else {
      // A chunk is stored before it is attended to, so a window needs window + rows - 1 live slots.
      const size_t live = l.window > 0 ? std::min<size_t>(o.max_context, size_t{l.window} + p->rows - 1) : o.max_context;
      const bool q8 = o.kv == KvType::kQ8_0;
      c.ring = RoundUp(live, kAttendBlock);
      c.hd = RoundUp(l.head_dim, q8 ? 32 : 16);
      const size_t element = q8 ? 1 : o.kv == KvType::kF32 ? 4 : 2;
      const size_t values = c.ring * c.hd * element, scales = q8 ? c.ring * (c.hd / 32) * 2 : 0;
      c.v_at = RoundUp(values, 64);
      c.k_scale_at = 2 * c.v_at;
      c.v_scale_at = c.k_scale_at + RoundUp(scales, 64);
      c.head_bytes = c.v_scale_at + RoundUp(scales, 64);
      c.seq_bytes = c.head_bytes * l.kv_heads;
      auto same = std::find_if(p->ropes.begin(), p->ropes.end(),
                               [&](const RopeTable& r) { return r.base == l.rope_base && r.head_dim == l.head_dim; });
      c.rope = static_cast<int>(same - p->ropes.begin());
      const uint32_t all = (o.max_context + kAttendSegment - 1) / kAttendSegment;
      c.segments = l.window > 0 ? std::min(all, (l.window - 1 + kAttendSegment - 1) / kAttendSegment + 1) : all;
      if (same == p->ropes.end()) p->ropes.push_back({l.rope_base, l.head_dim, 0});
    }
    c.offset = carver.Take(c.seq_bytes * o.batch);
    p->caches.push_back(c);
  }
  p->cache_bytes = carver.size();
}

QuantBuffer PlanQuant(Carver& carver, size_t rows, size_t k) {
  QuantBuffer b;
  b.k = k;
  if (k == 0) return b;
  b.q = carver.Take(rows * k);
  b.scale = carver.Take(rows * (k / 32) * 4);
  b.sum8 = carver.Take(rows * (k / 32) * 4);
  b.sum16 = carver.Take(rows * (k / 16) * 2);
  return b;
}

// What a worker needs to attend with a tile of query rows (attend.cc: AttendRoom): the weights of all keys that its rows see. These
// rows may be of kAttendRows tokens, one behind the other, and their keys begin and end inside blocks and segments.
size_t AttendFloats(const LayerSpec& l, const LayerCache& c, size_t max_context) {
  const size_t keys = l.window > 0 ? std::min<size_t>(max_context, size_t{l.window} + kAttendRows - 1) : max_context;
  return kAttendRows * (3 * c.hd + 3 * (size_t{c.segments} + 1) + 2 + kAttendBlock + RoundUp(keys, kAttendBlock) + kAttendBlock);
}

}  // namespace

Result<Program> BuildProgram(const ModelSpec& spec, const std::vector<DType>& types, const SessionOptions& o) {
  if (o.max_context < 1 || o.max_context > (1u << 24)) return BadRequest("max_context must be between 1 and 2^24");
  if (o.chunk < 1 || o.chunk > 65536) return BadRequest("chunk must be between 1 and 65536");
  if (o.batch < 1 || o.batch > 1024) return BadRequest("batch must be between 1 and 1024");
  if (o.threads < 0 || o.threads > 256) return BadRequest("threads must be between 0 (all cores) and 256");
  Program p;
  p.rows = std::max(std::min(o.chunk, o.max_context), o.batch);
  p.threads = o.threads > 0 ? o.threads : DefaultThreads();
  PlanCache(spec, o, &p);

  size_t in_k = 0, mid_k = 0, ffn_f32 = 0, longest = spec.dim;
  size_t i = 0;
  for (const TensorSpec& t : ExpectedTensors(spec)) {
    const bool quantised = IsQuantised(types[i++]);
    switch (t.role) {
      case Role::kConvIn: case Role::kQ: case Role::kK: case Role::kV: case Role::kGate: case Role::kUp: case Role::kOutput:
        quantised ? void(in_k = t.ne0) : void(p.norm_f32 = true);
        break;
      case Role::kEmbedding:
        if (spec.tied) quantised ? void(in_k = t.ne0) : void(p.norm_f32 = true);
        break;
      case Role::kConvOut: case Role::kAttnOut:
        if (quantised) mid_k = std::max<size_t>(mid_k, t.ne0);
        break;
      case Role::kDown:
        if (quantised) mid_k = std::max<size_t>(mid_k, t.ne0);
        else ffn_f32 = std::max<size_t>(ffn_f32, t.ne0);
        break;
      default: break;
    }
  }
  for (size_t l = 0; l < spec.layers.size(); ++l) {
    const LayerSpec& s = spec.layers[l];
    const size_t width = s.mixer == Mixer::kConv ? 3 * size_t{spec.dim} : (s.heads + 2 * size_t{s.kv_heads}) * s.head_dim;
    p.proj_width = std::max(p.proj_width, width);
  }
  p.hidden_f32 = ffn_f32 > 0;

  Carver carver;
  const size_t rows = p.rows;
  p.x = carver.Take(4 * rows * spec.dim);
  if (p.norm_f32) p.norm = carver.Take(4 * rows * spec.dim);
  p.in = PlanQuant(carver, rows, in_k);
  p.proj = carver.Take(4 * rows * p.proj_width);
  if (p.hidden_f32) p.hidden = carver.Take(4 * rows * ffn_f32);
  p.mid = PlanQuant(carver, rows, mid_k);
  for (RopeTable& r : p.ropes) r.offset = carver.Take(4 * rows * r.head_dim);
  p.logits = carver.Take(4 * size_t{o.batch} * spec.vocab);
  size_t partial = 0, shared_weights = 0, attend = 0;
  for (size_t l = 0; l < spec.layers.size(); ++l) {
    const LayerSpec& s = spec.layers[l];
    const LayerCache& c = p.caches[l];
    if (s.mixer == Mixer::kConv) continue;
    attend = std::max(attend, AttendFloats(s, c, o.max_context));
    if (c.segments == 1) continue;
    partial = std::max(partial, size_t{s.heads} * c.segments * (2 + c.hd));
    shared_weights = std::max(shared_weights, size_t{s.heads} * c.segments * kAttendSegment);
  }
  p.partial = carver.Take(4 * o.batch * partial);
  p.shared_weights = carver.Take(4 * o.batch * shared_weights);

  Carver scratch;
  p.row_at = scratch.Take(4 * longest);
  p.tile_at = scratch.Take(4 * 4 * kTileTokens * kPanelRows);
  p.attend_at = scratch.Take(4 * attend);
  p.worker_bytes = scratch.size() + 128;  // workers do not share a line
  p.worker = carver.Take(p.worker_bytes * p.threads);
  p.activation_bytes = carver.size();
  return p;
}

MemoryPlan PlanOf(const ModelSpec& spec, const std::vector<DType>& types, const Program& program) {
  MemoryPlan m;
  m.weight_bytes = WeightBytes(spec, types);
  m.cache_bytes = program.cache_bytes;
  m.activation_bytes = program.activation_bytes;
  m.overhead_bytes = kProcessOverheadBytes;
  m.predicted_peak_bytes = m.weight_bytes + m.cache_bytes + m.activation_bytes + m.overhead_bytes;
  return m;
}

Result<MemoryPlan> PlanMemory(const GgufFile& gguf, const SessionOptions& options) {
  auto spec = ModelSpec::FromGguf(gguf);
  if (!spec.ok()) return spec.status();
  auto types = TensorTypes(*spec, gguf);
  if (!types.ok()) return types.status();
  auto program = BuildProgram(*spec, *types, options);
  if (!program.ok()) return program.status();
  return PlanOf(*spec, *types, *program);
}

}  // namespace edgefront
