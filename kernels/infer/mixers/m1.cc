// Mamba (arXiv 2312.00752), and its short-conv part only (m1.conv), which has no state. A row of `proj` holds
// x and z [inner], then for the recurrence the raw step [rank], B and C [state], and the steps [inner]. The
// convolution and the recurrence replace x, then the gate does. State of each sequence, in F32: the last
// inputs of the convolution, and [strips of 16 channels][state][16].
#include "infer/mixer_kind.h"
#include "infer/mixers/short_conv.h"

namespace edgefront {

extern const MixerKind kMambaMixer, kMambaConvMixer;

namespace {

using M = MambaSpec;

constexpr std::string_view kNames[] = {"m1"}, kConvNames[] = {"m1.conv"};

// Reads the sizes. Without the recurrence there are no states and no rank.
Status ReadSizes(const MetaReader& meta, uint64_t i, bool recurrent, LayerSpec* l) {
  M& s = l->mamba;
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("ssm.conv_kernel", i, 1, kMaxTaps, {}, &s.taps));
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("ssm.inner_size", i, 1, kMaxFfn, {}, &s.inner));
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("ssm.state_size", i, recurrent ? 1 : 0, recurrent ? kMaxState : 0, {}, &s.state));
  return meta.Int("ssm.time_step_rank", i, recurrent ? 1 : 0, recurrent ? kMaxFfn : 0, {}, &s.rank);
}

Status Read(const MetaReader& meta, const ModelSpec&, uint64_t i, std::string_view, LayerSpec* l) { return ReadSizes(meta, i, true, l); }

Status ReadConv(const MetaReader& meta, const ModelSpec&, uint64_t i, std::string_view, LayerSpec* l) {
  return ReadSizes(meta, i, false, l);
}

void Tensors(const ModelSpec& m, const LayerSpec& l, LayerTensors* out) {
  const M& s = l.mamba;
  out->Mixer(M::kIn, "ssm_in", m.dim, 2 * uint64_t{s.inner}, "rmsnorm+quantise+m1_in").row_block = s.inner;
  out->PerChannel(M::kTaps, "ssm_conv1d.weight", s.taps, s.inner, WeightKind::kConv);
  out->Vector(M::kTapsBias, "ssm_conv1d.bias", s.inner, 1, WeightKind::kBias);
  if (s.state > 0) {
    out->Inner(M::kX, "ssm_x", s.inner, s.rates(), "m1_x").exact = true;
    out->Inner(M::kDt, "ssm_dt", s.rank, s.inner, "m1_dt").exact = true;
    out->Vector(M::kDtBias, "ssm_dt.bias", s.inner, 1, WeightKind::kStep);
    out->PerChannel(M::kA, "ssm_a", s.state, s.inner, WeightKind::kCountedRate);
    out->Vector(M::kD, "ssm_d", s.inner, 1, WeightKind::kNorm);
  }
  out->Add(Role::kMixerOut, "ssm_out", s.inner, m.dim, kMambaMixer.out_op);
}

// Columns of a row of `proj`.
size_t RatesAt(const M& s) { return 2 * size_t{s.inner}; }
size_t StepsAt(const M& s) { return RatesAt(s) + s.rates(); }

size_t ConvBytes(const M& s) { return ShortConvBytes(s.inner, s.taps); }

void Plan(const ModelSpec&, const LayerSpec& l, const SessionOptions&, Program*, LayerPlan* plan) {
  const M& s = l.mamba;
  plan->width = s.state > 0 ? StepsAt(s) + s.inner : RatesAt(s);
  plan->mixed = 0;
  plan->seq_bytes = ConvBytes(s) + 4 * RoundUp(s.inner, kFilterStrip) * s.state;
}

// Bytes of the recurrent state of `sequences` sequences, read and written.
double StateBytes(const M& s, double sequences) { return sequences * 8.0 * s.inner * s.state; }

// FLOPs of the recurrence for a token. An exponential counts as its product.
double ScanFlops(const M& s) { return 6.0 * s.inner * s.state; }

// Counts the taps once, and the states of each sequence read and written.
ListedWork Listed(const LayerSpec& l, const LayerPlan&, const ModelSpec&, const SessionOptions& o) {
  const M& s = l.mamba;
  const double taps = static_cast<double>(s.taps) * s.inner, past = (s.taps - 1.0) * s.inner;
  const double bytes = 4 * taps + 8.0 * o.batch * past + StateBytes(s, o.batch);
  return {s.state > 0 ? "conv+scan+gate" : "conv+gate", s.state, s.inner, DType::kF32, bytes, 2 * taps + ScanFlops(s)};
}

const M& SpecOf(const Engine& e, size_t layer) { return e.spec->layers[layer].mamba; }

void In(const StageRun& r) {
  const Engine& e = r.engine;
  e.ProjectNormed(e.weights->layers[r.layer].matrices[M::kIn], e.program.layers[r.layer], 0, r.worker, r.tickets[0]);
}

OpCost InCost(const Engine& e, size_t layer) { return e.ProductCost(e.weights->layers[layer].matrices[M::kIn], e.n); }

void Conv(const StageRun& r) {
  const M& s = SpecOf(r.engine, r.layer);
  const auto& w = r.engine.weights->layers[r.layer].vectors;
  RunShortConv(r, {w[M::kTaps], w[M::kTapsBias], s.inner, s.taps, 0, 0});
}

OpCost ConvCost(const Engine& e, size_t layer) { return ShortConvCost(e, SpecOf(e, layer).inner, SpecOf(e, layer).taps); }

void Product(const StageRun& r, M::Slot slot, size_t from, size_t to) {
  r.engine.ProjectInner(r, r.engine.weights->layers[r.layer].matrices[slot], from, to);
}

void Rates(const StageRun& r) { Product(r, M::kX, 0, RatesAt(SpecOf(r.engine, r.layer))); }
void Steps(const StageRun& r) { Product(r, M::kDt, RatesAt(SpecOf(r.engine, r.layer)), StepsAt(SpecOf(r.engine, r.layer))); }
OpCost RatesCost(const Engine& e, size_t layer) { return e.ProductCost(e.weights->layers[layer].matrices[M::kX], e.n); }
OpCost StepsCost(const Engine& e, size_t layer) { return e.ProductCost(e.weights->layers[layer].matrices[M::kDt], e.n); }

// Workers draw strips of channels of sequences.
void Scan(const StageRun& r) {
  const Engine& e = r.engine;
  const M& s = SpecOf(e, r.layer);
  const LayerPlan& plan = e.program.layers[r.layer];
  const auto& w = e.weights->layers[r.layer].vectors;
  const uint32_t strips = (s.inner + kFilterStrip - 1) / kFilterStrip, jobs = strips * (e.decode ? e.n : 1);
  MambaArgs g;
  g.n = e.decode ? 1 : e.n;
  g.stride = plan.width;
  g.states = s.state;
  g.d = s.inner;
  g.dt_bias = w[M::kDtBias];
  g.a = w[M::kA];
  g.skip = w[M::kD];
  for (uint32_t j; (j = r.tickets[0].fetch_add(1, std::memory_order_relaxed)) < jobs;) {
    const uint32_t row = j / strips;
    float* x = e.ProjRow(plan, row);
    g.x = x;
    g.b = x + RatesAt(s) + s.rank;
    g.c = g.b + s.state;
    g.dt = x + StepsAt(s);
    g.state = reinterpret_cast<float*>(e.State(plan, e.SequenceOf(row)) + ConvBytes(s));
    g.c0 = j % strips * kFilterStrip;
    g.c1 = std::min<size_t>(s.inner, g.c0 + kFilterStrip);
    e.kernels->mamba(g);
  }
}

OpCost ScanCost(const Engine& e, size_t layer) {
  const M& s = SpecOf(e, layer);
  return {StateBytes(s, e.decode ? e.n : 1), ScanFlops(s) * e.n};
}

// Multiplies by silu(z).
void Gate(const StageRun& r) {
  Engine& e = r.engine;
  const size_t inner = SpecOf(e, r.layer).inner;
  const Part part = PartOf(e.n, r.worker, r.workers);
  for (uint32_t i = part.begin; i < part.end; ++i) {
    float* x = e.ProjRow(e.program.layers[r.layer], i);
    e.kernels->swiglu(x + inner, x, inner, x);
  }
  e.FinishMixer(r.layer, r.worker, r.workers);
}

constexpr Stage kStages[] = {{"m1-in", 1, In, InCost},          {"m1-conv", 0, Conv, ConvCost}, {"m1-rates", 1, Rates, RatesCost},
                             {"m1-rates", 1, Steps, StepsCost}, {"m1-scan", 1, Scan, ScanCost}, {"m1-gate", 0, Gate}};
constexpr Stage kConvStages[] = {kStages[0], kStages[1], kStages[5]};

}  // namespace

const MixerKind kMambaMixer = {
    .id = Mixer::kMamba,
    .names = kNames,
    .out_stage = "m1-out",
    .out_op = "m1_out+residual",
    .starts_from_zero = true,
    .read = Read,
    .tensors = Tensors,
    .plan = Plan,
    .listed = Listed,
    .stages = kStages,
};

const MixerKind kMambaConvMixer = {
    .id = Mixer::kMambaConv,
    .names = kConvNames,
    .out_stage = "m1-out",
    .out_op = "m1_out+residual",
    .starts_from_zero = true,
    .read = ReadConv,
    .tensors = Tensors,
    .plan = Plan,
    .listed = Listed,
    .stages = kConvStages,
};

}  // namespace edgefront
