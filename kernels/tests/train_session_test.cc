// Whole training steps: against PyTorch's loss curves and gradients, across thread counts and instruction sets, and overfitting.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "tests/isas.h"
#include "tests/test.h"
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
  return {ConvLayer(3, 40), AttentionLayer(4, 2, 16, 48, 0, true), ConvLayer(8, 33), AttentionLayer(2, 1, 24, 20, 9, false)};
}

struct GoldenCase {
  std::string name;
  int d, vocab, length, batch, steps, warmup;
  uint64_t seed;
  double rate, min_rate, decay, clip;
  std::vector<LayerSpec> layers;
  std::map<std::string, std::pair<double, double>> gradients;  // tensor -> (norm, dot with the seeded direction)
  std::vector<double> losses;
};

std::vector<GoldenCase> ReadGolden() {
  std::ifstream file;
  for (const char* root : {"test/golden", "../test/golden", ""}) {
    const std::filesystem::path folder = *root ? std::filesystem::path(root)
                                               : std::filesystem::path(__FILE__).parent_path() / "../../test/golden";
    file.open(folder / "train_golden.txt");
    if (file) break;
    file.clear();
  }
  std::vector<GoldenCase> cases;
  for (std::string line; std::getline(file, line);) {
    std::istringstream in(line);
    std::string word;
    in >> word;
    if (word == "case") {
      GoldenCase c;
      in >> c.name >> c.d >> c.vocab >> c.length >> c.batch >> c.steps >> c.seed >> c.rate >> c.min_rate >> c.warmup >> c.decay >> c.clip;
      cases.push_back(c);
    } else if (word == "layer") {
      in >> word;
      int a, b, hd, window, norm, ffn;
      double base;
      if (word == "conv") {
        in >> a >> ffn;
        cases.back().layers.push_back(ConvLayer(a, ffn));
      } else {
        in >> a >> b >> hd >> window >> norm >> base >> ffn;
        cases.back().layers.push_back(AttentionLayer(a, b, hd, ffn, window, norm != 0, static_cast<float>(base)));
      }
    } else if (word == "grad") {
      double norm, dot;
      in >> word >> norm >> dot;
      cases.back().gradients[word] = {norm, dot};
    } else if (word == "losses") {
      for (double x; in >> x;) cases.back().losses.push_back(x);
    }
  }
  return cases;
}

void CompareGradients(const GoldenCase& c, const Session& session) {
  for (const Param& p : session.params().all()) {
    const auto golden = c.gradients.find(p.name);
    CHECK_MSG(golden != c.gradients.end(), c.name << " has no golden gradient of " << p.name);
    if (golden == c.gradients.end()) continue;
    const uint64_t base = SplitMix64(99) ^ Fnv1a64(p.name);
    double squares = 0, dot = 0;
    for (int r = 0; r < p.rows; ++r) {
      for (int i = 0; i < p.cols; ++i) {
        const double g = session.gradient()[p.At(r, i)];
        squares += g * g;
        dot += g * (static_cast<double>(SplitMix64(base + static_cast<uint64_t>(r) * p.cols + i) >> 40) * 0x1p-23 - 1.0);
      }
    }
    const auto [norm, direction] = golden->second;
    // A window of one key has no gradient for its scores: there the comparison is to fp32 rounding.
    const double tolerance = 1e-4 * norm + 1e-6;
    CHECK_MSG(std::fabs(std::sqrt(squares) - norm) <= tolerance, c.name << " " << p.name << " norm " << std::sqrt(squares) << " for " << norm);
    // The dot product of a gradient of norm n with a uniform direction is of the size n / sqrt(3): relative to that, not to itself.
    CHECK_MSG(std::fabs(dot - direction) <= tolerance, c.name << " " << p.name << " dot " << dot << " for " << direction);
  }
}

TEST(TrainMatchesPyTorch) {
  const std::vector<GoldenCase> cases = ReadGolden();
  CHECK_MSG(cases.size() >= 12, "test/golden/train_golden.txt holds " << cases.size() << " cases");
  for (const char* isa : kIsas) {
    if (!IsaWanted(isa) || !train::SelectMath(isa)) continue;
    for (const GoldenCase& c : cases) {
      auto session = Session::Create(ProxySpec(c.d, c.vocab, c.layers), c.seed, c.length, c.batch, 1, isa);
      CHECK(session.ok());
      double worst = 0;
      for (int step = 1; step <= c.steps; ++step) {
        const double done = static_cast<double>(step - c.warmup) / (c.steps - c.warmup);
        const double rate = step <= c.warmup ? c.rate * step / c.warmup
                                             : c.min_rate + 0.5 * (c.rate - c.min_rate) * (1 + std::cos(3.14159265358979323846 * done));
        const TokenBatch b = CountedBatch(step - 1, c.batch, c.length, c.vocab);
        const train::StepResult r =
            (*session)->Step(b.tokens.data(), b.targets.data(), b.scored, {rate, 0.9, 0.95, 1e-8, c.decay, c.clip});
        worst = std::fmax(worst, std::fabs(r.loss - c.losses[step - 1]));
        if (step == 1) CompareGradients(c, **session);
      }
      CHECK_MSG(worst < 1e-4, isa << " " << c.name << ": worst difference of the loss " << worst);
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
    if (b.targets[i] != train::kNotScored) b.targets[i] = static_cast<uint16_t>(SplitMix64(i * 7919) % 50);  // noise: only memory helps
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
  auto session = Session::Create(ProxySpec(40, 37, {ConvLayer(5, 33), AttentionLayer(3, 1, 10, 17, 0, true)}), 2, 21, 3, 1, "auto");
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
