#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <sstream>
#include <utility>

#include "train/dataset.h"
#include "train/session.h"
#include "train/soft_file.h"

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
  if (r.stop.every < 0 || r.stop.patience < 0 || r.checkpoint_every < 1) {
    return BadRequest("stop.every and stop.patience must not be negative, checkpoint.every must be positive");
  }
  if (r.pause_at < 0 || (r.pause_at > 0 && r.checkpoint.empty())) {
    return BadRequest("checkpoint.pauseAt must not be negative, and needs checkpoint.path");
  }
  const Objective& objective = r.objective;
  const bool distils = objective.kind != Objective::kCrossEntropy;
  if (distils && r.teacher.model.empty() == r.teacher.logits.empty()) {
    return BadRequest("a distilling objective needs a teacher: a model or logits, one of the two");
  }
  if (distils && (objective.k < 1 || objective.k > 256 || static_cast<uint32_t>(objective.k) >= r.model.vocab)) {
    return BadRequest("objective.k must be in 1..256 and below the vocabulary");
  }
  if (distils && (!finite_positive(objective.temperature) || !(objective.mix >= 0 && objective.mix <= 1))) {
    return BadRequest("objective.temperature must be positive and objective.mix in 0..1");
  }
  if (distils && r.pooled) return BadRequest("the pooled head takes cross-entropy only");
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
  if (scored == Dataset::kUnreadable) return IoError("data file " + path + ": cut off while in use, or unreadable");
  if (scored < 0) return IoError("data file " + path + ": damaged: a token is outside the vocabulary, at row " + std::to_string(index));
  rows->scored += static_cast<uint64_t>(scored);
  return Status::Ok();
}

// Loss, accuracy and the number of tokens, over the validation rows.
Result<Validation> Validate(const TrainRequest& request, const Dataset& data, Session& session, Rows* rows) {
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
  const double n = static_cast<double>(scored);
  return Validation{loss / n, static_cast<double>(right) / n, scored};
}

// Everything that a step's result depends on: a checkpoint of one request must not be taken up by another.
uint64_t Fingerprint(const TrainRequest& r, const Params& params, const Dataset& train, const char* isa) {
  std::ostringstream text;
  const auto base = [](const std::string& path) { return path.substr(path.find_last_of('/') + 1); };
  const Optimizer& o = r.optimizer;
  text << std::hexfloat << isa << ' ' << r.seed << ' ' << r.steps << ' ' << r.batch << ' ' << r.data.length << ' ' << base(r.data.train) << ' '
       << train.choices() << ' ' << o.learning_rate << ' ' << o.min_learning_rate << ' ' << o.warmup_steps << ' ' << o.beta1 << ' ' << o.beta2
       << ' ' << o.epsilon << ' ' << o.weight_decay << ' ' << o.clip << ' ' << r.pooled << ' ' << r.base_width << ' ' << r.objective.kind << ' '
       << r.objective.k << ' ' << r.objective.temperature << ' ' << r.objective.mix << ' ' << base(r.teacher.model) << ' '
       << base(r.teacher.logits) << ' ' << r.report_every << ' ' << r.stop.every << ' ' << r.stop.accuracy << ' ' << r.stop.patience << ' '
       << r.stop.improvement << ' ' << r.stop.hopeless_step << ' ' << r.stop.hopeless_loss;
  if (r.precision != Precision::kFloat32) text << ' ' << PrecisionName(r.precision);  // checkpoints from before there was another stay valid
  for (const Param& p : params.all()) text << ' ' << p.name << ' ' << p.rows << ' ' << p.cols;
  for (const LayerSpec& l : r.model.layers) text << ' ' << l.window << ' ' << l.rope_base << ' ' << l.heads;
  return Fnv1a64(text.str());
}

// Rows of a batch and, where a file has them, the teacher's probabilities of their positions.
struct Feed {
  const TrainRequest& request;
  const Dataset& data;
  const SoftFile* soft_file;
  Order order;
  Rows rows;
  std::vector<uint16_t> ids;
  std::vector<float> log_probs;
  SoftTargets soft{};

  Feed(const TrainRequest& r, const Dataset& train, const SoftFile* file)
      : request(r), data(train), soft_file(file), order(r.seed, train, r.data.kind == DataKind::kExamples) {
    rows.tokens.resize(static_cast<size_t>(r.batch) * r.data.length);
    rows.targets.resize(rows.tokens.size());
    if (!file) return;
    ids.resize(rows.tokens.size() * r.objective.k);
    log_probs.resize(ids.size());
    soft = {r.objective.k, ids.data(), log_probs.data()};
  }

  // The batch of step 1, 2, ...
  Status Next(int64_t step) {
    const int length = request.data.length, batch = request.batch;
    rows.scored = 0;
    for (int i = 0; i < batch; ++i) {
      const uint64_t index = order.At(static_cast<uint64_t>(step - 1) * batch + i);
      EDGEFRONT_RETURN_IF_ERROR(ReadRow(data, index, i, length, request.data.train, &rows));
      if (!soft_file) continue;
      const uint64_t first = request.data.kind == DataKind::kExamples ? index * length : index;
      const ptrdiff_t at = static_cast<ptrdiff_t>(i) * length * request.objective.k;
      if (!soft_file->Read(first, length, ids.data() + at, log_probs.data() + at)) {
        return IoError("teacher's logits " + request.teacher.logits + ": cut off, or of another vocabulary");
      }
    }
    if (rows.scored == 0) return BadRequest("data file " + request.data.train + ": a batch without a scored position");
    return Status::Ok();
  }
};

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
  SessionOptions options{request.pooled, request.objective, nullptr, request.base_width, request.memory_limit, request.precision};
  std::unique_ptr<ModelFile> teacher;
  std::unique_ptr<SoftFile> soft_file;
  if (!request.teacher.model.empty()) {
    Result<ModelFile> opened = ModelFile::Open(request.teacher.model);
    if (!opened.ok()) return Status(opened.status().code(), "teacher: " + opened.status().message());
    teacher = std::make_unique<ModelFile>(std::move(*opened));
    options.teacher = teacher.get();
  } else if (!request.teacher.logits.empty()) {
    const uint64_t positions = examples ? train->choices() * length : train->choices() + length;
    Result<SoftFile> opened = SoftFile::Open(request.teacher.logits, request.objective.k, positions, request.model.vocab);
    if (!opened.ok()) return opened.status();
    soft_file = std::make_unique<SoftFile>(std::move(*opened));
  }
  auto created = Session::Create(request.model, request.seed, length, batch, request.threads, request.isa, options);
  if (!created.ok()) return created.status();
  Session& session = **created;
  Feed feed(request, *train, soft_file.get());

  TrainResult result;
  result.parameters = session.params().count();
  result.isa = session.isa();
  result.precision = session.precision();
  result.threads = session.threads();
  RunState run;
  const uint64_t fingerprint = Fingerprint(request, session.params(), *train, session.isa());
  const size_t floats = session.params().size();
  const int last = request.pause_at > 0 ? std::min(request.pause_at, request.steps) : request.steps;
  if (!request.checkpoint.empty()) {
    EDGEFRONT_RETURN_IF_ERROR(run.Restore(request.checkpoint, fingerprint, session.state(), floats, last));
    if (run.step > 0) session.Repack();
    result.resumed_from = static_cast<int>(run.step);
  }
  double clock = Seconds();
  const Optimizer& o = request.optimizer;
  while (run.step < last) {
    if (cancel && cancel->load(std::memory_order_relaxed)) {
      result.cancelled = true;
      break;
    }
    const int step = static_cast<int>(run.step) + 1;
    EDGEFRONT_RETURN_IF_ERROR(feed.Next(step));
    const StepResult done = session.Step(feed.rows.tokens.data(), feed.rows.targets.data(), feed.rows.scored,
                                         {RateAt(o, step, request.steps), o.beta1, o.beta2, o.epsilon, o.weight_decay, o.clip},
                                         soft_file ? &feed.soft : nullptr);
    if (!std::isfinite(done.loss)) return Status(Code::kDiverged, "loss is not finite at step " + std::to_string(step));
    run.step = step;
    run.window += done.loss;
    run.norms += done.gradient_norm;
    ++run.in_window;
    const double now = Seconds();
    run.seconds += now - clock;
    clock = now;
    if (step % request.report_every == 0 || step == request.steps) {
      const double n = static_cast<double>(run.in_window);
      run.reports.push_back({step, run.window / n, run.norms / n});
      if (progress) progress({step, request.steps, run.window / n, static_cast<double>(step) * batch * length / run.seconds});
      run.window = run.norms = 0;
      run.in_window = 0;
    }
    // Looks and checkpoints are no training time.
    if (validation && request.stop.every > 0 && step % request.stop.every == 0 && step < request.steps) {
      const Result<Validation> seen = Validate(request, *validation, session, &feed.rows);
      if (!seen.ok()) return seen.status();
      if (run.Judge(request.stop, {step, seen.value().loss, seen.value().accuracy})) break;
    }
    if (!request.checkpoint.empty() && (step % request.checkpoint_every == 0 || step == last) && step < request.steps) {
      EDGEFRONT_RETURN_IF_ERROR(run.Save(request.checkpoint, fingerprint, session.state(), floats));
    }
    clock = Seconds();
  }
  result.steps = static_cast<int>(run.step);
  const bool paused = run.step == last && last < request.steps && run.stopped == Stopped::kSteps && !result.cancelled;
  result.stopped = paused ? Stopped::kPaused : run.stopped;
  result.reports = std::move(run.reports);
  result.looks = std::move(run.looks);
  result.seconds = run.seconds;
  result.tokens_per_second = result.seconds > 0 ? static_cast<double>(result.steps) * batch * length / result.seconds : 0;
  if (validation && !result.cancelled) {
    const Result<Validation> seen = Validate(request, *validation, session, &feed.rows);
    if (!seen.ok()) return seen.status();
    result.validation = seen.value();
  }
  result.weights_hash = session.params().Hash(session.weights());
  if (paused) return result;
  if (!request.out.empty() && !result.cancelled) {
    EDGEFRONT_RETURN_IF_ERROR(session.params().Export(request.plan, session.weights(), request.out));
  }
  if (!request.checkpoint.empty() && !result.cancelled) std::remove(request.checkpoint.c_str());
  return result;
}

}  // namespace edgefront::train
