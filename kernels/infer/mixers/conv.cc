// The gated short convolution of LFM2 (gated_filter.h): the filter is a causal depthwise convolution over k
// tokens. State: the last k - 1 inputs of each sequence, [k-1][d], oldest first.
#include "infer/mixers/gated_filter.h"

namespace edgefront {

extern const MixerKind kConvMixer;

namespace {

constexpr std::string_view kNames[] = {"conv"};

Status Read(const MetaReader& meta, const ModelSpec&, uint64_t i, std::string_view, LayerSpec* l) {
  return meta.Int("shortconv.l_cache", i, 1, kMaxTaps, {}, &l->conv.taps);
}

void Tensors(const ModelSpec& m, const LayerSpec& l, LayerTensors* out) {
  AddGatedIn(m, "rmsnorm+quantise+conv_in", out);
  out->PerChannel(ConvSpec::kTaps, "shortconv.conv.weight", l.conv.taps, m.dim, WeightKind::kConv);
  AddGatedOut(m, kConvMixer.out_op, out);
}

void Plan(const ModelSpec& m, const LayerSpec& l, const SessionOptions&, Program*, LayerPlan* plan) {
  PlanGated(m, size_t{l.conv.taps - 1} * m.dim, plan);
}

FilterSizes SizesOf(const LayerSpec& l) { return {1.0 * l.conv.taps, l.conv.taps - 1.0, 2.0 * l.conv.taps}; }

ListedWork Listed(const LayerSpec& l, const LayerPlan&, const ModelSpec& m, const SessionOptions& o) {
  return ListedFilter("gate+conv+gate", l.conv.taps, SizesOf(l), m, o);
}

void Conv(const StageRun& r) {
  const Engine& e = r.engine;
  ConvArgs g;
  g.k = e.spec->layers[r.layer].conv.taps;
  g.taps = e.weights->layers[r.layer].vectors[ConvSpec::kTaps];
  RunFilter(r, g, e.kernels->conv);
}

OpCost ConvCost(const Engine& e, size_t layer) { return FilterCost(e, SizesOf(e.spec->layers[layer])); }

constexpr Stage kStages[] = {{"conv-in", 1, RunGatedIn, GatedInCost}, {"conv", 0, Conv, ConvCost}};

}  // namespace

const MixerKind kConvMixer = {
    .id = Mixer::kConv,
    .names = kNames,
    .out_stage = "conv-out",
    .out_op = "conv_out+residual",
    .starts_from_zero = true,
    .read = Read,
    .tensors = Tensors,
    .plan = Plan,
    .listed = Listed,
    .stages = kStages,
};

}  // namespace edgefront
