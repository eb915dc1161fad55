// EFD1 files, the order of batches, and Train() as a whole: learning, repeatability and refusals.
#include <atomic>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "tests/temporary_file.h"
#include "tests/test.h"
#include "tests/train_layouts.h"
#include "train/dataset.h"
#include "train/trainer.h"

namespace edgefront::testing {
namespace {

using train::Dataset;
using train::Train;

TEST(TrainLearnsAndRepeats) {
  const TemporaryFile file(1, 13, 0, 400, Periodic(400, 13));
  train::TrainRequest r = StreamRequest(file.path());
  std::vector<int> reported;
  const auto first = Train(r, [&](const train::TrainProgress& p) { reported.push_back(p.step); }, nullptr);
  CHECK(first.ok());
  if (!first.ok()) return;
  CHECK(reported == std::vector<int>({20, 40, 60}) && first->steps == 60 && first->reports.size() == 3 &&
        first->stopped == train::Stopped::kSteps);
  CHECK_MSG(first->validation.loss < 0.1 && first->validation.accuracy > 0.95, "validation loss " << first->validation.loss);
  CHECK(first->validation.tokens == 24 * 16);  // 16 whole windows in 400 tokens, fewer than the requested 32
  r.threads = 3;
  const auto again = Train(r, nullptr, nullptr);
  CHECK(again.ok() && again->weights_hash == first->weights_hash && again->validation.loss == first->validation.loss);
  r.seed = 2;
  const auto other = Train(r, nullptr, nullptr);
  CHECK(other.ok() && other->weights_hash != first->weights_hash);
  std::atomic<bool> cancel{true};
  const auto cancelled = Train(r, nullptr, &cancel);
  CHECK(cancelled.ok() && cancelled->cancelled && cancelled->steps == 0);
}

TEST(TrainReportsDivergence) {
  const TemporaryFile file(1, 13, 0, 400, Periodic(400, 13));
  train::TrainRequest r = StreamRequest(file.path());
  r.optimizer.learning_rate = 1e30;
  r.optimizer.min_learning_rate = 0;
  r.optimizer.warmup_steps = 0;
  const auto result = Train(r, nullptr, nullptr);
  CHECK(!result.ok() && result.status().code() == Code::kDiverged);
}

TEST(TrainRefusesBadData) {
  const TemporaryFile good(1, 13, 0, 400, Periodic(400, 13));
  const auto code = [&](const std::string& path, auto change) {
    train::TrainRequest r = StreamRequest(good.path());
    r.data.train = path;
    change(r);
    const auto result = Train(r, nullptr, nullptr);
    CHECK(result.ok() || (!result.status().message().empty() && result.status().message().find('\n') == std::string::npos));
    return result.ok() ? Code::kOk : result.status().code();
  };
  const auto same = [](train::TrainRequest&) {};
  const auto examples = [](train::TrainRequest& r) {
    r.data.kind = train::DataKind::kExamples;
    r.data.validation.clear();
  };
  CHECK(code(good.path(), same) == Code::kOk);
  CHECK(code("/nonexistent/file", same) == Code::kIo);
  CHECK(code("/", same) == Code::kIo);
  CHECK(code(good.path(), examples) == Code::kBadRequest);
  CHECK(code(good.path(), [](train::TrainRequest& r) { r.steps = 0; }) == Code::kBadRequest);
  CHECK(code(good.path(), [](train::TrainRequest& r) { r.batch = -1; }) == Code::kBadRequest);
  CHECK(code(good.path(), [](train::TrainRequest& r) { r.optimizer.learning_rate = 0; }) == Code::kBadRequest);
  CHECK(code(good.path(), [](train::TrainRequest& r) { r.isa = "mmx"; }) == Code::kUnavailable);
  CHECK(code(TemporaryFile(1, 13, 0, 401, Periodic(400, 13)).path(), same) == Code::kIo);            // truncated
  CHECK(code(TemporaryFile(1, 13, 0, ~0ull, Periodic(400, 13)).path(), same) == Code::kIo);          // count overflows
  CHECK(code(TemporaryFile(1, 99, 0, 400, Periodic(400, 13)).path(), same) == Code::kBadRequest);    // vocabulary too large
  CHECK(code(TemporaryFile(1, 13, 0, 400, Periodic(400, 40)).path(), same) == Code::kIo);            // token out of range
  CHECK(code(TemporaryFile(1, 13, 0, 24, Periodic(24, 13)).path(), same) == Code::kBadRequest);      // shorter than a window
  CHECK(code(TemporaryFile(1, 13, 0, 0, {}).path(), same) == Code::kIo);                             // empty
  CHECK(code(TemporaryFile(0, 13, 0, 4, Periodic(400, 13)).path(), examples) == Code::kBadRequest);  // rows of no tokens
  const std::vector<uint16_t> unscored(96, 0xFFFF);
  std::vector<uint16_t> rows(48, 1);
  rows.insert(rows.begin() + 24, unscored.begin(), unscored.begin() + 24);
  rows.resize(96, 0xFFFF);
  CHECK(code(TemporaryFile(0, 13, 24, 2, rows).path(), examples) == Code::kBadRequest);  // nothing scored
}

TEST(TrainBatchOrder) {
  std::vector<uint16_t> rows;
  for (int r = 0; r < 10; ++r) rows.insert(rows.end(), {static_cast<uint16_t>(r), 0, 0xFFFF, 1});
  const TemporaryFile file(0, 16, 2, 10, rows);
  auto data = Dataset::Open(file.path(), true, 2, 16);
  CHECK(data.ok());
  if (!data.ok()) return;
  train::Order order(4, *data, true), again(4, *data, true), other(5, *data, true);
  std::set<uint64_t> epoch;
  bool differs = false;
  std::vector<uint64_t> drawn;
  for (uint64_t n = 0; n < 30; ++n) {
    drawn.push_back(order.At(n));
    epoch.insert(drawn.back());
    differs = differs || other.At(n) != drawn.back();
    if (n % 10 == 9) {
      CHECK(epoch.size() == 10);  // every row once an epoch
      epoch.clear();
    }
  }
  CHECK(differs && again.At(25) == drawn[25] && again.At(3) == drawn[3]);
  uint16_t tokens[2], targets[2];
  CHECK(data->Read(7, tokens, targets) == 1 && tokens[0] == 7 && targets[0] == train::kNotScored && targets[1] == 1);
  CHECK(data->Spread(4) == std::vector<uint64_t>({0, 2, 5, 7}));
  CHECK(data->Spread(99).size() == 10);
}

}  // namespace
}  // namespace edgefront::testing
