// build: x86_64:
// build: aarch64: -fno-tree-vectorize
// Features of training beyond plain steps: distilling losses and the pooled head against differences, early
// stopping, and refusal of truncated files. Checkpoints: train_checkpoint_test.cc.
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "include/edgefront/gguf.h"
#include "tests/temporary_file.h"
#include "tests/test.h"
#include "tests/train_layouts.h"
#include "train/distill.h"
#include "train/trainer.h"

namespace edgefront::testing {
namespace {

using train::Objective;
using train::Param;
using train::Session;
using train::Train;

double Uniform(uint64_t i) { return static_cast<double>(SplitMix64(i) >> 40) * 0x1p-23 - 1.0; }

// Returns the losses by their formulas, in double, for one row of logits.
double NaiveLoss(const Objective& o, const std::vector<double>& z, int target, const std::vector<int>& ids,
                 const std::vector<double>& log_probs) {
  const auto softmax = [](const std::vector<double>& x, double tau) {
    double sum = 0;
    std::vector<double> p;
    for (const double v : x) sum += std::exp(v / tau);
    for (const double v : x) p.push_back(std::exp(v / tau) / sum);
    return p;
  };
  const std::vector<double> p = softmax(z, 1);
  std::vector<double> student;
  double a = 0, q = 0, loss = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    student.push_back(z[ids[i]]);
    a += std::exp(log_probs[i]);
    q += p[ids[i]];
  }
  const std::vector<double> t = softmax(log_probs, o.temperature), s = softmax(student, o.temperature), whole = softmax(z, o.temperature);
  for (size_t i = 0; i < ids.size(); ++i) {
    loss += o.kind == Objective::kTopK ? t[i] * std::log(t[i] / whole[ids[i]]) : a * t[i] * std::log(t[i] / s[i]);
  }
  loss *= o.temperature * o.temperature;
  if (o.kind == Objective::kDecoupledTopK) loss += a * std::log(a / q) + (1 - a) * std::log((1 - a) / (1 - q));
  return o.mix * loss - (1 - o.mix) * std::log(p[target]);
}

TEST(TrainDistillLossMatchesDifferences) {
  const int vocab = 37, k = 5;
  for (const char* isa : {"scalar", "neon", "avx2", "avx512"}) {
    const train::Math* math = train::SelectMath(isa);
    if (!math) continue;
    for (const auto kind : {Objective::kTopK, Objective::kDecoupledTopK}) {
      for (const double tau : {0.7, 1.0, 2.0, 4.0}) {
        for (const double mix : {0.0, 0.5, 1.0}) {
          for (const uint16_t target : {uint16_t{2}, uint16_t{30}}) {  // inside the teacher's set; outside
            const Objective o{kind, k, tau, mix};
            std::vector<double> z(vocab), teacher(vocab);
            std::vector<float> logits(48, 0.0f), scratch(48), teacher_logits(vocab);
            for (int i = 0; i < vocab; ++i) {
              z[i] = logits[i] = static_cast<float>(2 * Uniform(i));
              teacher_logits[i] = static_cast<float>(3 * Uniform(1000 + i)) + (i == 2 ? 6.0f : 0.0f);
            }
            std::vector<uint16_t> ids(k);
            std::vector<float> log_probs(k);
            std::vector<uint32_t> order;
            train::SelectTopK(vocab, teacher_logits.data(), k, ids.data(), log_probs.data(), &order);
            CHECK(ids[0] == 2 && log_probs[0] < 0 && log_probs[1] <= log_probs[0]);
            const float scale = 0.25f;
            const train::CrossEntropyResult r = train::DistillLoss(*math, o, 1, vocab, logits.data(), 48, &target,
                                                                   {k, ids.data(), log_probs.data()}, scale, scratch.data());
            const std::vector<int> set(ids.begin(), ids.end());
            const std::vector<double> at(log_probs.begin(), log_probs.end());
            const double want = NaiveLoss(o, z, target, set, at);
            CHECK_MSG(std::fabs(r.loss - want) < 1e-5 * (1 + want), isa << " loss " << r.loss << " for " << want);
            double worst = 0, largest = 0;
            for (int i = 0; i < vocab; ++i) {
              const double h = 1e-5, saved = z[i];
              z[i] = saved + h;
              const double up = NaiveLoss(o, z, target, set, at);
              z[i] = saved - h;
              const double down = NaiveLoss(o, z, target, set, at);
              z[i] = saved;
              const double difference = scale * (up - down) / (2 * h);
              worst = std::fmax(worst, std::fabs(difference - logits[i]));
              largest = std::fmax(largest, std::fabs(difference));
            }
            CHECK_MSG(worst < 2e-6 * (1 + largest * 10),
                      isa << " kind " << kind << " tau " << tau << " mix " << mix << ": error " << worst);
          }
        }
      }
    }
  }
}

TEST(TrainDecoupledLossAgreesAtTheTeacher) {
  // A student equal to its teacher has a zero gradient under the decoupled loss, but not under
  // truncate-then-temper.
  const int vocab = 64, k = 8;
  const train::Math* math = train::SelectMath("auto");
  std::vector<float> z(vocab), scratch(vocab), decoupled, truncated;
  for (int i = 0; i < vocab; ++i) z[i] = static_cast<float>(2 * Uniform(i));
  std::vector<uint16_t> ids(k);
  std::vector<float> log_probs(k);
  std::vector<uint32_t> order;
  train::SelectTopK(vocab, z.data(), k, ids.data(), log_probs.data(), &order);
  const uint16_t target = ids[0];
  decoupled = truncated = z;
  const train::SoftTargets soft{k, ids.data(), log_probs.data()};
  const double same =
      train::DistillLoss(*math, {Objective::kDecoupledTopK, k, 3, 1}, 1, vocab, decoupled.data(), vocab, &target, soft, 1, scratch.data())
          .loss;
  const double left =
      train::DistillLoss(*math, {Objective::kTopK, k, 3, 1}, 1, vocab, truncated.data(), vocab, &target, soft, 1, scratch.data()).loss;
  double steepest = 0;
  for (const float g : decoupled) steepest = std::fmax(steepest, std::fabs(g));
  CHECK_MSG(std::fabs(same) < 1e-6 && steepest < 1e-5, "decoupled " << same << ", gradient " << steepest);
  CHECK_MSG(left > 5 && left < 9 * std::log(static_cast<double>(vocab) / k) + 1, "truncated " << left);
}

TEST(TrainPooledHeadMatchesDifferences) {
  const int length = 9, batch = 4, vocab = 21;
  for (const char* isa : {"scalar", "neon", "avx2", "avx512"}) {
    if (!train::SelectMath(isa)) continue;
    train::SessionOptions options;
    options.pooled = true;
    auto session =
        Session::Create(ProxySpec(24, vocab, {ConvLayer(3, 32), AttentionLayer(2, 1, 16, 32, 0, true)}), 4, length, batch, 1, isa, options);
    CHECK(session.ok());
    std::vector<uint16_t> tokens(batch * length), targets;
    for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<uint16_t>(SplitMix64(i) % (vocab - 1));
    targets = tokens;
    for (int b = 0; b < batch; ++b) targets[b * length + 3] = train::kNotScored;
    const uint64_t scored = batch * (length - 1);
    (*session)->Step(tokens.data(), targets.data(), scored, {0, 0.9, 0.95, 1e-8, 0, 0});
    float* w = (*session)->weights();
    const auto loss = [&] { return (*session)->Evaluate(tokens.data(), targets.data(), batch).loss / static_cast<double>(scored); };
    for (const Param& p : (*session)->params().all()) {
      // A step along its own gradient must change the loss by the gradient's norm.
      std::vector<float> saved(w + p.offset, w + p.offset + p.size()),
          g((*session)->gradient() + p.offset, (*session)->gradient() + p.offset + p.size());
      double norm = 0;
      for (const float x : g) norm += static_cast<double>(x) * x;
      norm = std::sqrt(norm);
      const double h = 4e-3;
      const auto moved = [&](double by) {
        for (size_t i = 0; i < g.size(); ++i) w[p.offset + i] = saved[i] + static_cast<float>(by * g[i] / norm);
        (*session)->Repack();
        return loss();
      };
      const double difference = (moved(h) - moved(-h)) / (2 * h);
      moved(0);
      CHECK_MSG(norm > 1e-6 && std::fabs(difference - norm) < 2e-3 * norm + 2e-4,
                isa << " " << p.name << ": " << difference << " for " << norm);
    }
  }
}

TEST(TrainStopsEarlyAndSaysWhy) {
  const TemporaryFile file(1, 13, 0, 400, Periodic(400, 13));
  train::TrainRequest r = StreamRequest(file.path());
  r.steps = 400;
  r.stop.every = 10;
  r.stop.accuracy = 0.99;
  const auto converged = Train(r, nullptr, nullptr);
  CHECK(converged.ok() && converged->stopped == train::Stopped::kConverged && converged->steps < 400 && converged->steps % 10 == 0);
  CHECK(converged.ok() && converged->validation.accuracy >= 0.99 && converged->looks.back().accuracy >= 0.99);
  r.stop = {};
  r.stop.every = 10;
  r.stop.hopeless_step = 20;
  r.stop.hopeless_loss = 0.001;
  const auto hopeless = Train(r, nullptr, nullptr);
  CHECK(hopeless.ok() && hopeless->stopped == train::Stopped::kHopeless && hopeless->steps == 20);
  r.stop = {};
  r.stop.every = 5;
  r.stop.patience = 2;
  r.stop.improvement = 0.9;  // no loss is better by so much
  const auto plateau = Train(r, nullptr, nullptr);
  CHECK(plateau.ok() && plateau->stopped == train::Stopped::kPlateau && plateau->steps < 60);
}

TEST(TrainSurvivesACutDataFile) {
  const TemporaryFile file(1, 13, 0, 4000, Periodic(4000, 13));
  train::TrainRequest r = StreamRequest(file.path());
  r.data.validation.clear();
  r.report_every = 1;
  const auto result = Train(
      r,
      [&](const train::TrainProgress& p) {
        if (p.step == 5) CHECK(truncate(file.path().c_str(), 200) == 0);
      },
      nullptr);
  CHECK(!result.ok() && result.status().code() == Code::kIo && result.status().message().find("cut off") != std::string::npos);
}

TEST(TrainRefusesWhatMemoryCannotHold) {
  const TemporaryFile file(1, 13, 0, 400, Periodic(400, 13));
  train::TrainRequest r = StreamRequest(file.path());
  r.memory_limit = 1 << 10;
  const auto result = Train(r, nullptr, nullptr);
  CHECK(!result.ok() && result.status().code() == Code::kOutOfMemory);
}

}  // namespace
}  // namespace edgefront::testing
