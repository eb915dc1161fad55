// Gated linear attention (arXiv 2312.06635): a state for each head that decays by sigmoid(f_b f_a x + b)^(1/16), one
// factor for each key channel; then norm over the head, times silu(gate(x)). A row of `proj` holds q and k
// [key_width], v [value_width], the gate z [value_width], the decays [key_width] and their rank. Outputs replace v.
#include "infer/mixer_kind.h"
#include "infer/mixers/state_heads.h"
#include "ops/delta/rates.h"

namespace edgefront {

extern const MixerKind kGlaMixer;

namespace {

constexpr std::string_view kNames[] = {"gla"};

constexpr uint32_t kDecayRank = 16;  // of f_a and f_b, as in the paper

Status Read(const MetaReader& meta, const ModelSpec&, uint64_t i, std::string_view, LayerSpec* l) {
  EDGEFRONT_RETURN_IF_ERROR(ReadValueHeads(meta, i, &l->linear.heads, &l->linear.value_dim));
  return meta.Int("ssm.state_size", i, 1, kMaxHeadDim, {}, &l->linear.key_dim);
}

void Tensors(const ModelSpec& m, const LayerSpec& l, LayerTensors* out) {
  using L = LinearSpec;
  const L& s = l.linear;
  out->Mixer(L::kIn, "attn_qkv", m.dim, s.channels(), "rmsnorm+quantise+gla_in");
  out->Mixer(L::kGate, "attn_gate", m.dim, s.value_width(), "gla_gate").row_block = s.value_dim;
  out->Mixer(L::kDecayA, "ssm_f_a", m.dim, kDecayRank, "gla_decay_a");
  out->Inner(L::kDecayB, "ssm_f_b", kDecayRank, s.key_width(), "gla_decay_b").row_block = s.key_dim;
  out->Vector(L::kDecayBias, "ssm_f_b.bias", s.key_width(), 1, WeightKind::kBias).col_block = s.key_dim;
  out->Norm(Role::kMixer, "ssm_norm", s.value_dim, L::kNorm);
  out->Add(Role::kMixerOut, "ssm_out", s.value_width(), m.dim, kGlaMixer.out_op).col_block = s.value_dim;
}

// Columns of a row of `proj`.
size_t GateAt(const LinearSpec& s) { return s.channels(); }
size_t DecayAt(const LinearSpec& s) { return GateAt(s) + s.value_width(); }
size_t RankAt(const LinearSpec& s) { return DecayAt(s) + s.key_width(); }

StateHeads HeadsOf(const LinearSpec& s) {
  StateHeads h = QkvHeads(s.heads, s.heads, s.key_dim, s.value_dim);
  h.decay = DecayAt(s);
  h.per_channel = true;
  return h;
}

const LinearSpec& SpecOf(const Engine& e, size_t layer) { return e.spec->layers[layer].linear; }

void Plan(const ModelSpec&, const LayerSpec& l, const SessionOptions&, Program*, LayerPlan* plan) {
  const LinearSpec& s = l.linear;
  plan->width = RankAt(s) + kDecayRank;
  plan->mixed = 2 * s.key_width();
  plan->seq_bytes = StateBytes(HeadsOf(s));
}

// The state of each sequence is read and written.
ListedWork Listed(const LayerSpec& l, const LayerPlan&, const ModelSpec&, const SessionOptions& o) {
  const LinearSpec& s = l.linear;
  const double state = static_cast<double>(s.key_width()) * s.value_dim;
  return {"gated_attention+norm+gate", s.key_dim, s.value_width(), DType::kF32, 8 * state * o.batch, 5 * state};
}

void In(const StageRun& r) {
  const Engine& e = r.engine;
  const LinearSpec& s = SpecOf(e, r.layer);
  const LayerPlan& plan = e.program.layers[r.layer];
  const auto& w = e.weights->layers[r.layer].matrices;
  e.ProjectNormed(w[LinearSpec::kIn], plan, 0, r.worker, r.tickets[0]);
  e.ProjectNormed(w[LinearSpec::kGate], plan, GateAt(s), r.worker, r.tickets[1]);
  e.ProjectNormed(w[LinearSpec::kDecayA], plan, RankAt(s), r.worker, r.tickets[2]);
}

OpCost InCost(const Engine& e, size_t layer) {
  const auto& w = e.weights->layers[layer].matrices;
  return e.ProductCost(w[LinearSpec::kIn], e.n) + e.ProductCost(w[LinearSpec::kGate], e.n) + e.ProductCost(w[LinearSpec::kDecayA], e.n);
}

void Decays(const StageRun& r) {
  const LinearSpec& s = SpecOf(r.engine, r.layer);
  r.engine.ProjectInner(r, r.engine.weights->layers[r.layer].matrices[LinearSpec::kDecayB], RankAt(s), DecayAt(s));
}

OpCost DecaysCost(const Engine& e, size_t layer) { return e.ProductCost(e.weights->layers[layer].matrices[LinearSpec::kDecayB], e.n); }

void Keys(const StageRun& r) {
  const Engine& e = r.engine;
  const LinearSpec& s = SpecOf(e, r.layer);
  const LayerPlan& plan = e.program.layers[r.layer];
  const float *bias = e.weights->layers[r.layer].vectors[LinearSpec::kDecayBias], scale = 1.0f / std::sqrt(static_cast<float>(s.key_dim));
  const Part part = PartOf(e.n, r.worker, r.workers);
  for (uint32_t i = part.begin; i < part.end; ++i) {
    float* row = e.ProjRow(plan, i);
    e.kernels->decays(bias, -1.0f, kGlaRate, s.key_width(), row + DecayAt(s));
    for (size_t j = 0; j < s.key_width(); ++j) row[j] *= scale;
  }
}

void State(const StageRun& r) { RunStates(r, HeadsOf(SpecOf(r.engine, r.layer))); }

OpCost StateCost(const Engine& e, size_t layer) { return StatesCost(e, HeadsOf(SpecOf(e, layer)), 5); }

void Gate(const StageRun& r) {
  const Engine& e = r.engine;
  const LinearSpec& s = SpecOf(e, r.layer);
  GateHeads(r, HeadsOf(s), e.weights->layers[r.layer].vectors[LinearSpec::kNorm], GateAt(s), e.kernels->swiglu);
}

constexpr Stage kStages[] = {{"gla-in", 3, In, InCost},
                             {"gla-decays", 1, Decays, DecaysCost},
                             {"gla-keys", 0, Keys},
                             {"gla-state", 1, State, StateCost},
                             {"gla-gate", 0, Gate}};

}  // namespace

const MixerKind kGlaMixer = {
    .id = Mixer::kGla,
    .names = kNames,
    .out_stage = "gla-out",
    .out_op = "gla_out+residual",
    .starts_from_zero = true,
    .read = Read,
    .tensors = Tensors,
    .plan = Plan,
    .listed = Listed,
    .stages = kStages,
};

}  // namespace edgefront
