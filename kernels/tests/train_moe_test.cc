// build: x86_64:
// build: aarch64: -fno-tree-vectorize
// FFNs of tests/ffns.h in training: gradients on every instruction set against central differences, and the
// balance of experts. train_mixers_test.cc compares their output with the engine's. (Flags: see
// train_math_test.cc.)
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "infer/ffn_kind.h"
#include "ops/moe/choose.h"
#include "tests/train_differences.h"
#include "tests/train_layouts.h"
#include "train/ffn_block.h"
#include "train/session.h"

namespace edgefront::testing {
namespace {

using train::AllocateFloats;
using train::Math;
using train::Param;

constexpr int kDim = 19, kRows = 7;

// One matrix or vector of an FFN and its gradient, both [rows, cols].
struct Tensor {
  const Param& param;
  Padded value, gradient;

  Tensor(const Param& p, const float* flat) : param(p), value(p.rows, p.cols, 0), gradient(p.rows, p.cols, 0) { Read(flat, &value, 1); }
  void Read(const float* from, Padded* to, float factor) const {
    for (int r = 0; r < param.rows; ++r)
      for (int c = 0; c < param.cols; ++c) to->at(r, c) = factor * from[param.At(r, c)];
  }
};

// Returns the least distance, over all tokens, between the experts that are chosen and the others.
double LeastGap(const MoeSpec& moe, const Param& router, const float* flat, Padded& x, const float* norm) {
  double least = 1;
  for (int t = 0; t < x.rows; ++t) {
    double squares = 0;
    for (int c = 0; c < x.cols; ++c) squares += static_cast<double>(x.at(t, c)) * x.at(t, c);
    std::vector<double> scores;
    for (int e = 0; e < router.rows; ++e) {
      double logit = 0;
      for (int c = 0; c < x.cols; ++c) logit += static_cast<double>(flat[router.At(e, c)]) * x.at(t, c) * norm[c];
      scores.push_back(1 / (1 + std::exp(-logit / std::sqrt(squares / x.cols + 1e-5))));
    }
    std::sort(scores.rbegin(), scores.rend());
    if (moe.used < moe.experts) least = std::min(least, scores[moe.used - 1] - scores[moe.used]);
  }
  return least;
}

// The loss is the sum of the outputs, each times a random number. The choice of experts must stay, so inputs are
// those of the first seed that leaves a gap.
void CheckFfnGradients(const Math& math, const LayerSpec& layer, const std::string& what) {
  const int width = train::PadUp(kDim);
  const ModelSpec spec = ProxySpec(kDim, 16, {layer});
  const train::Params params = train::Params::Of(spec);
  train::ArenaPlan plan;
  const auto ffn = train::MakeFfnBlock(spec, params, 0, kRows, width, &plan);
  const auto flat = AllocateFloats(params.size()), packed = AllocateFloats(params.packed_size()), arena = AllocateFloats(plan.size()),
             work = AllocateFloats(ffn->work_floats()), gradient = AllocateFloats(params.size());
  params.Initialise(1, flat.get());
  std::vector<Tensor> tensors;
  for (const Param& p : params.all()) {
    if (p.role >= Role::kFfnNorm && p.role <= Role::kDown && p.kind != WeightKind::kBalance) tensors.emplace_back(p, flat.get());
  }
  Padded x(kRows, kDim, 2), factors(kRows, kDim, 4), out(kRows, kDim, 0), dx(kRows, kDim, 0), dn(kRows, kDim, 0);
  const float* norm = flat.get() + params.Get(Role::kFfnNorm, 0).offset;
  for (uint64_t seed = 3; layer.moe.experts > 0 && LeastGap(layer.moe, params.Get(Role::kRouter, 0), flat.get(), x, norm) < 0.02; ++seed)
    x = Padded(kRows, kDim, seed);

  const train::Weights weights{flat.get(), packed.get(), nullptr};
  const auto loss = [&] {
    for (Tensor& t : tensors) {
      for (int r = 0; r < t.param.rows; ++r)
        for (int c = 0; c < t.param.cols; ++c) flat[t.param.At(r, c)] = t.value.at(r, c);
      if (t.param.matrix()) train::PackForward(math, t.param, flat.get(), 0, t.param.padded_rows / train::kPad, packed.get());
    }
    ffn->Forward(math, weights, kRows, x.p(), out.p(), arena.get());
    double sum = 0;
    for (int r = 0; r < kRows; ++r)
      for (int c = 0; c < kDim; ++c) sum += static_cast<double>(out.at(r, c)) * factors.at(r, c);
    return sum;
  };
  for (const Tensor& t : tensors) {
    if (!t.param.matrix()) continue;
    train::PackBackward(math, t.param, flat.get(), 0, t.param.ld / train::kPad, packed.get());
    // Matrices are overwritten at first, also those of experts that no token uses.
    for (int r = 0; r < t.param.rows; ++r)
      for (int c = 0; c < t.param.cols; ++c) gradient[t.param.At(r, c)] = 1;
  }
  for (const bool fresh : {true, false}) {  // the second pass adds the same again
    loss();
    dx = factors;
    ffn->Backward(math, weights, kRows, x.p(), dx.p(), dn.p(), work.get(), arena.get(), gradient.get(), fresh);
  }
  CompareWithDifferences(math.isa, (what + ", input").c_str(), x, dx, loss, kFloatLoss);
  for (Tensor& t : tensors) {
    t.Read(gradient.get(), &t.gradient, 0.5f);
    CompareWithDifferences(math.isa, (what + ", " + t.param.name).c_str(), t.value, t.gradient, loss, kFloatLoss);
  }
}

TEST(TrainFfnGradients) {
  for (const TestFfn& f : TestFfns()) {
    for (const LayerSpec& layer : f.trained) {
      if (f.ffn == Ffn::kAbsent) continue;
      for (const Math* math : AllMath()) CheckFfnGradients(*math, layer, KindOf(f.ffn).name);
    }
  }
}

// The place of a bias in the gradient holds the number of tokens that chose its expert.
TEST(TrainBalancesExpertsByTheirLoad) {
  const int batch = 6, length = 20, vocab = 30;
  auto session = train::Session::Create(ProxySpec(24, vocab, {WithExperts(ConvLayer(3, 0), 4, 2, 16)}), 1, length, batch, 2, "auto");
  REQUIRE(session.ok());
  const Param& bias = (*session)->params().Get(Role::kRouterBias, 0);
  const float* b = (*session)->weights() + bias.offset;
  for (int e = 0; e < 4; ++e) CHECK(b[e] == 0);
  const auto spread = [&](int step) {
    const TokenBatch tokens = CountedBatch(step, batch, length, vocab);
    const std::vector<float> before(b, b + 4);
    const train::StepResult done =
        (*session)->Step(tokens.tokens.data(), tokens.targets.data(), tokens.scored, {0, 0.9, 0.95, 1e-8, 0.1, 0});
    const float *load = (*session)->gradient() + bias.offset, mean = static_cast<float>(batch * length) / 2;
    CHECK(load[0] + load[1] + load[2] + load[3] == 4 * mean);
    for (int e = 0; e < 4; ++e) CHECK_NEAR(b[e] - before[e], load[e] < mean ? 1e-3 : load[e] > mean ? -1e-3 : 0, 1e-6);
    CHECK(done.gradient_norm < 10);  // loads are no gradients
    return *std::max_element(load, load + 4) - *std::min_element(load, load + 4);
  };
  const float first = spread(0);
  float last = 0;
  for (int step = 1; step < 200; ++step) last = spread(0);
  CHECK_MSG(last < first / 2, "loads differ by " << first << " tokens before and " << last << " after");
}

}  // namespace
}  // namespace edgefront::testing
