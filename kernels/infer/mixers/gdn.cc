// Gated DeltaNet (arXiv 2412.06464) and its short-convolution part. q, k, v = silu(conv(in(x))), z = gate(x).
// The state of a head decays, is corrected by the delta rule and read by q; then norm over the head, times
// silu(z). The short-convolution part passes v directly to the norm.
//
// A row of `proj` holds q and k [key_width], v [value_width], z [value_width], then for each value head beta
// (later the rate) and alpha (later the decay), and for each key head k . q. Outputs replace v. The state of a
// sequence holds the heads' states, then the inputs of the convolution.
#include "infer/mixer_kind.h"
#include "infer/mixers/short_conv.h"
#include "infer/mixers/state_heads.h"
#include "ops/delta/rates.h"

namespace edgefront {

extern const MixerKind kGdnMixer, kGdnConvMixer;

namespace {

constexpr std::string_view kNames[] = {"gdn"}, kConvNames[] = {"gdn.conv"};

Status ReadValues(const MetaReader& meta, uint64_t i, GdnSpec* g) {
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("ssm.conv_kernel", i, 1, kMostConvTaps, {}, &g->taps));
  return ReadValueHeads(meta, i, &g->value_heads, &g->value_dim);
}

Status ReadConv(const MetaReader& meta, const ModelSpec&, uint64_t i, std::string_view, LayerSpec* l) {
  return ReadValues(meta, i, &l->gdn);
}

Status Read(const MetaReader& meta, const ModelSpec&, uint64_t i, std::string_view, LayerSpec* l) {
  GdnSpec& g = l->gdn;
  EDGEFRONT_RETURN_IF_ERROR(ReadValues(meta, i, &g));
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("ssm.group_count", i, 1, kMaxHeads, {}, &g.key_heads));
  EDGEFRONT_RETURN_IF_ERROR(meta.Int("ssm.state_size", i, 1, kMaxHeadDim, {}, &g.key_dim));
  if (g.value_heads % g.key_heads != 0) {
    return BadModel("layer " + std::to_string(i) + ": " + std::to_string(g.value_heads) + " value heads do not share " +
                    std::to_string(g.key_heads) + " key heads evenly");
  }
  return Status::Ok();
}

void Tensors(const ModelSpec& m, const LayerSpec& l, LayerTensors* out) {
  using G = GdnSpec;
  const G& g = l.gdn;
  const uint64_t d = m.dim;
  const bool recurrent = g.key_heads > 0;
  out->Mixer(G::kIn, recurrent ? "attn_qkv" : "attn_v", d, g.channels(), "rmsnorm+quantise+gdn_in");
  out->Mixer(G::kGate, "attn_gate", d, g.value_width(), "gdn_gate").row_block = g.value_dim;
  if (recurrent) {
    out->Mixer(G::kBeta, "ssm_beta", d, g.value_heads, "gdn_beta");
    out->Mixer(G::kAlpha, "ssm_alpha", d, g.value_heads, "gdn_alpha");
    out->Vector(G::kStep, "ssm_dt.bias", g.value_heads, 1, WeightKind::kStep);
    out->Vector(G::kDecay, "ssm_a", g.value_heads, 1, WeightKind::kWideDecay);
  }
  out->PerChannel(G::kTaps, "ssm_conv1d.weight", g.taps, g.channels(), WeightKind::kConv);
  out->Norm(Role::kMixer, "ssm_norm", g.value_dim, G::kNorm);
  out->Add(Role::kMixerOut, "ssm_out", g.value_width(), d, "gdn_out+residual").col_block = g.value_dim;
}

// Columns of a row of `proj`.
size_t ValueAt(const GdnSpec& g) { return 2 * g.key_width(); }
size_t GateAt(const GdnSpec& g) { return g.channels(); }
size_t RateAt(const GdnSpec& g) { return GateAt(g) + g.value_width(); }
size_t DecayAt(const GdnSpec& g) { return RateAt(g) + g.value_heads; }
size_t KeyQueryAt(const GdnSpec& g) { return DecayAt(g) + g.value_heads; }

StateHeads HeadsOf(const GdnSpec& g) {
  StateHeads s = QkvHeads(g.value_heads, g.key_heads, g.key_dim, g.value_dim);
  s.decay = DecayAt(g);
  s.rate = RateAt(g);
  s.key_query = KeyQueryAt(g);
  return s;
}

void Plan(const ModelSpec&, const LayerSpec& l, const SessionOptions&, Program*, LayerPlan* plan) {
  const GdnSpec& g = l.gdn;
  plan->width = g.key_heads > 0 ? KeyQueryAt(g) + g.key_heads : RateAt(g);
  plan->mixed = ValueAt(g);
  plan->seq_bytes = StateBytes(HeadsOf(g)) + ShortConvBytes(g.channels(), g.taps);
}

// Counts the taps once. The state of each sequence is read and written.
ListedWork Listed(const LayerSpec& l, const LayerPlan&, const ModelSpec&, const SessionOptions& o) {
  const GdnSpec& g = l.gdn;
  const double channels = static_cast<double>(g.channels()), taps = g.taps;
  const double state = static_cast<double>(g.key_dim) * static_cast<double>(g.value_width());
  const double moved = 2.0 * (state + (taps - 1) * channels);
  return {g.key_heads > 0 ? "conv+delta_rule+norm+gate" : "conv+norm+gate",
          g.key_heads > 0 ? g.key_dim : g.taps,
          g.value_width(),
          DType::kF32,
          4 * (taps * channels + o.batch * moved),
          7 * state + 2 * taps * channels};
}

const GdnSpec& SpecOf(const Engine& e, size_t layer) { return e.spec->layers[layer].gdn; }

void In(const StageRun& r) {
  const Engine& e = r.engine;
  const GdnSpec& g = SpecOf(e, r.layer);
  const LayerPlan& plan = e.program.layers[r.layer];
  const auto& w = e.weights->layers[r.layer].matrices;
  e.ProjectNormed(w[GdnSpec::kIn], plan, 0, r.worker, r.tickets[0]);
  e.ProjectNormed(w[GdnSpec::kGate], plan, GateAt(g), r.worker, r.tickets[1]);
  if (g.key_heads == 0) return;
  e.ProjectNormed(w[GdnSpec::kBeta], plan, RateAt(g), r.worker, r.tickets[2]);
  e.ProjectNormed(w[GdnSpec::kAlpha], plan, DecayAt(g), r.worker, r.tickets[3]);
}

OpCost InCost(const Engine& e, size_t layer) {
  const auto& w = e.weights->layers[layer].matrices;
  const OpCost values = e.ProductCost(w[GdnSpec::kIn], e.n) + e.ProductCost(w[GdnSpec::kGate], e.n);
  if (SpecOf(e, layer).key_heads == 0) return values;
  return values + e.ProductCost(w[GdnSpec::kBeta], e.n) + e.ProductCost(w[GdnSpec::kAlpha], e.n);
}

void Conv(const StageRun& r) {
  const Engine& e = r.engine;
  const GdnSpec& g = SpecOf(e, r.layer);
  const float* taps = e.weights->layers[r.layer].vectors[GdnSpec::kTaps];
  RunShortConv(r, {taps, nullptr, g.channels(), g.taps, 0, StateBytes(HeadsOf(g))});
}

OpCost ConvCost(const Engine& e, size_t layer) {
  const GdnSpec& g = SpecOf(e, layer);
  return ShortConvCost(e, g.channels(), g.taps);
}

// Normalises queries and keys, and turns beta and alpha into rates and decays.
void Keys(const StageRun& r) {
  const Engine& e = r.engine;
  const GdnSpec& g = SpecOf(e, r.layer);
  const LayerPlan& plan = e.program.layers[r.layer];
  const auto& w = e.weights->layers[r.layer].vectors;
  const Part part = PartOf(e.n, r.worker, r.workers);
  for (uint32_t i = part.begin; i < part.end; ++i) {
    float *row = e.ProjRow(plan, i), *rate = row + RateAt(g), *decay = row + DecayAt(g);
    UnitKeys(HeadsOf(g), row);
    for (uint32_t h = 0; h < g.value_heads; ++h) {
      rate[h] = Sigmoid(rate[h]);
      decay[h] = DecayOf(w[GdnSpec::kDecay][h], decay[h] + w[GdnSpec::kStep][h]);
    }
  }
}

void State(const StageRun& r) { RunStates(r, HeadsOf(SpecOf(r.engine, r.layer))); }

OpCost StateCost(const Engine& e, size_t layer) { return StatesCost(e, HeadsOf(SpecOf(e, layer)), 7); }

void Gate(const StageRun& r) {
  const Engine& e = r.engine;
  const GdnSpec& g = SpecOf(e, r.layer);
  GateHeads(r, HeadsOf(g), e.weights->layers[r.layer].vectors[GdnSpec::kNorm], GateAt(g), e.kernels->swiglu);
}

constexpr Stage kStages[] = {{"gdn-in", 4, In, InCost},
                             {"gdn-conv", 0, Conv, ConvCost},
                             {"gdn-keys", 0, Keys},
                             {"gdn-state", 1, State, StateCost},
                             {"gdn-gate", 0, Gate}};
constexpr Stage kConvStages[] = {kStages[0], kStages[1], kStages[4]};

}  // namespace

const MixerKind kGdnMixer = {
    .id = Mixer::kGdn,
    .names = kNames,
    .out_stage = "gdn-out",
    .out_op = "gdn_out+residual",
    .starts_from_zero = true,
    .read = Read,
    .tensors = Tensors,
    .plan = Plan,
    .listed = Listed,
    .stages = kStages,
};

const MixerKind kGdnConvMixer = {
    .id = Mixer::kGdnConv,
    .names = kConvNames,
    .out_stage = "gdn-out",
    .out_op = "gdn_out+residual",
    .starts_from_zero = true,
    .read = ReadConv,
    .tensors = Tensors,
    .plan = Plan,
    .listed = Listed,
    .stages = kConvStages,
};

}  // namespace edgefront
