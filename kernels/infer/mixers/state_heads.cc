// Shares heads and strips of their states among the workers.
#include "infer/mixers/state_heads.h"

#include "ops/delta/rates.h"

namespace edgefront {

static_assert(kMaxHeadDim <= static_cast<int64_t>(kMostKeyDim), "a model may have larger keys than delta has room for");

namespace {

size_t StripsOf(const StateHeads& s) { return (s.value_dim + kDeltaStrip - 1) / kDeltaStrip; }
size_t StripFloats(const StateHeads& s) { return size_t{s.key_dim} * kDeltaStrip; }

}  // namespace

Status ReadValueHeads(const MetaReader& meta, uint64_t i, uint32_t* heads, uint32_t* value_dim) {
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("ssm.time_step_rank", i, 1, kMaxHeads, {}, heads));
  uint32_t width;
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("ssm.inner_size", i, 1, kMaxHeads * kMaxHeadDim, {}, &width));
  *value_dim = width / *heads;
  if (width % *heads != 0 || *value_dim > kMaxHeadDim) {
    return BadModel("layer " + std::to_string(i) + ": " + std::to_string(width) + " channels do not divide into " + std::to_string(*heads) +
                    " value heads of at most " + std::to_string(kMaxHeadDim));
  }
  return Status::Ok();
}

size_t StateBytes(const StateHeads& s) { return RoundUp(4 * s.heads * StripsOf(s) * StripFloats(s), 64); }

void UnitKeys(const StateHeads& s, float* row) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(s.key_dim));
  for (uint32_t h = 0; h < s.key_heads; ++h) {
    float *q = row + s.q + size_t{h} * s.key_dim, *k = row + s.k + size_t{h} * s.key_dim;
    UnitLength(q, s.key_dim, scale);
    UnitLength(k, s.key_dim, 1.0);
    row[s.key_query + h] = DotProduct(q, k, s.key_dim);
  }
}

void RunStates(const StageRun& r, const StateHeads& s) {
  const Engine& e = r.engine;
  const LayerPlan& plan = e.program.layers[r.layer];
  const size_t strips = StripsOf(s), jobs = (e.decode ? e.n : 1) * s.heads * strips;
  DeltaArgs a;
  a.n = e.decode ? 1 : e.n;
  a.key_dim = s.key_dim;
  a.stride = plan.width;
  a.per_channel = s.per_channel;
  for (size_t j; (j = r.tickets[0].fetch_add(1, std::memory_order_relaxed)) < jobs;) {
    const size_t strip = j % strips, head = j / strips % s.heads, key_head = head / (s.heads / s.key_heads), first = strip * kDeltaStrip;
    const uint32_t i = static_cast<uint32_t>(j / strips / s.heads);
    float* row = e.ProjRow(plan, i);
    const auto at = [row](size_t column, size_t offset) { return column == kNoColumn ? nullptr : row + column + offset; };
    a.state = reinterpret_cast<float*>(e.State(plan, e.SequenceOf(i))) + (head * strips + strip) * StripFloats(s);
    a.channels = std::min<size_t>(kDeltaStrip, s.value_dim - first);
    a.q = at(s.q, key_head * s.key_dim);
    a.k = at(s.k, key_head * s.key_dim);
    a.v = at(s.v, head * s.value_dim + first);
    a.decay = at(s.decay, head * (s.per_channel ? s.key_dim : 1));
    a.rate = at(s.rate, head);
    a.key_query = at(s.key_query, key_head);
    e.kernels->delta(a);
  }
}

// A chunk of prefill reads and writes the state once.
OpCost StatesCost(const Engine& e, const StateHeads& s, double flops) {
  const double elements = static_cast<double>(s.heads) * s.key_dim * s.value_dim;
  return {8 * elements * (e.decode ? e.n : 1), flops * elements * e.n};
}

void GateHeads(const StageRun& r, const StateHeads& s, const float* norm, size_t z,
               void (*gate)(const float* gate, const float* up, size_t n, float* out)) {
  Engine& e = r.engine;
  const LayerPlan& plan = e.program.layers[r.layer];
  const Part part = PartOf(uint64_t{e.n} * s.heads, r.worker, r.workers);
  for (uint64_t j = part.begin; j < part.end; ++j) {
    float* row = e.ProjRow(plan, static_cast<uint32_t>(j / s.heads));
    const size_t head = j % s.heads * s.value_dim;
    float* o = row + s.v + head;
    float normed[kMaxHeadDim];  // loops are vectorised for separate buffers only
    e.kernels->rmsnorm(o, norm, s.value_dim, e.spec->eps, normed);
    gate(row + z + head, normed, s.value_dim, o);
  }
  e.FinishMixer(r.layer, r.worker, r.workers);
}

}  // namespace edgefront
