// build: x86_64:
// build: aarch64: -fno-tree-vectorize
// Resuming from a checkpoint to the same last bit, pausing, and refusing checkpoints that are damaged or of
// another run.
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "include/edgefront/gguf.h"
#include "tests/temporary_file.h"
#include "tests/test.h"
#include "tests/train_layouts.h"
#include "train/trainer.h"

namespace edgefront::testing {
namespace {

using train::Train;

TEST(TrainGoesOnFromACheckpoint) {
  const TemporaryFile file(1, 13, 0, 400, Periodic(400, 13));
  train::TrainRequest r = StreamRequest(file.path());
  r.steps = 24;
  r.stop.every = 10;
  const auto whole = Train(r, nullptr, nullptr);
  CHECK(whole.ok() && whole->resumed_from == 0);
  if (!whole.ok()) return;
  r.checkpoint = TemporaryPath();
  r.checkpoint_every = 7;
  for (int kill_at = 1; kill_at < r.steps; ++kill_at) {
    int seen = 0;
    std::atomic<bool> cancel{false};
    train::TrainRequest killed = r;
    killed.report_every = 1;  // to count steps
    r.report_every = 1;
    const auto first = Train(killed, [&](const train::TrainProgress& p) { cancel = (seen = p.step) >= kill_at; }, &cancel);
    CHECK(first.ok() && first->cancelled && seen == kill_at);
    r.threads = 1 + kill_at % 2;
    const auto rest = Train(r, nullptr, nullptr);
    CHECK_MSG(rest.ok(), rest.status().message());
    if (!rest.ok()) continue;
    CHECK_MSG(rest->resumed_from == kill_at / 7 * 7, "killed at " << kill_at << ", went on from " << rest->resumed_from);
    CHECK(rest->weights_hash == whole->weights_hash && rest->validation.loss == whole->validation.loss);
    CHECK(rest->reports.size() == 24 && rest->looks.size() == whole->looks.size() && rest->looks.back().loss == whole->looks.back().loss);
    CHECK(access(r.checkpoint.c_str(), F_OK) != 0);  // removed at the end
  }
}

TEST(TrainingContinuesAfterAPauseToTheSameResult) {
  const TemporaryFile file(1, 13, 0, 400, Periodic(400, 13));
  train::TrainRequest r = StreamRequest(file.path());
  r.stop.every = 15;
  r.report_every = 7;  // a report is incomplete at each pause
  const auto whole = Train(r, nullptr, nullptr);
  CHECK(whole.ok() && whole->steps == 60);
  if (!whole.ok()) return;
  r.checkpoint = TemporaryPath();
  const auto until = [&](int pause_at) {
    r.pause_at = pause_at;
    return Train(r, nullptr, nullptr);
  };
  const auto same = [](const train::TrainResult& a, const train::TrainResult& b) {
    return a.steps == b.steps && a.stopped == b.stopped && a.weights_hash == b.weights_hash && a.validation.loss == b.validation.loss &&
           a.reports.size() == b.reports.size() && a.reports.back().loss == b.reports.back().loss && a.looks.size() == b.looks.size() &&
           a.looks.back().loss == b.looks.back().loss;
  };
  const auto first = until(15), second = until(33), again = until(33);
  CHECK(first.ok() && first->stopped == train::Stopped::kPaused && first->steps == 15 && first->validation.loss > whole->validation.loss);
  CHECK(second.ok() && second->resumed_from == 15 && second->steps == 33);
  // The same request again: the same answer, without a step.
  CHECK(again.ok() && again->resumed_from == 33 && same(*again, *second));
  // With a checkpoint beyond its pause, a run starts from the beginning and repeats its first result.
  const auto before = until(15);
  CHECK(before.ok() && before->resumed_from == 0 && same(*before, *first));
  const auto rest = until(0);
  CHECK(rest.ok() && rest->resumed_from == 15 && same(*rest, *whole) && rest->stopped == train::Stopped::kSteps);
  CHECK(access(r.checkpoint.c_str(), F_OK) != 0);
  // A run ends if the pause is its last step, or if the stop rule ended it earlier.
  const auto end = until(60);
  CHECK(end.ok() && same(*end, *whole) && access(r.checkpoint.c_str(), F_OK) != 0);
  r.stop.hopeless_step = 15;
  r.stop.hopeless_loss = 1e-3;
  const auto hopeless = until(15);
  CHECK(hopeless.ok() && hopeless->stopped == train::Stopped::kHopeless && access(r.checkpoint.c_str(), F_OK) != 0);
  r.checkpoint.clear();
  CHECK(!until(15).ok());
}

TEST(TrainRefusesForeignOrDamagedCheckpoints) {
  const TemporaryFile file(1, 13, 0, 400, Periodic(400, 13));
  train::TrainRequest r = StreamRequest(file.path());
  r.report_every = 1;
  r.checkpoint = TemporaryPath();
  r.checkpoint_every = 5;
  std::atomic<bool> cancel{false};
  CHECK(Train(r, [&](const train::TrainProgress& p) { cancel = p.step >= 12; }, &cancel).ok());
  train::TrainRequest other = r;
  other.seed = 9;
  const auto foreign = Train(other, nullptr, nullptr);
  CHECK(!foreign.ok() && foreign.status().code() == Code::kBadCheckpoint);
  std::ifstream in(r.checkpoint, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const auto with = [&](const std::string& content) {
    std::ofstream(r.checkpoint, std::ios::binary | std::ios::trunc).write(content.data(), static_cast<std::streamsize>(content.size()));
    const auto result = Train(r, nullptr, nullptr);
    return result.ok() ? Code::kOk : result.status().code();
  };
  CHECK(bytes.size() > 1000);
  std::string flipped = bytes;
  flipped[bytes.size() / 2] ^= 1;
  CHECK(with(flipped) == Code::kBadCheckpoint);
  CHECK(with(bytes.substr(0, bytes.size() - 20)) == Code::kBadCheckpoint);
  CHECK(with("") == Code::kBadCheckpoint);
  CHECK(with(bytes) == Code::kOk);
}

}  // namespace
}  // namespace edgefront::testing
