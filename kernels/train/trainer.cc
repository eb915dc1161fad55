// Runs a training request: checks, schedule, early stopping, checkpoints, reports. session.cc does the steps,
// feed.cc reads the data.
#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <sstream>
#include <utility>

#include "train/feed.h"
#include "train/session.h"

namespace edgefront::train {
namespace {

constexpr double kPi = 3.14159265358979323846;

double Seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Returns the learning rate of step 1..steps: linear to the peak at step `warmup`, then half a cosine that
// ends at the last step.
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

// Hashes everything that a step's result depends on, so that a run never resumes from the checkpoint of
// another request.
uint64_t Fingerprint(const TrainRequest& r, const Params& params, const Dataset& train, const char* isa) {
  std::ostringstream text;
  const auto base = [](const std::string& path) { return path.substr(path.find_last_of('/') + 1); };
  const Optimizer& o = r.optimizer;
  text << std::hexfloat << isa << ' ' << r.seed << ' ' << r.steps << ' ' << r.batch << ' ' << r.data.length << ' ' << base(r.data.train)
       << ' ' << train.choices() << ' ' << o.learning_rate << ' ' << o.min_learning_rate << ' ' << o.warmup_steps << ' ' << o.beta1 << ' '
       << o.beta2 << ' ' << o.epsilon << ' ' << o.weight_decay << ' ' << o.clip << ' ' << r.pooled << ' ' << r.base_width << ' '
       << r.objective.kind << ' ' << r.objective.k << ' ' << r.objective.temperature << ' ' << r.objective.mix << ' '
       << base(r.teacher.model) << ' ' << base(r.teacher.logits) << ' ' << r.report_every << ' ' << r.stop.every << ' ' << r.stop.accuracy
       << ' ' << r.stop.patience << ' ' << r.stop.improvement << ' ' << r.stop.hopeless_step << ' ' << r.stop.hopeless_loss;
  if (r.precision != Precision::kFloat32)
    // Omitted for float32: checkpoints written before bfloat16 existed stay valid.
    text << ' ' << PrecisionName(r.precision);
  for (const Param& p : params.all()) text << ' ' << p.name << ' ' << p.rows << ' ' << p.cols;
  for (const LayerSpec& l : r.model.layers) {
    if (l.ffn_kind() == Ffn::kMoe) text << ' ' << l.moe.used;  // omitted for others: earlier checkpoints stay valid
  }
  for (const LayerSpec& l : r.model.layers) text << ' ' << l.attention.window << ' ' << l.attention.rope_base << ' ' << l.attention.heads;
  return Fnv1a64(text.str());
}

// A run in progress: steps, reports, early-stopping checks and checkpoints.
class Run {
 public:
  Run(const TrainRequest& request, const ProgressFn& progress, const TrainFiles& files, Session& session)
      : request_(request),
        progress_(progress),
        files_(files),
        session_(session),
        feed_(request, files),
        fingerprint_(Fingerprint(request, session.params(), files.train, session.isa())),
        last_(request.pause_at > 0 ? std::min(request.pause_at, request.steps) : request.steps) {}

  // Continues from the checkpoint, if there is one.
  Status Resume() {
    if (request_.checkpoint.empty()) return Status::Ok();
    EDGEFRONT_RETURN_IF_ERROR(run_.Restore(request_.checkpoint, fingerprint_, session_.state(), session_.params().size(), last_));
    if (run_.step > 0) session_.Repack();
    resumed_from_ = static_cast<int>(run_.step);
    return Status::Ok();
  }

  // Trains until the last step, until the stop rule ends the run, or until `cancel` is set.
  Status Loop(const std::atomic<bool>* cancel) {
    double clock = Seconds();
    while (run_.step < last_) {
      if (cancel && cancel->load(std::memory_order_relaxed)) {
        cancelled_ = true;
        break;
      }
      EDGEFRONT_RETURN_IF_ERROR(Step(&clock));
      // Checks and checkpoints do not count as training time.
      EDGEFRONT_RETURN_IF_ERROR(Look());
      if (run_.stopped != Stopped::kSteps) break;
      EDGEFRONT_RETURN_IF_ERROR(Save());
      clock = Seconds();
    }
    return Status::Ok();
  }

  Result<TrainResult> Finish() {
    TrainResult result;
    result.parameters = session_.params().count();
    result.isa = session_.isa();
    result.precision = session_.precision();
    result.threads = session_.threads();
    result.resumed_from = resumed_from_;
    result.cancelled = cancelled_;
    result.steps = static_cast<int>(run_.step);
    const bool paused = run_.step == last_ && last_ < request_.steps && run_.stopped == Stopped::kSteps && !cancelled_;
    result.stopped = paused ? Stopped::kPaused : run_.stopped;
    result.reports = std::move(run_.reports);
    result.looks = std::move(run_.looks);
    result.seconds = run_.seconds;
    result.tokens_per_second =
        result.seconds > 0 ? static_cast<double>(result.steps) * request_.batch * request_.data.length / result.seconds : 0;
    if (files_.validation && !cancelled_) {
      const Result<Validation> seen = Validate(request_, *files_.validation, session_, &feed_.rows);
      if (!seen.ok()) return seen.status();
      result.validation = seen.value();
    }
    result.weights_hash = session_.params().Hash(session_.weights());
    if (paused || cancelled_) return result;
    if (!request_.out.empty()) EDGEFRONT_RETURN_IF_ERROR(session_.params().Export(request_.plan, session_.weights(), request_.out));
    if (!request_.checkpoint.empty()) std::remove(request_.checkpoint.c_str());
    return result;
  }

 private:
  Status Step(double* clock) {
    const Optimizer& o = request_.optimizer;
    const int step = static_cast<int>(run_.step) + 1;
    EDGEFRONT_RETURN_IF_ERROR(feed_.Next(step));
    const StepResult done = session_.Step(feed_.rows.tokens.data(), feed_.rows.targets.data(), feed_.rows.scored,
                                          {RateAt(o, step, request_.steps), o.beta1, o.beta2, o.epsilon, o.weight_decay, o.clip},
                                          files_.soft ? &feed_.soft : nullptr);
    if (!std::isfinite(done.loss)) return Status(Code::kDiverged, "loss is not finite at step " + std::to_string(step));
    run_.step = step;
    run_.window += done.loss;
    run_.norms += done.gradient_norm;
    ++run_.in_window;
    const double now = Seconds();
    run_.seconds += now - *clock;
    *clock = now;
    if (step % request_.report_every != 0 && step != request_.steps) return Status::Ok();
    const double n = static_cast<double>(run_.in_window), tokens = static_cast<double>(step) * request_.batch * request_.data.length;
    run_.reports.push_back({step, run_.window / n, run_.norms / n});
    if (progress_) progress_({step, request_.steps, run_.window / n, tokens / run_.seconds});
    run_.window = run_.norms = 0;
    run_.in_window = 0;
    return Status::Ok();
  }

  // Validates at the steps of the stop rule. Sets `stopped` if the rule ends the run.
  Status Look() {
    const int step = static_cast<int>(run_.step), every = request_.stop.every;
    if (!files_.validation || every <= 0 || step % every != 0 || step >= request_.steps) return Status::Ok();
    const Result<Validation> seen = Validate(request_, *files_.validation, session_, &feed_.rows);
    if (!seen.ok()) return seen.status();
    run_.Judge(request_.stop, {step, seen.value().loss, seen.value().accuracy});
    return Status::Ok();
  }

  Status Save() {
    const int64_t step = run_.step;
    const bool due = step % request_.checkpoint_every == 0 || step == last_;
    if (request_.checkpoint.empty() || !due || step >= request_.steps) return Status::Ok();
    return run_.Save(request_.checkpoint, fingerprint_, session_.state(), session_.params().size());
  }

  const TrainRequest& request_;
  const ProgressFn& progress_;
  const TrainFiles& files_;
  Session& session_;
  Feed feed_;
  uint64_t fingerprint_;
  int last_;
  RunState run_;
  int resumed_from_ = 0;
  bool cancelled_ = false;
};

}  // namespace

Result<TrainResult> Train(const TrainRequest& request, const ProgressFn& progress, const std::atomic<bool>* cancel) {
  EDGEFRONT_RETURN_IF_ERROR(Check(request));
  Result<TrainFiles> files = TrainFiles::Open(request);
  if (!files.ok()) return files.status();
  const SessionOptions options{request.pooled,     request.objective,    files->teacher.get(),
                               request.base_width, request.memory_limit, request.precision};
  auto session = Session::Create(request.model, request.seed, request.data.length, request.batch, request.threads, request.isa, options);
  if (!session.ok()) return session.status();
  Run run(request, progress, *files, **session);
  EDGEFRONT_RETURN_IF_ERROR(run.Resume());
  EDGEFRONT_RETURN_IF_ERROR(run.Loop(cancel));
  return run.Finish();
}

}  // namespace edgefront::train
