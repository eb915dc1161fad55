// Whole training steps: against PyTorch's loss curves and gradients, across thread counts and instruction
// sets, and overfitting.
#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>

#include "tests/isas.h"
#include "tests/parallel_layers.h"
#include "tests/test.h"
#include "tests/train_golden.h"
#include "tests/train_layouts.h"
#include "train/session.h"
#include "train/trainer.h"

namespace edgefront::testing {
namespace {

using train::Param;
using train::Session;

const char* const kIsas[] = {"scalar", "avx2", "avx512", "neon"};

train::StepSettings Constant(double rate) { return {rate, 0.9, 0.95, 1e-8, 0.1, 1.0}; }

std::vector<LayerSpec> EveryOperator() {
  std::vector<LayerSpec> layers = InRounds([](const TestMixer& m) { return m.trained; });
  for (const TestFfn& f : TestFfns()) layers.insert(layers.end(), f.trained.begin(), f.trained.end());
  return Joined({layers, ParallelTrained()});
}

TEST(TrainMatchesPyTorch) {
  const std::vector<GoldenCase> cases = ReadGolden("train_golden.txt");
  CHECK_MSG(cases.size() >= 12, "test/golden/train_golden.txt holds " << cases.size() << " cases");
  for (const char* isa : kIsas) {
    if (!IsaWanted(isa) || !train::SelectMath(isa)) continue;
    for (const GoldenCase& c : cases) {
      auto session = Session::Create(ProxySpec(c.d, c.vocab, c.layers), c.seed, c.length, c.batch, 1, isa);
      CHECK(session.ok());
      GradientsOff gradients;
      const std::vector<double> off = CompareWithGolden(c, session->get(), &gradients);
      const double worst = *std::max_element(off.begin(), off.end());
      CHECK_MSG(worst < 1e-4, isa << " " << c.name << ": worst difference of the loss " << worst);
      CHECK_MSG(gradients.worst < 1e-4, isa << " " << c.name << ": gradient of " << gradients.where << " off by " << gradients.worst);
    }
  }
}

TEST(TrainIsIndependentOfThreads) {
  std::string hash;
  for (const int threads : {1, 2, 3, 5, 16}) {
    auto session = Session::Create(ProxySpec(48, 50, EveryOperator()), 3, 37, 12, threads, "auto");
    CHECK(session.ok());
    std::ostringstream seen;
    for (int step = 0; step < 4; ++step) {
      const TokenBatch b = CountedBatch(step, 12, 37, 50);
      const train::StepResult r = (*session)->Step(b.tokens.data(), b.targets.data(), b.scored, Constant(3e-3));
      seen << std::hexfloat << r.loss << ' ' << r.gradient_norm << ' ';
    }
    seen << (*session)->params().Hash((*session)->weights());
    if (hash.empty()) hash = seen.str();
    CHECK_MSG(seen.str() == hash, threads << " threads: " << seen.str() << " against " << hash);
  }
}

TEST(TrainOverfitsOneBatch) {
  auto session = Session::Create(ProxySpec(64, 50, EveryOperator()), 5, 32, 4, 2, "auto");
  CHECK(session.ok());
  TokenBatch b = CountedBatch(0, 4, 32, 50);
  for (size_t i = 0; i < b.targets.size(); ++i) {
    // Noise, which can only be memorised.
    if (b.targets[i] != train::kNotScored) b.targets[i] = static_cast<uint16_t>(SplitMix64(i * 7919) % 50);
  }
  double first = 0, last = 0;
  for (int step = 0; step < 150; ++step) {
    last = (*session)->Step(b.tokens.data(), b.targets.data(), b.scored, Constant(3e-3)).loss;
    if (step == 0) first = last;
  }
  CHECK_MSG(first > 3 && last < 0.02, "loss " << first << " -> " << last);
  const train::CrossEntropyResult r = (*session)->Evaluate(b.tokens.data(), b.targets.data(), 4);
  CHECK_MSG(r.right == static_cast<int>(b.scored), r.right << " right of " << b.scored);
  CHECK_NEAR(r.loss / static_cast<double>(b.scored), last, 0.01);
}

TEST(TrainPaddingStaysZero) {
  auto session = Session::Create(ProxySpec(40, 37, EveryOperator()), 2, 21, 3, 1, "auto");
  CHECK(session.ok());
  for (int step = 0; step < 3; ++step) {
    const TokenBatch b = CountedBatch(step, 3, 21, 37);
    (*session)->Step(b.tokens.data(), b.targets.data(), b.scored, Constant(1e-2));
  }
  double total = 0, logical = 0;
  const float* w = (*session)->weights();
  for (size_t i = 0; i < (*session)->params().size(); ++i) total += std::fabs(static_cast<double>(w[i]));
  for (const Param& p : (*session)->params().all()) {
    for (int r = 0; r < p.rows; ++r) {
      for (int i = 0; i < p.cols; ++i) logical += std::fabs(static_cast<double>(w[p.At(r, i)]));
    }
  }
  CHECK_NEAR(total, logical, 1e-9 * logical);
}

TEST(TrainStopsAtNonFiniteLoss) {
  auto session = Session::Create(ProxySpec(32, 37, EveryOperator()), 2, 16, 4, 2, "auto");
  CHECK(session.ok());
  const TokenBatch b = CountedBatch(0, 4, 16, 37);
  (*session)->weights()[(*session)->params().Get(Role::kGate, 0).offset] = std::nanf("");
  (*session)->Repack();
  const std::string before = (*session)->params().Hash((*session)->weights());
  CHECK(std::isnan((*session)->Step(b.tokens.data(), b.targets.data(), b.scored, Constant(1e-3)).loss));
  CHECK((*session)->params().Hash((*session)->weights()) == before);
}

}  // namespace
}  // namespace edgefront::testing
