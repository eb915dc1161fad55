// RTF (arXiv 2405.06147) between two gates (gated_filter.h): a rational transfer function in each channel. It
// is defined by its recurrence, not by the authors' FFT kernel, whose response of finite length wraps around.
// State of each sequence, in F32: [strips of 16 channels][order][16].
#include "infer/mixers/gated_filter.h"
#include "ops/rational/stabilise.h"

namespace edgefront {

extern const MixerKind kRtfMixer;

namespace {

using R = RationalSpec;

constexpr std::string_view kNames[] = {"rtf"};

Status Read(const MetaReader& meta, const ModelSpec&, uint64_t i, std::string_view, LayerSpec* l) {
  return ReadFilterState(meta, i, kMostOrder, &l->rational.order);
}

void Tensors(const ModelSpec& m, const LayerSpec& l, LayerTensors* out) {
  const uint64_t order = l.rational.order, d = m.dim;
  AddGatedIn(m, "rmsnorm+quantise+rtf_in", out);
  out->PerChannel(R::kA, "rtf.a", order, d, WeightKind::kBias);
  out->PerChannel(R::kB, "rtf.b", order, d, WeightKind::kBias);
  out->PerChannel(R::kSlack, "rtf.slack", 1, d, WeightKind::kNorm);
  out->PerChannel(R::kH0, "rtf.h0", 1, d, WeightKind::kConv);
  AddGatedOut(m, kRtfMixer.out_op, out);
}

// Replaces a by the negative of the bounded coefficients.
void Prepare(const ModelSpec& m, const LayerSpec& l, float* const* vectors) {
  for (size_t c = 0; c < m.dim; ++c) {
    float* a = vectors[R::kA] + c;
    const double bound = DenominatorBound(a, l.rational.order, m.dim, vectors[R::kSlack][c]);
    for (size_t i = 0; i < l.rational.order; ++i) a[i * m.dim] = static_cast<float>(-a[i * m.dim] / bound);
  }
}

void Plan(const ModelSpec& m, const LayerSpec& l, const SessionOptions&, Program*, LayerPlan* plan) {
  PlanGated(m, StripFloats(m, l.rational.order), plan);
}

FilterSizes SizesOf(const LayerSpec& l) { return {2.0 * l.rational.order + 1, 1.0 * l.rational.order, 4.0 * l.rational.order + 2}; }

ListedWork Listed(const LayerSpec& l, const LayerPlan&, const ModelSpec& m, const SessionOptions& o) {
  return ListedFilter("gate+rtf+gate", l.rational.order, SizesOf(l), m, o);
}

void Filter(const StageRun& r) {
  const Engine& e = r.engine;
  const auto& w = e.weights->layers[r.layer].vectors;
  RationalArgs g;
  g.minus_a = w[R::kA];
  g.b = w[R::kB];
  g.h0 = w[R::kH0];
  g.order = e.spec->layers[r.layer].rational.order;
  RunFilter(r, g, e.kernels->rational);
}

OpCost Cost(const Engine& e, size_t layer) { return FilterCost(e, SizesOf(e.spec->layers[layer])); }

constexpr Stage kStages[] = {{"rtf-in", 1, RunGatedIn, GatedInCost}, {"rtf", 0, Filter, Cost}};

}  // namespace

const MixerKind kRtfMixer = {
    .id = Mixer::kRtf,
    .names = kNames,
    .out_stage = "rtf-out",
    .out_op = "rtf_out+residual",
    .starts_from_zero = true,
    .read = Read,
    .tensors = Tensors,
    .prepare = Prepare,
    .plan = Plan,
    .listed = Listed,
    .stages = kStages,
};

}  // namespace edgefront
