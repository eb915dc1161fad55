// Kimi Delta Attention (arXiv 2510.26692) and its short-convolution part. q, k, v = silu(conv(in(x))). The state of
// a head decays by a factor for each key channel, is corrected by the delta rule and read by q; then norm over the
// head, times sigmoid(z). Decays and z come from low-rank products. The short-convolution part passes v directly
// to the norm.
//
// A row of `proj` holds q and k [key_width], v [value_width], z [value_width], the rank of z [value_dim], then the
// decays [key_width] and their rank [value_dim], and for each head the rate and k . q. Outputs replace v. The state
// of a sequence holds the heads' states, then the inputs of the convolution.
#include "infer/mixer_kind.h"
#include "infer/mixers/short_conv.h"
#include "infer/mixers/state_heads.h"
#include "ops/delta/rates.h"

namespace edgefront {

extern const MixerKind kKdaMixer, kKdaConvMixer;

namespace {

using L = LinearSpec;

constexpr std::string_view kNames[] = {"kda"}, kConvNames[] = {"kda.conv"};

Status ReadConv(const MetaReader& meta, const ModelSpec&, uint64_t i, std::string_view, LayerSpec* l) {
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("ssm.conv_kernel", i, 1, kMostConvTaps, {}, &l->linear.taps));
  return ReadValueHeads(meta, i, &l->linear.heads, &l->linear.value_dim);
}

Status Read(const MetaReader& meta, const ModelSpec& m, uint64_t i, std::string_view name, LayerSpec* l) {
  EDGEFRONT_RETURN_IF_ERROR(ReadConv(meta, m, i, name, l));
  l->linear.key_dim = l->linear.value_dim;
  return Status::Ok();
}

void Tensors(const ModelSpec& m, const LayerSpec& l, LayerTensors* out) {
  const L& s = l.linear;
  const uint64_t d = m.dim, rank = s.value_dim, width = s.value_width();
  const bool recurrent = s.key_dim > 0;
  out->Mixer(L::kIn, recurrent ? "attn_qkv" : "attn_v", d, s.channels(), "rmsnorm+quantise+kda_in");
  out->PerChannel(L::kTaps, "ssm_conv1d.weight", s.taps, s.channels(), WeightKind::kConv);
  if (recurrent) {
    out->Mixer(L::kBeta, "ssm_beta", d, s.heads, "kda_beta");
    out->Mixer(L::kDecayA, "ssm_f_a", d, rank, "kda_decay_a");
    out->Inner(L::kDecayB, "ssm_f_b", rank, width, "kda_decay_b").row_block = s.key_dim;
    out->Vector(L::kDecayBias, "ssm_dt.bias", width, 1, WeightKind::kStep).col_block = s.key_dim;
    out->Vector(L::kRate, "ssm_a", s.heads, 1, WeightKind::kDecay);
  }
  out->Mixer(L::kGateA, "ssm_g_a", d, rank, "kda_gate_a");
  out->Inner(L::kGateB, "ssm_g_b", rank, width, "kda_gate_b").row_block = s.value_dim;
  out->Norm(Role::kMixer, "ssm_norm", s.value_dim, L::kNorm);
  out->Add(Role::kMixerOut, "ssm_out", width, d, kKdaMixer.out_op).col_block = s.value_dim;
}

// Columns of a row of `proj`.
size_t GateAt(const L& s) { return s.channels(); }
size_t GateRankAt(const L& s) { return GateAt(s) + s.value_width(); }
size_t DecayAt(const L& s) { return GateRankAt(s) + s.value_dim; }
size_t DecayRankAt(const L& s) { return DecayAt(s) + s.key_width(); }
size_t RateAt(const L& s) { return DecayRankAt(s) + s.value_dim; }

StateHeads HeadsOf(const L& s) {
  StateHeads h = QkvHeads(s.heads, s.heads, s.key_dim, s.value_dim);
  h.decay = DecayAt(s);
  h.per_channel = true;
  h.rate = RateAt(s);
  h.key_query = h.rate + s.heads;
  return h;
}

const L& SpecOf(const Engine& e, size_t layer) { return e.spec->layers[layer].linear; }
const Matrix& MatrixOf(const Engine& e, size_t layer, L::Slot slot) { return e.weights->layers[layer].matrices[slot]; }

void Plan(const ModelSpec&, const LayerSpec& l, const SessionOptions&, Program*, LayerPlan* plan) {
  const L& s = l.linear;
  plan->width = s.key_dim > 0 ? RateAt(s) + 2 * s.heads : DecayAt(s);
  plan->mixed = 2 * s.key_width();
  plan->seq_bytes = StateBytes(HeadsOf(s)) + ShortConvBytes(s.channels(), s.taps);
}

// Counts the taps once. The state of each sequence is read and written.
ListedWork Listed(const LayerSpec& l, const LayerPlan&, const ModelSpec&, const SessionOptions& o) {
  const L& s = l.linear;
  const double channels = static_cast<double>(s.channels()), taps = s.taps;
  const double state = static_cast<double>(s.key_width()) * s.value_dim;
  return {
      s.key_dim > 0 ? "conv+delta_rule+norm+gate" : "conv+norm+gate",      s.key_dim > 0 ? s.key_dim : s.taps, s.value_width(), DType::kF32,
      4 * taps * channels + 8 * o.batch * (state + (taps - 1) * channels), 7 * state + 2 * taps * channels};
}

// The places of the products of the normalised input: matrix by matrix, its slot and its column.
struct Product {
  L::Slot slot;
  size_t column;
};
std::array<Product, 4> ProductsOf(const L& s) {
  return {{{L::kIn, 0}, {L::kGateA, GateRankAt(s)}, {L::kDecayA, DecayRankAt(s)}, {L::kBeta, RateAt(s)}}};
}
size_t CountOf(const L& s) { return s.key_dim > 0 ? 4 : 2; }  // the short-convolution part has the first two

void In(const StageRun& r) {
  const Engine& e = r.engine;
  const L& s = SpecOf(e, r.layer);
  for (size_t i = 0; i < CountOf(s); ++i) {
    const auto [slot, column] = ProductsOf(s)[i];
    e.ProjectNormed(MatrixOf(e, r.layer, slot), e.program.layers[r.layer], column, r.worker, r.tickets[i]);
  }
}

OpCost InCost(const Engine& e, size_t layer) {
  const L& s = SpecOf(e, layer);
  OpCost cost;
  for (size_t i = 0; i < CountOf(s); ++i) cost = cost + e.ProductCost(MatrixOf(e, layer, ProductsOf(s)[i].slot), e.n);
  return cost;
}

void Conv(const StageRun& r) {
  const Engine& e = r.engine;
  const L& s = SpecOf(e, r.layer);
  RunShortConv(r, {e.weights->layers[r.layer].vectors[L::kTaps], nullptr, s.channels(), s.taps, 0, StateBytes(HeadsOf(s))});
}

OpCost ConvCost(const Engine& e, size_t layer) {
  const L& s = SpecOf(e, layer);
  return ShortConvCost(e, s.channels(), s.taps);
}

void Decays(const StageRun& r) {
  const L& s = SpecOf(r.engine, r.layer);
  r.engine.ProjectInner(r, MatrixOf(r.engine, r.layer, L::kDecayB), DecayRankAt(s), DecayAt(s));
}

OpCost DecaysCost(const Engine& e, size_t layer) { return e.ProductCost(MatrixOf(e, layer, L::kDecayB), e.n); }

void Gates(const StageRun& r) {
  const L& s = SpecOf(r.engine, r.layer);
  r.engine.ProjectInner(r, MatrixOf(r.engine, r.layer, L::kGateB), GateRankAt(s), GateAt(s));
}

OpCost GatesCost(const Engine& e, size_t layer) { return e.ProductCost(MatrixOf(e, layer, L::kGateB), e.n); }

// Normalises queries and keys, and computes rates and decays.
void Keys(const StageRun& r) {
  const Engine& e = r.engine;
  const L& s = SpecOf(e, r.layer);
  const LayerPlan& plan = e.program.layers[r.layer];
  const auto& w = e.weights->layers[r.layer].vectors;
  const Part part = PartOf(e.n, r.worker, r.workers);
  for (uint32_t i = part.begin; i < part.end; ++i) {
    float *row = e.ProjRow(plan, i), *rate = row + RateAt(s);
    UnitKeys(HeadsOf(s), row);
    for (uint32_t h = 0; h < s.heads; ++h) {
      const size_t at = size_t{h} * s.key_dim;
      rate[h] = Sigmoid(rate[h]);
      e.kernels->decays(w[L::kDecayBias] + at, 1.0f, w[L::kRate][h], s.key_dim, row + DecayAt(s) + at);
    }
  }
}

void State(const StageRun& r) { RunStates(r, HeadsOf(SpecOf(r.engine, r.layer))); }

OpCost StateCost(const Engine& e, size_t layer) { return StatesCost(e, HeadsOf(SpecOf(e, layer)), 7); }

void Gate(const StageRun& r) {
  const Engine& e = r.engine;
  const L& s = SpecOf(e, r.layer);
  GateHeads(r, HeadsOf(s), e.weights->layers[r.layer].vectors[L::kNorm], GateAt(s), e.kernels->sigmoid_gate);
}

constexpr Stage kStages[] = {{"kda-in", 4, In, InCost},
                             {"kda-conv", 0, Conv, ConvCost},
                             {"kda-decays", 1, Decays, DecaysCost},
                             {"kda-gates", 1, Gates, GatesCost},
                             {"kda-keys", 0, Keys},
                             {"kda-state", 1, State, StateCost},
                             {"kda-gate", 0, Gate}};
constexpr Stage kConvStages[] = {kStages[0], kStages[1], kStages[3], kStages[6]};

}  // namespace

const MixerKind kKdaMixer = {
    .id = Mixer::kKda,
    .names = kNames,
    .out_stage = "kda-out",
    .out_op = "kda_out+residual",
    .starts_from_zero = true,
    .read = Read,
    .tensors = Tensors,
    .plan = Plan,
    .listed = Listed,
    .stages = kStages,
};

const MixerKind kKdaConvMixer = {
    .id = Mixer::kKdaConv,
    .names = kConvNames,
    .out_stage = "kda-out",
    .out_op = "kda_out+residual",
    .starts_from_zero = true,
    .read = ReadConv,
    .tensors = Tensors,
    .plan = Plan,
    .listed = Listed,
    .stages = kConvStages,
};

}  // namespace edgefront
