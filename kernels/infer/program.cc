// Computes sizes and offsets of all buffers of a session.
#include "infer/program.h"

#include <algorithm>
#include <string_view>

#include "include/edgefront/host.h"
#include "infer/ffn_kind.h"
#include "infer/mixer_kind.h"

namespace edgefront {
namespace {

void PlanLayers(const ModelSpec& spec, const SessionOptions& o, Program* p) {
  Carver cache;
  for (const LayerSpec& l : spec.layers) {
    LayerPlan plan;
    KindOf(l.mixer).plan(spec, l, o, p, &plan);
    KindOf(l.ffn_kind()).plan(spec, l, p, &plan);
    plan.state = l.kv_from ? p->layers[*l.kv_from].state : cache.Take(plan.seq_bytes * o.batch);
    p->proj_width = std::max(p->proj_width, plan.width);
    p->layers.push_back(plan);
  }
  p->cache_bytes = cache.size();
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

// Sizes that depend on the types of the matrices: which activations exist as floats or int8, and how long
// their rows are.
struct ReaderSizes {
  size_t in_k = 0, mid_k = 0, ffn_f32 = 0;
  size_t assignments = 0;  // most experts of a token whose input is int8
};

ReaderSizes PlanReaders(const ModelSpec& spec, const std::vector<DType>& types, Program* p) {
  ReaderSizes sizes;
  size_t i = 0;
  for (const TensorSpec& t : ExpectedTensors(spec)) {
    const DType type = types[i++];
    if (t.kind != WeightKind::kMatrix || t.exact) continue;
    const bool quantised = IsQuantised(type);
    LayerPlan* l = t.layer >= 0 ? &p->layers[t.layer] : nullptr;
    Reading* from_norm = nullptr;
    switch (t.role) {
      case Role::kMixer:
        // Parallel mixers read one input, which the norm of the first writes.
        t.inner ? l->inner.Add(type) : void(from_norm = &p->layers[t.layer - spec.layers[t.layer].beside].normed);
        break;
      case Role::kRouter: from_norm = &l->ffn_in; break;
      case Role::kGate:
      case Role::kUp:
        from_norm = &l->ffn_in;
        l->gathered.Add(type);
        if (l->moe.choice < 0) break;
        if (quantised)
          sizes.assignments = std::max<size_t>(sizes.assignments, t.used);
        else
          l->moe.floats = p->Share("inputs of experts", 4 * size_t{p->rows} * t.used * t.ne0);
        break;
      case Role::kOutput: from_norm = &p->logits_in; break;
      case Role::kEmbedding: from_norm = spec.tied ? &p->logits_in : nullptr; break;
      case Role::kMixerOut: l->mixer_out.Add(type); break;
      case Role::kDown:
        l->hidden.Add(type);
        if (!quantised) sizes.ffn_f32 = std::max<size_t>(sizes.ffn_f32, t.used * t.ne0);
        break;
      default: break;
    }
    if (from_norm != nullptr) {
      from_norm->Add(type);
      quantised ? void(sizes.in_k = t.ne0) : void(p->norm_f32 = true);
    } else if (t.role != Role::kEmbedding && quantised) {
      sizes.mid_k = std::max<size_t>(sizes.mid_k, t.used * t.ne0);
    }
  }
  for (size_t l = 0; l < spec.layers.size(); ++l) {
    const LayerPlan& from = p->layers[spec.WeightsOf(l)];
    LayerPlan& to = p->layers[l];
    to.normed = from.normed, to.inner = from.inner, to.mixer_out = from.mixer_out;
    to.ffn_in = from.ffn_in, to.gathered = from.gathered, to.hidden = from.hidden;
    to.moe = from.moe;
  }
  return sizes;
}

}  // namespace

int Program::Rope(float base, uint32_t head_dim, uint32_t rotated) {
  const auto same = std::find_if(ropes.begin(), ropes.end(),
                                 [&](const RopeTable& r) { return r.base == base && r.head_dim == head_dim && r.rotated == rotated; });
  const int index = static_cast<int>(same - ropes.begin());
  if (same == ropes.end()) ropes.push_back({base, head_dim, rotated, 0});
  return index;
}

int Program::Share(const char* name, size_t bytes) {
  const auto same = std::find_if(shared.begin(), shared.end(), [&](const SharedBuffer& b) { return std::string_view(b.name) == name; });
  const int index = static_cast<int>(same - shared.begin());
  if (same == shared.end()) shared.push_back({name, 0, 0});
  shared[index].bytes = std::max(shared[index].bytes, bytes);
  return index;
}

void Program::Scratch(size_t bytes) { mixer_bytes = std::max(mixer_bytes, bytes); }

Result<Program> BuildProgram(const ModelSpec& spec, const std::vector<DType>& types, const SessionOptions& o) {
  if (o.max_context < 1 || o.max_context > (1u << 24)) return BadRequest("max_context must be between 1 and 2^24");
  if (o.chunk < 1 || o.chunk > 65536) return BadRequest("chunk must be between 1 and 65536");
  if (o.batch < 1 || o.batch > 1024) return BadRequest("batch must be between 1 and 1024");
  if (o.threads < 0 || o.threads > 256) return BadRequest("threads must be between 0 (all cores) and 256");
  Program p;
  p.rows = std::max(std::min(o.chunk, o.max_context), o.batch);
  p.threads = o.threads > 0 ? o.threads : DefaultThreads();
  PlanLayers(spec, o, &p);
  const auto [in_k, mid_k, ffn_f32, assignments] = PlanReaders(spec, types, &p);
  p.hidden_f32 = ffn_f32 > 0;

  Carver carver;
  const size_t rows = p.rows;
  p.x = carver.Take(4 * rows * spec.dim);
  if (std::any_of(spec.layers.begin(), spec.layers.end(), [](const LayerSpec& l) { return l.sandwich; }))
    p.branch = carver.Take(4 * rows * spec.dim);
  if (p.norm_f32) p.norm = carver.Take(4 * rows * spec.dim);
  p.in = PlanQuant(carver, rows, in_k);
  p.gathered = PlanQuant(carver, rows * assignments, assignments > 0 ? spec.dim : 0);
  p.proj = carver.Take(4 * rows * p.proj_width);
  if (p.hidden_f32) p.hidden = carver.Take(4 * rows * ffn_f32);
  p.mid = PlanQuant(carver, rows, mid_k);
  for (RopeTable& r : p.ropes) r.offset = carver.Take(4 * rows * r.head_dim);
  p.logits = carver.Take(4 * size_t{o.batch} * spec.vocab);
  for (SharedBuffer& b : p.shared) b.offset = carver.Take(b.bytes);

  Carver scratch;
  p.row_at = scratch.Take(4 * size_t{spec.dim});
  p.tile_at = scratch.Take(4 * 2 * kTileTokens * kTilePanels * kPanelRows);  // gate and up
  p.mixer_at = scratch.Take(p.mixer_bytes);
  p.worker_bytes = scratch.size() + 128;  // keeps workers' scratch on separate cache lines
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
