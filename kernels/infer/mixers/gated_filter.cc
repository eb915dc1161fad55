// The parts that all mixers with a filter between two gates share.
#include "infer/mixers/gated_filter.h"

namespace edgefront {

void AddGatedIn(const ModelSpec& m, const char* op, LayerTensors* out) {
  out->Mixer(kGatedIn, "shortconv.in_proj", m.dim, 3 * uint64_t{m.dim}, op).row_block = m.dim;
}

void AddGatedOut(const ModelSpec& m, const char* op, LayerTensors* out) {
  out->Add(Role::kMixerOut, "shortconv.out_proj", m.dim, m.dim, op);
}

void PlanGated(const ModelSpec& m, size_t floats, LayerPlan* plan) {
  plan->width = 3 * size_t{m.dim};
  plan->mixed = m.dim;
  plan->seq_bytes = RoundUp(4 * floats, 64);
}

Status ReadFilterState(const MetaReader& meta, uint64_t layer, int64_t most, uint32_t* state) {
  return meta.Int("ssm.state_size", layer, 1, most, {}, state);
}

ListedWork ListedFilter(const char* op, uint64_t size, const FilterSizes& sizes, const ModelSpec& m, const SessionOptions& o) {
  const double d = m.dim, floats = d * (sizes.weights + o.batch * 2 * sizes.state);
  return {op, size, m.dim, DType::kF32, 4 * floats, d * (sizes.flops + 2)};
}

void RunGatedIn(const StageRun& r) {
  const Engine& e = r.engine;
  e.ProjectNormed(e.weights->layers[r.layer].matrices[kGatedIn], e.program.layers[r.layer], 0, r.worker, r.tickets[0]);
}

OpCost GatedInCost(const Engine& e, size_t layer) { return e.ProductCost(e.weights->layers[layer].matrices[kGatedIn], e.n); }

OpCost FilterCost(const Engine& e, const FilterSizes& sizes) {
  const double d = e.spec->dim, values = e.n * d;
  return {4 * (4 * values + (e.decode ? e.n : 1) * 2 * sizes.state * d), values * (sizes.flops + 2)};
}

}  // namespace edgefront
