// build: x86_64:
// build: aarch64: -fno-tree-vectorize
// Every mixer of tests/layers.h in training: its gradients, on every instruction set, against central
// differences of its own output, and its output against that of the engine. (Flags: see train_math_test.cc.)
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "infer/ffn_kind.h"
#include "infer/seeded_weights.h"
#include "tests/engine_runs.h"
#include "tests/train_differences.h"
#include "tests/train_layouts.h"
#include "train/residual_product.h"
#include "train/session.h"

namespace edgefront::testing {
namespace {

using train::AllocateFloats;
using train::Math;
using train::PadUp;
using train::Param;

// One of the mixer's own parameters and its gradient, both [rows, cols] as in a file.
struct Tensor {
  const Param& param;
  std::vector<size_t> places;  // of the elements, in the trainer's flat array
  Padded value, gradient;

  Tensor(const Param& p, const float* flat) : param(p), value(p.rows, p.cols, 0), gradient(p.rows, p.cols, 0) {
    for (int r = 0; r < p.rows; ++r) {
      for (int c = 0; c < p.cols; ++c) {
        places.push_back(p.At(r, c));
        value.at(r, c) = flat[places.back()];
      }
    }
  }
  size_t Place(int r, int c) const { return places[static_cast<size_t>(r) * param.cols + c]; }
};

// Compares the gradients of a mixer on two sequences of `length` tokens. The loss is the sum of its outputs,
// each times a random number.
void CheckMixerGradients(const Math& math, const LayerSpec& layer, const std::string& what, int length) {
  const int d = 19, width = PadUp(d), sequences = 2, rows = sequences * length;
  const ModelSpec spec = ProxySpec(d, 16, {layer});
  const train::Params params = train::Params::Of(spec);
  train::ArenaPlan plan;
  const auto mixer = train::MakeLayerMixer({spec, params, 0, length, rows, width, plan});
  const size_t outputs = static_cast<size_t>(rows) * mixer->mixed_ld();
  const auto flat = AllocateFloats(params.size()), packed = AllocateFloats(params.packed_size()), arena = AllocateFloats(plan.size()),
             work = AllocateFloats(mixer->work_floats()), factors = AllocateFloats(outputs), spent = AllocateFloats(outputs),
             gradient = AllocateFloats(params.size());
  params.Initialise(1, flat.get());
  std::vector<Tensor> tensors;
  for (const Param& p : params.all()) {
    // Recurrences begin with steps so small that their gradients would be rounding.
    const bool recurrence = p.kind == WeightKind::kStep || p.decays();
    for (size_t i = 0; recurrence && i < p.size(); ++i) flat[p.offset + i] = UniformAt(9000 + i);
    // So do biases, among them coefficients of filters. A bound on the sum of their absolute values has no
    // derivative where one of them is 0.
    for (size_t i = 0; p.kind == WeightKind::kBias && i < p.size(); ++i) {
      float& v = flat[p.offset + i];
      v = v > 0 ? 10 * v + 0.2f : v < 0 ? 10 * v - 0.2f : 0;  // padding stays 0
    }
    if (p.role == Role::kMixer) tensors.emplace_back(p, flat.get());
  }
  Padded x(rows, d, 2), dx(rows, d, 3);  // dx is overwritten
  // The columns of the output, some of which are padding, are those of the matrix that reads it.
  const Param& out = params.Get(Role::kMixerOut, 0);
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < out.cols; ++c) {
      factors[static_cast<size_t>(r) * mixer->mixed_ld() + (out.At(0, c) - out.offset)] = UniformAt(4000 + r * out.cols + c);
    }
  }

  const train::Weights weights{flat.get(), packed.get(), nullptr};
  const train::MixerPass pass{math, weights, sequences, arena.get(), x.p(), work.get()};
  const auto loss = [&] {
    for (Tensor& t : tensors) {
      for (int r = 0; r < t.param.rows; ++r) {
        for (int c = 0; c < t.param.cols; ++c) flat[t.Place(r, c)] = t.value.at(r, c);
      }
      if (t.param.matrix()) train::PackForward(math, t.param, flat.get(), 0, t.param.padded_rows / train::kPad, packed.get());
    }
    mixer->Forward(pass);
    double sum = 0;
    for (size_t i = 0; i < outputs; ++i) sum += static_cast<double>(arena[mixer->mixed() + i]) * factors[i];
    return sum;
  };

  for (const Tensor& t : tensors) {
    if (!t.param.matrix()) continue;
    train::PackBackward(math, t.param, flat.get(), 0, t.param.ld / train::kPad, packed.get());
    for (const size_t place : t.places) gradient[place] = 1;  // matrices are overwritten at first
  }
  for (const bool fresh : {true, false}) {  // the second pass adds the same again
    loss();
    std::copy_n(factors.get(), outputs, spent.get());
    mixer->Backward(pass, {spent.get(), dx.p(), gradient.get(), fresh});
  }
  for (Tensor& t : tensors) {
    for (int r = 0; r < t.param.rows; ++r) {
      for (int c = 0; c < t.param.cols; ++c) t.gradient.at(r, c) = gradient[t.Place(r, c)] / 2;
    }
  }
  CompareWithDifferences(math.isa, (what + ", input").c_str(), x, dx, loss, kFloatLoss);
  for (Tensor& t : tensors) {
    const bool by_channel = layer.linear.key_dim > 0 && t.param.slot >= LinearSpec::kDecayA && t.param.slot <= LinearSpec::kRate;
    const bool flat = t.param.name.ends_with("rtf.slack");  // it scales all coefficients together
    const DifferenceBounds& bounds = by_channel ? kSlowLoss : flat ? kFlatLoss : kFloatLoss;
    CompareWithDifferences(math.isa, (what + ", " + t.param.name).c_str(), t.value, t.gradient, loss, bounds);
  }
}

TEST(TrainMixerGradients) {
  for (const TestMixer& m : TestMixers()) {
    struct Case {
      std::string name;
      LayerSpec layer;
    };
    std::vector<Case> cases;
    for (const uint32_t n : {1u, 2u, 4u, 17u}) {
      if (m.seeing != nullptr) cases.push_back({"n = " + std::to_string(n), m.seeing(n)});
    }
    for (const LayerSpec& layer : m.trained) cases.push_back({"trained layer", layer});
    for (const Case& c : cases) {
      for (const int length : {3, 19}) {  // shorter and longer than most n
        const std::string what = std::string(m.name(c.layer)) + ", " + c.name + ", length " + std::to_string(length);
        for (const Math* math : AllMath()) CheckMixerGradients(*math, c.layer, what, length);
      }
    }
  }
}

// The product that ends a mixer, with its norm. Gradients of the FFN's are the same code.
TEST(TrainResidualGradients) {
  const int d = 19, rows = 6;
  const ModelSpec spec = ProxySpec(d, 16, {Sandwich(ConvLayer(2, 23))});
  const train::Params params = train::Params::Of(spec);
  train::ArenaPlan plan;
  const train::ResidualProduct product(spec, params, Role::kMixerOut, Role::kMixerPostNorm, 0, rows, PadUp(d), &plan);
  const auto flat = AllocateFloats(params.size()), packed = AllocateFloats(params.packed_size()), arena = AllocateFloats(plan.size()),
             gradient = AllocateFloats(params.size());
  for (const Math* math : AllMath()) {
    params.Initialise(1, flat.get());
    std::fill_n(gradient.get(), params.size(), 0.0f);
    Tensor weight(params.Get(Role::kMixerOut, 0), flat.get()), norm(params.Get(Role::kMixerPostNorm, 0), flat.get());
    Padded a(rows, d, 2), x(rows, d, 3), dout(rows, d, 4), out(rows, d, 5), work(rows, d, 6), da(rows, d, 7);
    const train::Weights weights{flat.get(), packed.get(), nullptr};
    const auto loss = [&] {
      for (Tensor* t : {&weight, &norm}) {
        for (int r = 0; r < t->param.rows; ++r) {
          for (int c = 0; c < t->param.cols; ++c) flat[t->Place(r, c)] = t->value.at(r, c);
        }
      }
      train::PackForward(*math, weight.param, flat.get(), 0, weight.param.padded_rows / train::kPad, packed.get());
      product.Forward(*math, weights, rows, a.p(), a.ld, x.p(), out.p(), arena.get());
      double sum = 0;
      for (int r = 0; r < rows; ++r) {
        for (int c = 0; c < d; ++c) sum += static_cast<double>(out.at(r, c)) * dout.at(r, c);
      }
      return sum;
    };
    loss();
    train::PackBackward(*math, weight.param, flat.get(), 0, weight.param.ld / train::kPad, packed.get());
    product.Backward(*math, weights, rows, a.p(), a.ld, dout.p(), work.p(), da.p(), arena.get(), gradient.get(), true);
    for (Tensor* t : {&weight, &norm}) {
      for (int r = 0; r < t->param.rows; ++r) {
        for (int c = 0; c < t->param.cols; ++c) t->gradient.at(r, c) = gradient[t->Place(r, c)];
      }
    }
    CompareWithDifferences(math->isa, "residual, input", a, da, loss, kFloatLoss);
    CompareWithDifferences(math->isa, "residual, stream", x, dout, loss, kFloatLoss);
    CompareWithDifferences(math->isa, "residual, product", weight.value, weight.gradient, loss, kFloatLoss);
    CompareWithDifferences(math->isa, "residual, norm", norm.value, norm.gradient, loss, kFloatLoss);
  }
}

// Gradients agree with any output, also with a wrong one, so the output is compared with another
// implementation: the loss of a model in training with that of its logits in the engine.
void CheckLossAgainstEngine(const char* name, const std::vector<LayerSpec>& layers) {
  const int d = 40, vocab = 50, length = 37;
  const std::vector<uint32_t> tokens = Tokens(length, vocab);
  std::vector<uint16_t> inputs(tokens.begin(), tokens.end()), targets(inputs.begin() + 1, inputs.end());
  targets.push_back(train::kNotScored);
  PlanOptions plan;
  auto model = Model::FromBytes(MakePlan("edgefront", d, vocab, layers, plan), 1);
  CHECK_MSG(model.ok(), name << ": " << model.status().message());
  if (!model.ok()) return;
  const std::vector<float> logits = AllLogits(*model, Options(length, length, Isa::kAuto, KvType::kF32), tokens, length);
  REQUIRE(!logits.empty());
  double want = 0;
  for (int i = 0; i + 1 < length; ++i) {
    const float* row = logits.data() + static_cast<size_t>(i) * vocab;
    double sum = 0;
    for (int v = 0; v < vocab; ++v) sum += std::exp(static_cast<double>(row[v]));
    want += std::log(sum) - row[targets[i]];
  }

  auto session = train::Session::Create(ProxySpec(d, vocab, layers), 1, length, 1, 1, "auto");
  REQUIRE(session.ok());
  for (const Param& p : (*session)->params().all()) {  // the plan's values, which Params::Initialise scales
    const SeededTensor values(plan.seed, p.name, p.kind, static_cast<uint64_t>(p.cols));
    for (int r = 0; r < p.rows; ++r) {
      for (int c = 0; c < p.cols; ++c)
        (*session)->weights()[p.At(r, c)] = p.Trained(values.At(static_cast<uint64_t>(p.first_row + r) * p.cols + c));
    }
  }
  (*session)->Repack();
  const double got = (*session)->Evaluate(inputs.data(), targets.data(), 1).loss;
  CHECK_MSG(std::fabs(got - want) <= 1e-5 * want, name << ": loss " << got << " in training, " << want << " in the engine");
}

TEST(TrainMixersMatchTheEngine) {
  for (const TestMixer& m : TestMixers()) CheckLossAgainstEngine(m.name(m.trained.front()), m.trained);
}
TEST(TrainParallelLayersMatchTheEngine) { CheckLossAgainstEngine("parallel layers", ParallelTrained()); }
TEST(TrainFfnsMatchTheEngine) {
  for (const TestFfn& f : TestFfns()) CheckLossAgainstEngine(KindOf(f.ffn).name, f.trained);
}

}  // namespace
}  // namespace edgefront::testing
