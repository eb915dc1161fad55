// Linear attention (arXiv 2006.16236). With f(x) = elu(x) + 1, a head's state sums f(k) v^T, a vector sums f(k),
// and the output is (f(q)^T state) / (f(q) . sum). A row of `proj` holds q, k and v [width each], and for each head
// the divisor. Outputs replace v. The state of a sequence holds the heads' states, then the sums [heads][head_dim].
#include "infer/mixer_kind.h"
#include "infer/mixers/state_heads.h"
#include "ops/delta/rates.h"

namespace edgefront {

extern const MixerKind kLinMixer;

namespace {

constexpr std::string_view kNames[] = {"lin"};

Status Read(const MetaReader& meta, const ModelSpec&, uint64_t i, std::string_view, LayerSpec* l) {
  LinearSpec& s = l->linear;
  EDGEFRONT_RETURN_IF_ERROR(ReadValueHeads(meta, i, &s.heads, &s.value_dim));
  s.key_dim = s.value_dim;
  return Status::Ok();
}

void Tensors(const ModelSpec& m, const LayerSpec& l, LayerTensors* out) {
  const LinearSpec& s = l.linear;
  out->Mixer(LinearSpec::kIn, "attn_qkv", m.dim, s.channels(), "rmsnorm+quantise+lin_in");
  out->Add(Role::kMixerOut, "attn_output", s.value_width(), m.dim, kLinMixer.out_op).col_block = s.value_dim;
}

StateHeads HeadsOf(const LinearSpec& s) { return QkvHeads(s.heads, s.heads, s.key_dim, s.value_dim); }

const LinearSpec& SpecOf(const Engine& e, size_t layer) { return e.spec->layers[layer].linear; }

void Plan(const ModelSpec&, const LayerSpec& l, const SessionOptions&, Program*, LayerPlan* plan) {
  const LinearSpec& s = l.linear;
  plan->width = s.channels() + s.heads;
  plan->mixed = 2 * s.key_width();
  plan->seq_bytes = StateBytes(HeadsOf(s)) + RoundUp(4 * s.key_width(), 64);
}

// The state of each sequence is read and written.
ListedWork Listed(const LayerSpec& l, const LayerPlan&, const ModelSpec&, const SessionOptions& o) {
  const LinearSpec& s = l.linear;
  const double width = static_cast<double>(s.key_width()), state = width * (s.value_dim + 1);
  return {"linear_attention", s.key_dim, s.value_width(), DType::kF32, 8 * state * o.batch, width * (4.0 * s.value_dim + 3)};
}

void In(const StageRun& r) {
  const Engine& e = r.engine;
  e.ProjectNormed(e.weights->layers[r.layer].matrices[LinearSpec::kIn], e.program.layers[r.layer], 0, r.worker, r.tickets[0]);
}

OpCost InCost(const Engine& e, size_t layer) { return e.ProductCost(e.weights->layers[layer].matrices[LinearSpec::kIn], e.n); }

void Keys(const StageRun& r) {
  const Engine& e = r.engine;
  const LayerPlan& plan = e.program.layers[r.layer];
  const size_t columns = 2 * SpecOf(e, r.layer).key_width();
  const Part part = PartOf(e.n, r.worker, r.workers);
  for (uint32_t i = part.begin; i < part.end; ++i) e.kernels->elu_plus_one(e.ProjRow(plan, i), columns);
}

// Adds k [n] to the sum and returns its product with q, in eight partial sums that compilers vectorise.
float AddAndDot(const float* k, const float* q, size_t n, float* sum) {
  float parts[8] = {};
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (size_t j = 0; j < 8; ++j) {
      sum[i + j] += k[i + j];
      parts[j] += sum[i + j] * q[i + j];
    }
  }
  float total = 0;
  for (; i < n; ++i) {
    sum[i] += k[i];
    total += sum[i] * q[i];
  }
  for (const float part : parts) total += part;
  return total;
}

// Workers take heads.
void Sums(const StageRun& r) {
  const Engine& e = r.engine;
  const LinearSpec& s = SpecOf(e, r.layer);
  const LayerPlan& plan = e.program.layers[r.layer];
  const size_t tokens = e.decode ? 1 : e.n;
  const Part part = PartOf((e.decode ? e.n : 1) * uint64_t{s.heads}, r.worker, r.workers);
  for (uint64_t j = part.begin; j < part.end; ++j) {
    const uint32_t i = static_cast<uint32_t>(j / s.heads);
    const size_t head = j % s.heads, at = head * s.key_dim;
    float* sum = reinterpret_cast<float*>(e.State(plan, e.SequenceOf(i)) + StateBytes(HeadsOf(s))) + at;
    for (size_t t = 0; t < tokens; ++t) {
      float* row = e.ProjRow(plan, static_cast<uint32_t>(i + t));
      row[s.channels() + head] = AddAndDot(row + s.key_width() + at, row + at, s.key_dim, sum) + kDivisorEpsilon;
    }
  }
}

void State(const StageRun& r) { RunStates(r, HeadsOf(SpecOf(r.engine, r.layer))); }

OpCost StateCost(const Engine& e, size_t layer) { return StatesCost(e, HeadsOf(SpecOf(e, layer)), 4); }

void Divide(const StageRun& r) {
  Engine& e = r.engine;
  const LinearSpec& s = SpecOf(e, r.layer);
  const LayerPlan& plan = e.program.layers[r.layer];
  const Part part = PartOf(e.n, r.worker, r.workers);
  for (uint32_t i = part.begin; i < part.end; ++i) {
    float* row = e.ProjRow(plan, i);
    for (size_t h = 0; h < s.heads; ++h) {
      float* o = row + plan.mixed + h * s.value_dim;
      for (size_t c = 0; c < s.value_dim; ++c) o[c] /= row[s.channels() + h];
    }
  }
  e.FinishMixer(r.layer, r.worker, r.workers);
}

constexpr Stage kStages[] = {
    {"lin-in", 1, In, InCost}, {"lin-keys", 0, Keys}, {"lin-sums", 0, Sums}, {"lin-state", 1, State, StateCost}, {"lin-divide", 0, Divide}};

}  // namespace

const MixerKind kLinMixer = {
    .id = Mixer::kLin,
    .names = kNames,
    .out_stage = "lin-out",
    .out_op = "lin_out+residual",
    .starts_from_zero = true,
    .read = Read,
    .tensors = Tensors,
    .plan = Plan,
    .listed = Listed,
    .stages = kStages,
};

}  // namespace edgefront
