// S4D (arXiv 2206.11893) and Liquid-S4 (arXiv 2209.12951) between two gates (gated_filter.h): a bank of
// complex modes in each channel. The file holds the modes of the differential equation; the stages read those
// of the recurrence. State of each sequence, in F32: [strips of 16 channels][modes][2][16].
#include "infer/mixers/gated_filter.h"
#include "ops/modal/discretise.h"

namespace edgefront {

extern const MixerKind kS4dMixer, kLs4Mixer;

namespace {

using S = ModalSpec;

constexpr std::string_view kNames[] = {"s4d"}, kLiquidNames[] = {"ls4"};

Status Read(const MetaReader& meta, const ModelSpec&, uint64_t i, std::string_view, LayerSpec* l) {
  EDGEFRONT_RETURN_IF_ERROR(ReadFilterState(meta, i, kMaxState, &l->modal.state));
  if (l->modal.state % 2 == 0) return Status::Ok();
  return BadModel("layer " + std::to_string(i) + ": ssm.state_size is odd, but a complex mode has two elements");
}

// Adds the tensors in order of use; names begin with that of the mixer.
void Tensors(const ModelSpec& m, const LayerSpec& l, LayerTensors* out) {
  const bool liquid = l.mixer == Mixer::kLs4;
  const uint64_t modes = l.modal.modes(), d = m.dim;
  const auto add = [&](S::Slot slot, const char* name, uint64_t n, WeightKind kind) {
    out->PerChannel(slot, (std::string(liquid ? "ls4." : "s4d.") + name).c_str(), n, d, kind);
  };
  AddGatedIn(m, liquid ? "rmsnorm+quantise+ls4_in" : "rmsnorm+quantise+s4d_in", out);
  add(S::kDt, "dt", 1, WeightKind::kStep);
  add(S::kARe, "a_re", modes, WeightKind::kHalfRate);
  add(S::kAIm, "a_im", modes, WeightKind::kFrequency);
  if (liquid) add(S::kBRe, "b_re", modes, WeightKind::kComplex);
  if (liquid) add(S::kBIm, "b_im", modes, WeightKind::kComplex);
  add(S::kCRe, "c_re", modes, WeightKind::kComplex);
  add(S::kCIm, "c_im", modes, WeightKind::kComplex);
  add(S::kD, "d", 1, WeightKind::kConv);
  AddGatedOut(m, liquid ? kLs4Mixer.out_op : kS4dMixer.out_op, out);
}

// Replaces a by e^(step a), and c so that y = Re(sum c s). S4D's input weight becomes part of c; Liquid-S4
// keeps it, because it also multiplies the state.
void Prepare(const ModelSpec& m, const LayerSpec& l, float* const* vectors) {
  const auto at = [&](S::Slot re, S::Slot im, size_t i) { return Complex{vectors[re][i], vectors[im][i]}; };
  const auto set = [&](S::Slot re, S::Slot im, size_t i, Complex value) {
    vectors[re][i] = static_cast<float>(value.real());
    vectors[im][i] = static_cast<float>(value.imag());
  };
  const bool liquid = l.mixer == Mixer::kLs4;
  for (size_t i = 0; i < size_t{l.modal.modes()} * m.dim; ++i) {
    const DiscreteMode mode = Discretise(vectors[S::kDt][i % m.dim], at(S::kARe, S::kAIm, i));
    set(S::kARe, S::kAIm, i, mode.decay);
    set(S::kCRe, S::kCIm, i, 2.0 * at(S::kCRe, S::kCIm, i) * (liquid ? 1.0 : mode.input));
    if (liquid) set(S::kBRe, S::kBIm, i, LiquidInput(mode.decay, at(S::kBRe, S::kBIm, i)));
  }
}

void Plan(const ModelSpec& m, const LayerSpec& l, const SessionOptions&, Program*, LayerPlan* plan) {
  PlanGated(m, StripFloats(m, l.modal.state), plan);
}

// A mode multiplies its state by a complex number (6), adds the input (1), and is read (4). In Liquid-S4 it
// also computes that number and both parts of the input (6), and adds one part more. The tanh is not counted.
FilterSizes SizesOf(const LayerSpec& l) {
  const double state = l.modal.state, modes = l.modal.modes();
  if (l.mixer == Mixer::kLs4) return {3 * state + 1, state, 18 * modes + 2};
  return {2 * state + 1, state, 11 * modes + 2};
}

ListedWork Listed(const LayerSpec& l, const LayerPlan&, const ModelSpec& m, const SessionOptions& o) {
  return ListedFilter(l.mixer == Mixer::kLs4 ? "gate+ls4+gate" : "gate+s4d+gate", l.modal.state, SizesOf(l), m, o);
}

void Filter(const StageRun& r) {
  const Engine& e = r.engine;
  const auto& w = e.weights->layers[r.layer].vectors;
  ModalArgs g;
  g.a_re = w[S::kARe];
  g.a_im = w[S::kAIm];
  g.c_re = w[S::kCRe];
  g.c_im = w[S::kCIm];
  g.b_re = w[S::kBRe];
  g.b_im = w[S::kBIm];
  g.skip = w[S::kD];
  g.modes = e.spec->layers[r.layer].modal.modes();
  RunFilter(r, g, e.kernels->modal);
}

OpCost Cost(const Engine& e, size_t layer) { return FilterCost(e, SizesOf(e.spec->layers[layer])); }

constexpr Stage kStages[] = {{"s4d-in", 1, RunGatedIn, GatedInCost}, {"s4d", 0, Filter, Cost}};
constexpr Stage kLiquidStages[] = {{"ls4-in", 1, RunGatedIn, GatedInCost}, {"ls4", 0, Filter, Cost}};

}  // namespace

const MixerKind kS4dMixer = {
    .id = Mixer::kS4d,
    .names = kNames,
    .out_stage = "s4d-out",
    .out_op = "s4d_out+residual",
    .starts_from_zero = true,
    .read = Read,
    .tensors = Tensors,
    .prepare = Prepare,
    .plan = Plan,
    .listed = Listed,
    .stages = kStages,
};

const MixerKind kLs4Mixer = {
    .id = Mixer::kLs4,
    .names = kLiquidNames,
    .out_stage = "ls4-out",
    .out_op = "ls4_out+residual",
    .starts_from_zero = true,
    .read = Read,
    .tensors = Tensors,
    .prepare = Prepare,
    .plan = Plan,
    .listed = Listed,
    .stages = kLiquidStages,
};

}  // namespace edgefront
