// The block of LFM2's gated short convolution, with any filter between the gates: (B, C, h) = in(x); y =
// filter(B * h); out(C * y). A row of `proj` holds B, C, h, each [d]; C * y replaces C. Mixers of this block
// add the filter's tensors, state and hot loop.
#ifndef EDGEFRONT_INFER_MIXERS_GATED_FILTER_H_
#define EDGEFRONT_INFER_MIXERS_GATED_FILTER_H_

#include "infer/engine.h"
#include "infer/mixer_kind.h"

namespace edgefront {

inline constexpr int kGatedIn = 0;  // slot of the input's product, in every spec of such a mixer

// Add the products around the filter's own tensors. `op` is the product's name in the listing.
void AddGatedIn(const ModelSpec& m, const char* op, LayerTensors* out);
void AddGatedOut(const ModelSpec& m, const char* op, LayerTensors* out);
// Plans a row of `proj`, and `floats` of state for a sequence.
void PlanGated(const ModelSpec& m, size_t floats, LayerPlan* plan);
// Returns the floats of a recursive filter's state, of `floats` for a channel, in whole strips of 16 channels.
inline size_t StripFloats(const ModelSpec& m, size_t floats) { return RoundUp(m.dim, kFilterStrip) * floats; }
// Reads the number of state elements of a channel, 1 .. `most`.
Status ReadFilterState(const MetaReader& meta, uint64_t layer, int64_t most, uint32_t* state);

// The sizes of a filter in one channel.
struct FilterSizes {
  double weights;  // F32 values
  double state;    // F32 values, read and written for a token
  double flops;    // of a token, without the gates
};
// Returns the filter's line of the listing; `size` is the filter's own.
ListedWork ListedFilter(const char* op, uint64_t size, const FilterSizes& sizes, const ModelSpec& m, const SessionOptions& o);

// The first stage: the input's product.
void RunGatedIn(const StageRun& r);
OpCost GatedInCost(const Engine& e, size_t layer);

// The second stage: a worker's share of the filter, on strips of 16 channels. `args` has the filter's weights.
template <class Args>
void RunFilter(const StageRun& r, Args args, void (*kernel)(const Args&)) {
  Engine& e = r.engine;
  const LayerPlan& plan = e.program.layers[r.layer];
  const Part strips = PartOf((e.spec->dim + kFilterStrip - 1) / kFilterStrip, r.worker, r.workers);
  args.d = e.spec->dim;
  args.c0 = std::min<size_t>(args.d, strips.begin * kFilterStrip);
  args.c1 = std::min<size_t>(args.d, strips.end * kFilterStrip);
  args.n = e.decode ? 1 : e.n;
  for (uint32_t i = 0; i < (e.decode ? e.n : 1); ++i) {
    args.proj = e.ProjRow(plan, i);
    args.state = reinterpret_cast<float*>(e.State(plan, e.SequenceOf(i)));
    kernel(args);
  }
  e.FinishMixer(r.layer, r.worker, r.workers);
}
// Counts B, C and h read and C written, the state once for each sequence, and the gates.
OpCost FilterCost(const Engine& e, const FilterSizes& sizes);

}  // namespace edgefront

#endif  // EDGEFRONT_INFER_MIXERS_GATED_FILTER_H_
