// The gated short convolution of LFM2: (B, C, h) = in(x); y = B * h; z = causal depthwise convolution of y
// over k tokens; out(C * z). A row of `proj` holds B, C, h, each [d]; C * z replaces C. State: the last k - 1
// values of y of each sequence, [k-1][d], oldest first.
#include "infer/engine.h"
#include "infer/mixer_kind.h"

namespace edgefront {

extern const MixerKind kConvMixer;

namespace {

constexpr std::string_view kNames[] = {"conv"};

Status Read(const MetaReader& meta, const ModelSpec&, uint64_t i, std::string_view, LayerSpec* l) {
  return meta.Int("shortconv.l_cache", i, 1, kMaxTaps, {}, &l->conv.taps);
}

void Tensors(const ModelSpec& m, const LayerSpec& l, LayerTensors* out) {
  const uint64_t d = m.dim;
  out->Mixer(ConvSpec::kIn, "shortconv.in_proj", d, 3 * d, "rmsnorm+quantise+conv_in").row_block = d;
  out->PerChannel(ConvSpec::kTaps, "shortconv.conv.weight", l.conv.taps, d, WeightKind::kConv);
  out->Add(Role::kMixerOut, "shortconv.out_proj", d, d, kConvMixer.out_op);
}

void Plan(const ModelSpec& m, const LayerSpec& l, const SessionOptions&, Program*, LayerPlan* plan) {
  plan->width = 3 * size_t{m.dim};
  plan->mixed = m.dim;
  plan->seq_bytes = RoundUp(4 * size_t{l.conv.taps - 1} * m.dim, 64);
}

// Counts the taps once, and the state of each sequence.
ListedWork Listed(const LayerSpec& l, const LayerPlan&, const ModelSpec& m, const SessionOptions& o) {
  const uint64_t taps = l.conv.taps, d = m.dim;
  const double floats = static_cast<double>(taps * d) + static_cast<double>(o.batch) * static_cast<double>((taps - 1) * d);
  const double product = 2.0 * static_cast<double>(taps) * static_cast<double>(d);
  return {"gate+conv+gate", taps, d, DType::kF32, 4 * floats, product + 2.0 * static_cast<double>(d)};
}

void In(const StageRun& r) {
  const Engine& e = r.engine;
  e.ProjectNormed(e.weights->layers[r.layer].matrices[ConvSpec::kIn], e.program.layers[r.layer], 0, r.worker, r.tickets[0]);
}

OpCost InCost(const Engine& e, size_t layer) { return e.ProductCost(e.weights->layers[layer].matrices[ConvSpec::kIn], e.n); }

// Each worker takes strips of 16 channels.
void Conv(const StageRun& r) {
  Engine& e = r.engine;
  const LayerPlan& plan = e.program.layers[r.layer];
  const size_t d = e.spec->dim;
  const Part strips = PartOf((d + 15) / 16, r.worker, r.workers);
  ConvArgs g;
  g.d = d;
  g.k = e.spec->layers[r.layer].conv.taps;
  g.taps = e.weights->layers[r.layer].vectors[ConvSpec::kTaps];
  g.c0 = std::min<size_t>(d, strips.begin * 16);
  g.c1 = std::min<size_t>(d, strips.end * 16);
  for (uint32_t i = 0; i < (e.decode ? e.n : 1); ++i) {
    g.n = e.decode ? 1 : e.n;
    g.proj = e.ProjRow(plan, i);
    g.state = reinterpret_cast<float*>(e.State(plan, e.SequenceOf(i)));
    e.kernels->conv(g);
  }
  e.FinishMixer(r.layer, r.worker, r.workers);
}

OpCost ConvCost(const Engine& e, size_t layer) {
  const double values = static_cast<double>(e.n) * e.spec->dim, taps = e.spec->layers[layer].conv.taps;
  return {4.0 * values * 4, values * (2 * taps + 2)};  // B, C and h read, C written
}

constexpr Stage kStages[] = {{"conv-in", 1, In, InCost}, {"conv", 0, Conv, ConvCost}};

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
