// The CfC cell (arXiv 2106.13898) with all widths d: z = 1.7159 tanh(0.666 (in(x) + state(h) + bias)); f1 =
// tanh(f1(z)), f2 = tanh(f2(z)), t = sigmoid(time_a(z) + time_b(z)); h <- f1 (1 - t) + f2 t. A row of `proj`
// holds in(x) [d], which h replaces. A token needs the h of the token before it, so one worker takes all
// tokens of a sequence. State of each sequence, in F32: h [d].
#include "infer/engine.h"
#include "infer/mixer_kind.h"
#include "ops/cfc/cell.h"

namespace edgefront {

extern const MixerKind kCfcMixer;

namespace {

using C = CfcSpec;

constexpr std::string_view kNames[] = {"cfc"};

Status Read(const MetaReader&, const ModelSpec&, uint64_t, std::string_view, LayerSpec*) { return Status::Ok(); }

void Tensors(const ModelSpec& m, const LayerSpec&, LayerTensors* out) {
  const uint64_t d = m.dim;
  const auto inner = [&](C::Slot slot, const char* name) { out->Inner(slot, name, d, d, name).exact = true; };
  const auto bias = [&](C::Slot slot, const char* name) { out->Vector(slot, name, d, 1, WeightKind::kBias); };
  out->Mixer(C::kIn, "cfc.in", d, d, "rmsnorm+quantise+cfc_in");
  bias(C::kInBias, "cfc.in.bias");
  inner(C::kState, "cfc.state");
  inner(C::kF1, "cfc.f1");
  bias(C::kF1Bias, "cfc.f1.bias");
  inner(C::kF2, "cfc.f2");
  bias(C::kF2Bias, "cfc.f2.bias");
  inner(C::kTimeA, "cfc.time_a");
  bias(C::kTimeABias, "cfc.time_a.bias");
  inner(C::kTimeB, "cfc.time_b");
  bias(C::kTimeBBias, "cfc.time_b.bias");
  out->Add(Role::kMixerOut, "cfc.out", d, d, kCfcMixer.out_op);
}

void Plan(const ModelSpec& m, const LayerSpec&, const SessionOptions&, Program* program, LayerPlan* plan) {
  plan->width = m.dim;
  plan->mixed = 0;
  plan->seq_bytes = RoundUp(4 * size_t{m.dim}, 64);
  program->Scratch(5 * 4 * size_t{m.dim});
}

// The five products are counted by their own lines.
ListedWork Listed(const LayerSpec&, const LayerPlan&, const ModelSpec& m, const SessionOptions& o) {
  return {"cfc", m.dim, m.dim, DType::kF32, 8.0 * o.batch * m.dim, 20.0 * m.dim};
}

void In(const StageRun& r) {
  const Engine& e = r.engine;
  e.ProjectNormed(e.weights->layers[r.layer].matrices[C::kIn], e.program.layers[r.layer], 0, r.worker, r.tickets[0]);
}

OpCost InCost(const Engine& e, size_t layer) { return e.ProductCost(e.weights->layers[layer].matrices[C::kIn], e.n); }

// Computes out [rows] = w in + bias, on one worker. `bias` may be null: then the product is added to `out`.
void Multiply(const StageRun& r, C::Slot slot, const float* in, const float* bias, float* out) {
  const Engine& e = r.engine;
  const Matrix& w = e.weights->layers[r.layer].matrices[slot];
  float* tile = reinterpret_cast<float*>(e.Scratch(r.worker) + e.program.tile_at);
  Activations a;
  a.f32 = in;
  a.stride = w.k;
  e.MulPanels(w, 0, w.panels(), a, 0, 1, tile, [=](uint32_t, size_t row, const float* v, size_t count) {
    for (size_t i = 0; i < count; ++i) out[row + i] = v[i] + (bias != nullptr ? bias[row + i] : out[row + i]);
  });
}

// Advances h [d] by one token, whose in(x) [d] becomes h.
void Advance(const StageRun& r, float* x, float* h) {
  const Engine& e = r.engine;
  const size_t d = e.spec->dim;
  const auto& w = e.weights->layers[r.layer].vectors;
  float* z = reinterpret_cast<float*>(e.Scratch(r.worker) + e.program.mixer_at);
  float *f1 = z + d, *f2 = f1 + d, *a = f2 + d, *b = a + d;
  Multiply(r, C::kState, h, nullptr, x);
  for (size_t i = 0; i < d; ++i) z[i] = CfcBackbone(x[i] + w[C::kInBias][i]);
  Multiply(r, C::kF1, z, w[C::kF1Bias], f1);
  Multiply(r, C::kF2, z, w[C::kF2Bias], f2);
  Multiply(r, C::kTimeA, z, w[C::kTimeABias], a);
  Multiply(r, C::kTimeB, z, w[C::kTimeBBias], b);
  for (size_t i = 0; i < d; ++i) x[i] = h[i] = CfcMix(std::tanh(f1[i]), std::tanh(f2[i]), CfcGate(a[i] + b[i]));
}

// Workers draw sequences.
void Cell(const StageRun& r) {
  Engine& e = r.engine;
  const LayerPlan& plan = e.program.layers[r.layer];
  const uint32_t sequences = e.decode ? e.n : 1, tokens = e.decode ? 1 : e.n;
  for (uint32_t s; (s = r.tickets[0].fetch_add(1, std::memory_order_relaxed)) < sequences;) {
    float* h = reinterpret_cast<float*>(e.State(plan, e.SequenceOf(s)));
    for (uint32_t t = 0; t < tokens; ++t) Advance(r, e.ProjRow(plan, s + t), h);
  }
}

OpCost CellCost(const Engine& e, size_t layer) {
  const auto& w = e.weights->layers[layer].matrices;
  const double d = e.spec->dim;
  OpCost cost{8 * d * (e.decode ? e.n : 1), 20 * d * e.n};
  for (const C::Slot slot : {C::kState, C::kF1, C::kF2, C::kTimeA, C::kTimeB}) cost = cost + e.ProductCost(w[slot], e.n);
  return cost;
}

void Finish(const StageRun& r) { r.engine.FinishMixer(r.layer, r.worker, r.workers); }

constexpr Stage kStages[] = {{"cfc-in", 1, In, InCost}, {"cfc", 1, Cell, CellCost}, {"cfc-round", 0, Finish}};

}  // namespace

const MixerKind kCfcMixer = {
    .id = Mixer::kCfc,
    .names = kNames,
    .out_stage = "cfc-out",
    .out_op = "cfc_out+residual",
    .starts_from_zero = true,
    .read = Read,
    .tensors = Tensors,
    .plan = Plan,
    .listed = Listed,
    .stages = kStages,
};

}  // namespace edgefront
