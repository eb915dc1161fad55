// Sets up a training run's memory, and runs its steps: lanes, reduction in lane order, clipping, AdamW,
// packing.
#include "train/session.h"

#include <algorithm>
#include <cmath>

#include "infer/weights.h"
#include "train/projections.h"

namespace edgefront::train {
namespace {

constexpr int kSpan = 4096;  // floats that a worker reduces or updates at a time
// Tokens of a microbatch: few enough for the activations to stay in a core's caches.
constexpr int kMicrobatchRows = 128;

// The step of a router's biases (arXiv 2408.15664).
constexpr float kBalanceRate = 1e-3f;

// The trainer's networks apply the final norm once.
Status CheckNorms(const ModelSpec& spec) {
  return spec.norm_every == 0 ? Status::Ok() : Unsupported("the trainer runs no model with its final norm between loops of its layers");
}

int LanesFor(int batch) { return std::clamp(batch / 4, std::min(batch, 8), 16); }

}  // namespace

Result<std::unique_ptr<Session>> Session::Create(const ModelSpec& spec, uint64_t seed, int length, int batch, int threads,
                                                 const std::string& isa, const SessionOptions& options) {
  EDGEFRONT_RETURN_IF_ERROR(CheckNorms(spec));
  const Math* math = options.math ? options.math : SelectMath(isa.c_str(), options.precision);
  if (!math) return Unavailable("the trainer has no " + isa + " path in " + PrecisionName(options.precision) + " on this machine");
  auto pool = ThreadPool::Create(threads, false);
  if (!pool.ok()) return pool.status();
  std::unique_ptr<Session> s(new Session(spec, length, batch, std::move(*pool), math, options));
  if (options.memory_limit > 0 && s->bytes_ > options.memory_limit) {
    return OutOfMemory("training needs " + std::to_string(s->bytes_ >> 20) + " MiB and " + std::to_string(options.memory_limit >> 20) +
                       " MiB are available; lower the batch or the length");
  }
  if (!s->Allocate()) return OutOfMemory("training needs " + std::to_string(s->bytes_ >> 20) + " MiB");
  s->params_.Initialise(seed, s->weights_.get());
  s->Repack();
  if (options.teacher) EDGEFRONT_RETURN_IF_ERROR(s->LoadTeacher(*options.teacher));
  return s;
}

Session::Session(const ModelSpec& spec, int length, int batch, std::unique_ptr<ThreadPool> pool, const Math* math,
                 const SessionOptions& options)
    : spec_(spec),
      params_(Params::Of(spec_, options.pooled)),
      length_(length),
      batch_(batch),
      lanes_(LanesFor(batch)),
      per_microbatch_(std::clamp(kMicrobatchRows / length, 1, (batch + lanes_ - 1) / lanes_)),
      pool_(std::move(pool)),
      math_(math),
      objective_(options.objective),
      network_(spec_, params_, length, per_microbatch_, options.objective) {
  for (const Param& p : params_.all()) {
    // muP for Adam (Yang et al., arXiv 2203.03466): rates of hidden matrices scale with 1 / inputs;
    // embeddings and vectors keep theirs.
    const bool hidden = p.matrix() && p.layer >= 0 && options.base_width > 0;
    const float rate = hidden ? static_cast<float>(options.base_width / static_cast<double>(spec_.dim)) : 1.0f;
    for (size_t at = 0; at < p.size(); at += kSpan) {
      spans_.push_back(
          {p.offset + at, std::min<size_t>(kSpan, p.size() - at), p.matrix(), rate, p.kind == WeightKind::kBalance ? p.cols : 0});
    }
    if (!p.matrix()) continue;
    const int rows = std::max(1, kSpan / p.ld / kPad), columns = std::max(1, kSpan / p.padded_rows / kPad);
    for (int i = 0; i < p.padded_rows / kPad; i += rows) packs_.push_back({&p, i, std::min(i + rows, p.padded_rows / kPad), true});
    for (int i = 0; i < p.ld / kPad; i += columns) packs_.push_back({&p, i, std::min(i + columns, p.ld / kPad), false});
  }
  squares_.resize(spans_.size());
  lane_results_.resize(lanes_);
  bytes_ = sizeof(float) * (params_.size() * (4 + lanes_) + PackedAt(*math, params_.packed_size()) +
                            (network_.arena_size() + RoundingSize()) * pool_->size());
}

bool Session::Allocate() {
  const size_t n = params_.size();
  weights_ = AllocateFloats(n);
  gradient_ = AllocateFloats(n);
  moment1_ = AllocateFloats(n);
  moment2_ = AllocateFloats(n);
  packed_ = AllocateFloats(PackedAt(*math_, params_.packed_size()));
  lane_memory_ = AllocateFloats(n * lanes_);
  arenas_ = AllocateFloats(network_.arena_size() * pool_->size());
  if (RoundingSize() > 0) rounding_ = AllocateFloats(RoundingSize() * pool_->size());
  for (int l = 0; l < lanes_; ++l) lane_gradients_.push_back(lane_memory_.get() + n * l);
  return weights_ && gradient_ && moment1_ && moment2_ && packed_ && lane_memory_ && arenas_ && (rounding_ || RoundingSize() == 0);
}

Status Session::LoadTeacher(const ModelFile& file) {
  const DataSource source = SourceOf(file);
  auto spec = ModelSpec::FromGguf(file.gguf(), &source);
  if (!spec.ok()) return spec.status();
  EDGEFRONT_RETURN_IF_ERROR(CheckNorms(*spec));
  if (spec->vocab != spec_.vocab) {
    return BadRequest("the teacher has " + std::to_string(spec->vocab) + " tokens, the student " + std::to_string(spec_.vocab));
  }
  teacher_ = std::make_unique<Teacher>();
  Teacher& t = *teacher_;
  t.spec = std::move(*spec);
  t.params = Params::Of(t.spec);
  t.weights = AllocateFloats(t.params.size());
  t.packed = AllocateFloats(PackedAt(*math_, t.params.packed_size()));
  t.network = std::make_unique<Network>(t.spec, t.params, length_, per_microbatch_);
  t.arenas = AllocateFloats(t.network->arena_size() * pool_->size());
  if (!t.weights || !t.packed || !t.arenas) return OutOfMemory("no memory for the teacher");
  EDGEFRONT_RETURN_IF_ERROR(t.params.Load(t.spec, file, t.weights.get()));
  for (const Param& p : t.params.all()) {
    if (p.matrix()) PackForward(*math_, p, t.weights.get(), 0, p.padded_rows / kPad, t.packed.get());
  }
  const size_t workers = pool_->size(), entries = static_cast<size_t>(per_microbatch_) * length_ * objective_.k;
  t.ids.assign(workers, std::vector<uint16_t>(entries));
  t.log_probs.assign(workers, std::vector<float>(entries));
  t.order.assign(workers, std::vector<uint32_t>(spec_.vocab));
  return Status::Ok();
}

void Session::Restart() {
  next_lane_ = 0;
  next_reduce_ = 0;
  next_update_ = 0;
  next_pack_ = 0;
}

void Session::RunLanes(const uint16_t* tokens, const uint16_t* targets, const SoftTargets* soft, int sequences, bool with_gradient,
                       float scale, int worker) {
  float* arena = arenas_.get() + network_.arena_size() * worker;
  float* scratch = rounding_.get() ? rounding_.get() + kProductScratch * worker : nullptr;
  const Weights weights{weights_.get(), packed_.get(), scratch};
  for (int lane; (lane = next_lane_.fetch_add(1, std::memory_order_relaxed)) < lanes_;) {
    const int first = sequences * lane / lanes_, last = sequences * (lane + 1) / lanes_;
    CrossEntropyResult total;
    for (int s = first; s < last; s += per_microbatch_) {
      const ptrdiff_t at = static_cast<ptrdiff_t>(s) * length_;
      Microbatch part{std::min(per_microbatch_, last - s), tokens + at, targets + at};
      SoftTargets mine{};
      if (with_gradient && soft) {
        mine = {soft->k, soft->ids + at * soft->k, soft->log_probs + at * soft->k};
        part.soft = &mine;
      } else if (with_gradient && teacher_) {
        Teacher& t = *teacher_;
        t.network->Teach(*math_, {t.weights.get(), t.packed.get(), scratch}, part, objective_.k,
                         t.arenas.get() + t.network->arena_size() * worker, t.ids[worker].data(), t.log_probs[worker].data(),
                         &t.order[worker]);
        mine = {objective_.k, t.ids[worker].data(), t.log_probs[worker].data()};
        part.soft = &mine;
      }
      float* gradient = with_gradient ? lane_memory_.get() + params_.size() * lane : nullptr;
      const CrossEntropyResult r = network_.Run(*math_, weights, part, arena, gradient, s == first, scale);
      total.loss += r.loss;
      total.right += r.right;
    }
    lane_results_[lane] = total;
  }
}

StepResult Session::Step(const uint16_t* tokens, const uint16_t* targets, uint64_t scored, const StepSettings& s, const SoftTargets* soft) {
  Restart();
  const float scale = 1.0f / static_cast<float>(std::max<uint64_t>(scored, 1));
  const int64_t step = steps_ + 1;
  AdamStep adam{};
  adam.rate = static_cast<float>(s.rate);
  adam.beta1 = static_cast<float>(s.beta1);
  adam.beta2 = static_cast<float>(s.beta2);
  adam.epsilon = static_cast<float>(s.epsilon);
  adam.correction1 = static_cast<float>(1.0 - std::pow(s.beta1, static_cast<double>(step)));
  adam.correction2 = static_cast<float>(1.0 - std::pow(s.beta2, static_cast<double>(step)));
  StepResult result;
  pool_->Run([&](int worker, int) {
    RunLanes(tokens, targets, soft, batch_, true, scale, worker);
    pool_->Barrier();
    for (int i; (i = next_reduce_.fetch_add(1, std::memory_order_relaxed)) < static_cast<int>(spans_.size());) {
      const double squares =
          math_->reduce(spans_[i].size, lanes_, lane_gradients_.data(), spans_[i].offset, gradient_.get() + spans_[i].offset);
      squares_[i] = spans_[i].balanced > 0 ? 0 : squares;
    }
    pool_->Barrier();
    // Every worker sums the same numbers in the same order, which is cheaper than another barrier.
    double loss = 0, squares = 0;
    for (const CrossEntropyResult& r : lane_results_) loss += r.loss;
    for (const double q : squares_) squares += q;
    const double norm = std::sqrt(squares);
    if (worker == 0) result = {loss * static_cast<double>(scale), norm};
    if (!std::isfinite(loss) || !std::isfinite(norm)) return;
    AdamStep mine = adam;
    mine.scale = s.clip > 0 && norm > s.clip ? static_cast<float>(s.clip / norm) : 1.0f;
    for (int i; (i = next_update_.fetch_add(1, std::memory_order_relaxed)) < static_cast<int>(spans_.size());) {
      const Span& span = spans_[i];
      mine.rate = adam.rate * span.rate;
      mine.decay = span.decay ? static_cast<float>(s.rate * s.weight_decay) : 0.0f;
      Update(span, mine);
    }
    pool_->Barrier();
    for (int i; (i = next_pack_.fetch_add(1, std::memory_order_relaxed)) < static_cast<int>(packs_.size());) {
      PackPart(packs_[i]);
    }
  });
  if (std::isfinite(result.loss) && std::isfinite(result.gradient_norm)) {
    steps_ = step;
  } else {
    result.loss = std::nan("");
  }
  return result;
}

void Session::Update(const Span& span, const AdamStep& adam) {
  float *weights = weights_.get() + span.offset, *gradient = gradient_.get() + span.offset;
  if (span.balanced == 0)
    return math_->adam(span.size, weights, gradient, moment1_.get() + span.offset, moment2_.get() + span.offset, adam);
  // Loads are whole numbers, so the comparison with their mean is exact.
  double total = 0;
  for (int e = 0; e < span.balanced; ++e) total += gradient[e];
  for (int e = 0; e < span.balanced; ++e) {
    const double load = static_cast<double>(gradient[e]) * span.balanced;
    weights[e] += load < total ? kBalanceRate : load > total ? -kBalanceRate : 0.0f;
  }
}

void Session::PackPart(const Pack& p) {
  const auto pack = p.transposed ? PackForward : PackBackward;
  pack(*math_, *p.param, weights_.get(), p.first, p.last, packed_.get());
}

void Session::Repack() {
  for (const Pack& p : packs_) PackPart(p);
}

CrossEntropyResult Session::Evaluate(const uint16_t* tokens, const uint16_t* targets, int sequences) {
  Restart();
  pool_->Run([&](int worker, int) { RunLanes(tokens, targets, nullptr, sequences, false, 0.0f, worker); });
  CrossEntropyResult total;
  for (const CrossEntropyResult& r : lane_results_) {
    total.loss += r.loss;
    total.right += r.right;
  }
  return total;
}

}  // namespace edgefront::train
