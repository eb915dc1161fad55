// Mamba-2 (arXiv 2405.21060), and its short-conv part only (m2.conv), which has no heads and no recurrence. A
// row of `proj` holds z [inner], x [inner], B and C [groups * state], dt [heads]. The convolution and the
// recurrence replace x, then the gate and the norm do. State of each sequence, in F32: the last inputs of the
// convolution, and a matrix [inner][state].
#include "infer/mixer_kind.h"
#include "infer/mixers/short_conv.h"

namespace edgefront {

extern const MixerKind kMamba2Mixer, kMamba2ConvMixer;

namespace {

using M2 = Mamba2Spec;

constexpr std::string_view kNames[] = {"m2"}, kConvNames[] = {"m2.conv"};

// Reads and checks the sizes. Without the recurrence, there are no heads and no state.
Status ReadSizes(const MetaReader& meta, uint64_t i, bool recurrent, LayerSpec* l) {
  M2& s = l->mamba2;
  const auto bad = [&](const std::string& what) { return BadModel("layer " + std::to_string(i) + ": " + what); };
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("ssm.conv_kernel", i, 1, kMaxTaps, {}, &s.taps));
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("ssm.inner_size", i, 1, kMaxFfn, {}, &s.inner));
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("ssm.group_count", i, 1, kMaxHeads, {}, &s.groups));
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("ssm.state_size", i, recurrent ? 1 : 0, recurrent ? kMaxState : 0, {}, &s.state));
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("ssm.time_step_rank", i, recurrent ? 1 : 0, recurrent ? kMaxFfn : 0, {}, &s.heads));
  if (s.inner % s.groups != 0) return bad("ssm.inner_size does not divide into its groups");
  if (!recurrent) return Status::Ok();
  if (s.inner % s.heads != 0) return bad("ssm.inner_size does not divide into its heads (ssm.time_step_rank)");
  if (s.heads % s.groups != 0) return bad("ssm.time_step_rank does not divide into its groups");
  return Status::Ok();
}

Status Read(const MetaReader& meta, const ModelSpec&, uint64_t i, std::string_view, LayerSpec* l) { return ReadSizes(meta, i, true, l); }

Status ReadConv(const MetaReader& meta, const ModelSpec&, uint64_t i, std::string_view, LayerSpec* l) {
  return ReadSizes(meta, i, false, l);
}

void Tensors(const ModelSpec& m, const LayerSpec& l, LayerTensors* out) {
  const M2& s = l.mamba2;
  const uint64_t group = s.inner / s.groups;
  out->Mixer(M2::kIn, "ssm_in", m.dim, s.projected(), "rmsnorm+quantise+m2_in");
  out->PerChannel(M2::kTaps, "ssm_conv1d.weight", s.taps, s.convolved(), WeightKind::kConv);
  out->Vector(M2::kTapsBias, "ssm_conv1d.bias", s.convolved(), 1, WeightKind::kBias);
  if (s.heads > 0) {
    out->Vector(M2::kDtBias, "ssm_dt.bias", s.heads, 1, WeightKind::kStep);
    out->PerChannel(M2::kA, "ssm_a", 1, s.heads, WeightKind::kDecay);
    out->PerChannel(M2::kD, "ssm_d", 1, s.heads, WeightKind::kNorm);
  }
  out->Vector(M2::kNorm, "ssm_norm.weight", group, s.groups, WeightKind::kNorm);
  out->Add(Role::kMixerOut, "ssm_out", s.inner, m.dim, kMamba2Mixer.out_op).col_block = group;
}

size_t ConvBytes(const M2& s) { return ShortConvBytes(s.convolved(), s.taps); }

void Plan(const ModelSpec&, const LayerSpec& l, const SessionOptions&, Program*, LayerPlan* plan) {
  const M2& s = l.mamba2;
  plan->width = s.projected();
  plan->mixed = s.inner;
  plan->seq_bytes = ConvBytes(s) + RoundUp(4 * size_t{s.inner} * s.state, 64);
}

// Bytes of the recurrent state of `sequences` sequences, read and written.
double StateBytes(const M2& s, double sequences) { return sequences * 8.0 * s.inner * s.state; }

// Counts the taps once, and the states of each sequence read and written.
ListedWork Listed(const LayerSpec& l, const LayerPlan&, const ModelSpec&, const SessionOptions& o) {
  const M2& s = l.mamba2;
  const double taps = static_cast<double>(s.taps * s.convolved()), past = static_cast<double>((s.taps - 1) * s.convolved());
  const double bytes = 4 * taps + 8.0 * o.batch * past + StateBytes(s, o.batch);
  return {s.heads > 0 ? "conv+scan+gate+norm" : "conv+gate+norm", s.state, s.inner, DType::kF32, bytes, 2 * taps + 5.0 * s.inner * s.state};
}

void In(const StageRun& r) {
  const Engine& e = r.engine;
  e.ProjectNormed(e.weights->layers[r.layer].matrices[M2::kIn], e.program.layers[r.layer], 0, r.worker, r.tickets[0]);
}

OpCost InCost(const Engine& e, size_t layer) { return e.ProductCost(e.weights->layers[layer].matrices[M2::kIn], e.n); }

void Conv(const StageRun& r) {
  const M2& s = r.engine.spec->layers[r.layer].mamba2;
  const auto& w = r.engine.weights->layers[r.layer].vectors;
  RunShortConv(r, {w[M2::kTaps], w[M2::kTapsBias], s.convolved(), s.taps, s.inner, 0});
}

OpCost ConvCost(const Engine& e, size_t layer) {
  const M2& s = e.spec->layers[layer].mamba2;
  return ShortConvCost(e, s.convolved(), s.taps);
}

// Workers draw heads of sequences.
void Scan(const StageRun& r) {
  const Engine& e = r.engine;
  const M2& s = e.spec->layers[r.layer].mamba2;
  const LayerPlan& plan = e.program.layers[r.layer];
  const auto& w = e.weights->layers[r.layer].vectors;
  const uint32_t jobs = s.heads * (e.decode ? e.n : 1);
  SsmArgs g;
  g.n = e.decode ? 1 : e.n;
  g.stride = plan.width;
  g.states = s.state;
  for (uint32_t j; (j = r.tickets[0].fetch_add(1, std::memory_order_relaxed)) < jobs;) {
    const uint32_t row = j / s.heads, head = j % s.heads, group = head / (s.heads / s.groups);
    g.channels = s.inner / s.heads;
    float* z = e.ProjRow(plan, row);
    float* state = reinterpret_cast<float*>(e.State(plan, e.SequenceOf(row)) + ConvBytes(s));
    const float *b = z + 2 * size_t{s.inner} + size_t{group} * s.state, *c = b + size_t{s.groups} * s.state;
    g.x = z + s.inner + head * g.channels;
    g.b = b;
    g.c = c;
    g.dt = z + s.inner + s.convolved() + head;
    g.dt_bias = w[M2::kDtBias][head];
    g.a = w[M2::kA][head];
    g.d = w[M2::kD][head];
    g.state = state + head * g.channels * s.state;
    e.kernels->ssm(g);
  }
}

OpCost ScanCost(const Engine& e, size_t layer) {
  const M2& s = e.spec->layers[layer].mamba2;
  return {StateBytes(s, e.decode ? e.n : 1), 5.0 * s.inner * s.state * e.n};
}

// Multiplies by silu(z), then normalises each group of channels.
void GateNorm(const StageRun& r) {
  Engine& e = r.engine;
  const M2& s = e.spec->layers[r.layer].mamba2;
  const LayerPlan& plan = e.program.layers[r.layer];
  const float* weight = e.weights->layers[r.layer].vectors[M2::kNorm];
  const size_t group = s.inner / s.groups;
  const Part part = PartOf(e.n, r.worker, r.workers);
  for (uint32_t i = part.begin; i < part.end; ++i) {
    float *z = e.ProjRow(plan, i), *x = z + s.inner;
    e.kernels->swiglu(z, x, s.inner, x);
    for (size_t c = 0; c < s.inner; c += group) e.kernels->rmsnorm(x + c, weight + c, group, e.spec->eps, x + c);
  }
  e.FinishMixer(r.layer, r.worker, r.workers);
}

constexpr Stage kStages[] = {
    {"m2-in", 1, In, InCost}, {"m2-conv", 0, Conv, ConvCost}, {"m2-scan", 1, Scan, ScanCost}, {"m2-norm", 0, GateNorm}};
constexpr Stage kConvStages[] = {kStages[0], kStages[1], kStages[3]};

}  // namespace

const MixerKind kMamba2Mixer = {
    .id = Mixer::kMamba2,
    .names = kNames,
    .out_stage = "m2-out",
    .out_op = "m2_out+residual",
    .starts_from_zero = true,
    .read = Read,
    .tensors = Tensors,
    .plan = Plan,
    .listed = Listed,
    .stages = kStages,
};

const MixerKind kMamba2ConvMixer = {
    .id = Mixer::kMamba2Conv,
    .names = kConvNames,
    .out_stage = "m2-out",
    .out_op = "m2_out+residual",
    .starts_from_zero = true,
    .read = ReadConv,
    .tensors = Tensors,
    .plan = Plan,
    .listed = Listed,
    .stages = kConvStages,
};

}  // namespace edgefront
