#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>

#include "train/dataset.h"
#include "train/session.h"

namespace edgefront::train {
namespace {

constexpr double kPi = 3.14159265358979323846;

double Seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Learning rate of step 1..steps: linear to the peak at step `warmup`, then half a cosine that ends at the last step.
double RateAt(const Optimizer& o, int step, int steps) {
  if (step <= o.warmup_steps) return o.learning_rate * step / o.warmup_steps;
  const double done = static_cast<double>(step - o.warmup_steps) / std::max(1, steps - o.warmup_steps);
  return o.min_learning_rate + 0.5 * (o.learning_rate - o.min_learning_rate) * (1 + std::cos(kPi * done));
}

Status Check(const TrainRequest& r) {
  const Optimizer& o = r.optimizer;
  const auto finite_positive = [](double x) { return std::isfinite(x) && x > 0; };
  if (r.steps < 1 || r.steps > 10'000'000) return BadRequest("steps must be in 1..10000000");
  if (r.batch < 1 || r.batch > 65536) return BadRequest("batch must be in 1..65536");
  if (r.data.length < 1 || r.data.length > 65536) return BadRequest("data.length must be in 1..65536");
  if (r.report_every < 1 || r.eval_batches < 0) return BadRequest("reportEvery must be positive, evalBatches not negative");
  if (r.threads < 0 || r.threads > 1024) return BadRequest("threads must be in 0..1024");
  if (!finite_positive(o.learning_rate) || !(o.min_learning_rate >= 0 && o.min_learning_rate <= o.learning_rate)) {
    return BadRequest("learningRate must be positive and minLearningRate in 0..learningRate");
  }
  if (o.warmup_steps < 0 || !finite_positive(o.epsilon) || !(o.beta1 >= 0 && o.beta1 < 1) || !(o.beta2 >= 0 && o.beta2 < 1) ||
      !(o.weight_decay >= 0) || !(o.clip >= 0)) {
    return BadRequest("optimizer: warmupSteps >= 0, epsilon > 0, betas in [0,1), weightDecay >= 0, clip >= 0");
  }
  if (r.model.vocab > 65535) return Unsupported("the trainer's vocabularies end at 65535: tokens are 16-bit in EFD1 files");
  return Status::Ok();
}

struct Rows {
  std::vector<uint16_t> tokens, targets;
  uint64_t scored = 0;
};

Status ReadRow(const Dataset& data, uint64_t index, int slot, int length, const std::string& path, Rows* rows) {
  const size_t at = static_cast<size_t>(slot) * length;
  const int scored = data.Read(index, rows->tokens.data() + at, rows->targets.data() + at);
  if (scored < 0) return BadRequest("data file " + path + ": a token is outside the vocabulary, at row " + std::to_string(index));
  rows->scored += static_cast<uint64_t>(scored);
  return Status::Ok();
}

Status Validate(const TrainRequest& request, const Dataset& data, Session& session, Rows* rows, TrainResult* result) {
  const std::vector<uint64_t> picked = data.Spread(static_cast<uint64_t>(request.eval_batches) * request.batch);
  double loss = 0;
  uint64_t right = 0, scored = 0;
  for (size_t first = 0; first < picked.size(); first += request.batch) {
    const int n = static_cast<int>(std::min<size_t>(request.batch, picked.size() - first));
    rows->scored = 0;
    for (int i = 0; i < n; ++i) {
      EDGEFRONT_RETURN_IF_ERROR(ReadRow(data, picked[first + i], i, request.data.length, request.data.validation, rows));
    }
    const CrossEntropyResult r = session.Evaluate(rows->tokens.data(), rows->targets.data(), n);
    loss += r.loss;
    right += static_cast<uint64_t>(r.right);
    scored += rows->scored;
  }
  if (scored == 0) return BadRequest("data file " + request.data.validation + ": no scored position");
  if (!std::isfinite(loss)) return Status(Code::kDiverged, "validation loss is not finite");
  result->validation.loss = loss / static_cast<double>(scored);
  result->validation.accuracy = static_cast<double>(right) / static_cast<double>(scored);
  result->validation.tokens = scored;
  return Status::Ok();
}

}  // namespace

Result<TrainResult> Train(const TrainRequest& request, const ProgressFn& progress, const std::atomic<bool>* cancel) {
  EDGEFRONT_RETURN_IF_ERROR(Check(request));
  const bool examples = request.data.kind == DataKind::kExamples;
  const int length = request.data.length, batch = request.batch;
  Result<Dataset> train = Dataset::Open(request.data.train, examples, length, request.model.vocab);
  if (!train.ok()) return train.status();
  std::unique_ptr<Dataset> validation;
  if (!request.data.validation.empty() && request.eval_batches > 0) {
    Result<Dataset> opened = Dataset::Open(request.data.validation, examples, length, request.model.vocab);
    if (!opened.ok()) return opened.status();
    validation = std::make_unique<Dataset>(std::move(*opened));
  }
  auto created = Session::Create(request.model, request.seed, length, batch, request.threads, request.isa);
  if (!created.ok()) return created.status();
  Session& session = **created;
  Order order(request.seed, *train, examples);
  Rows rows;
  rows.tokens.resize(static_cast<size_t>(batch) * length);
  rows.targets.resize(rows.tokens.size());

  TrainResult result;
  result.parameters = session.params().count();
  result.isa = session.isa();
  result.threads = session.threads();
  const double start = Seconds();
  double window = 0;
  int in_window = 0;
  uint64_t drawn = 0;
  for (int step = 1; step <= request.steps; ++step) {
    if (cancel && cancel->load(std::memory_order_relaxed)) {
      result.cancelled = true;
      break;
    }
    rows.scored = 0;
    for (int i = 0; i < batch; ++i) EDGEFRONT_RETURN_IF_ERROR(ReadRow(*train, order.At(drawn++), i, length, request.data.train, &rows));
    if (rows.scored == 0) return BadRequest("data file " + request.data.train + ": a batch without a scored position");
    const Optimizer& o = request.optimizer;
    const StepResult done = session.Step(rows.tokens.data(), rows.targets.data(), rows.scored,
                                         {RateAt(o, step, request.steps), o.beta1, o.beta2, o.epsilon, o.weight_decay, o.clip});
    if (!std::isfinite(done.loss)) return Status(Code::kDiverged, "loss is not finite at step " + std::to_string(step));
    result.steps = step;
    window += done.loss;
    ++in_window;
    if (step % request.report_every == 0 || step == request.steps) {
      result.train_loss.emplace_back(step, window / in_window);
      const double rate = static_cast<double>(step) * batch * length / (Seconds() - start);
      if (progress) progress({step, request.steps, window / in_window, rate});
      window = 0;
      in_window = 0;
    }
  }
  result.seconds = Seconds() - start;
  result.tokens_per_second = static_cast<double>(result.steps) * batch * length / result.seconds;
  if (validation && !result.cancelled) EDGEFRONT_RETURN_IF_ERROR(Validate(request, *validation, session, &rows, &result));
  result.weights_hash = session.params().Hash(session.weights());
  return result;
}

}  // namespace edgefront::train
