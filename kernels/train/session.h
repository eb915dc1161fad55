// The state of one training run (weights, moments, gradient lanes, arenas) and its step. A batch is cut into
// lanes, whose number depends on the batch only. Each lane sums its own gradient and lanes are added in
// order, so results do not depend on the number of threads. Nothing allocates after Create. trainer.cc does
// data, schedule and reporting.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "include/edgefront/thread_pool.h"
#include "infer/model_file.h"
#include "train/network.h"

namespace edgefront::train {

struct StepSettings {
  double rate, beta1, beta2, epsilon, weight_decay, clip;  // clip 0: none
};

struct StepResult {
  double loss = 0;           // mean over the scored positions
  double gradient_norm = 0;  // before clipping
};

// Options beyond the plain case.
struct SessionOptions {
  bool pooled = false;  // the pooled head (train/head.cc)
  // Other than cross-entropy: needs a teacher, or soft targets in each step.
  Objective objective;
  const ModelFile* teacher = nullptr;  // its weights are copied; null: none
  // MuP: learning rates of matrices shrink with inputs beyond this width; 0: off.
  double base_width = 0;
  uint64_t memory_limit = 0;                  // bytes; 0: none
  Precision precision = Precision::kFloat32;  // of the operands of linear layers, also the teacher's
  const Math* math = nullptr;                 // replaces the table that isa and precision select
};

class Session {
 public:
  // Allocates a run for batches of `batch` sequences of `length` tokens. `isa` is a name or "auto". Errors:
  // kUnavailable (isa), kOutOfMemory, kBadRequest (threads, teacher).
  static Result<std::unique_ptr<Session>> Create(const ModelSpec& spec, uint64_t seed, int length, int batch, int threads,
                                                 const std::string& isa, const SessionOptions& options = {});

  // Does one optimisation step on `batch` sequences, of which `scored` positions count. A non-finite loss
  // leaves the weights unchanged. `soft` covers all rows of the batch; it is needed if the objective has no
  // teacher in the session.
  StepResult Step(const uint16_t* tokens, const uint16_t* targets, uint64_t scored, const StepSettings& settings,
                  const SoftTargets* soft = nullptr);
  // Returns loss and right answers, summed over the scored positions of `sequences` sequences (at most
  // `batch`).
  CrossEntropyResult Evaluate(const uint16_t* tokens, const uint16_t* targets, int sequences);

  const Params& params() const { return params_; }
  float* weights() { return weights_.get(); }
  const float* gradient() const { return gradient_.get(); }  // of the last step, before clipping
  // The whole state that later steps depend on, for saving and restoring. Call Repack() after changing it
  // from outside.
  struct State {
    float *weights, *moment1, *moment2;  // params().size() each
    int64_t* steps;
  };
  State state() { return {weights_.get(), moment1_.get(), moment2_.get(), &steps_}; }
  void Repack();
  const char* isa() const { return math_->isa; }
  Precision precision() const { return math_->precision; }
  int threads() const { return pool_->size(); }
  uint64_t bytes() const { return bytes_; }

 private:
  struct Span {  // a part of one tensor: the unit of reduction and update
    size_t offset, size;
    bool decay;
    float rate;    // factor of the step's rate
    int balanced;  // biases of a router's experts, whose gradient is the load; 0: other parameters
  };
  struct Pack {
    const Param* param;
    int first, last;
    bool transposed;
  };
  // A read-only network, whose outputs are the student's targets.
  struct Teacher {
    ModelSpec spec;
    Params params;
    Floats weights, packed;
    std::unique_ptr<Network> network;
    Floats arenas;
    std::vector<std::vector<uint16_t>> ids;  // one per worker, for a microbatch
    std::vector<std::vector<float>> log_probs;
    std::vector<std::vector<uint32_t>> order;
  };
  Session(const ModelSpec& spec, int length, int batch, std::unique_ptr<ThreadPool> pool, const Math* math, const SessionOptions& options);
  bool Allocate();
  Status LoadTeacher(const ModelFile& file);
  void RunLanes(const uint16_t* tokens, const uint16_t* targets, const SoftTargets* soft, int sequences, bool with_gradient, float scale,
                int worker);
  void Restart();
  // Floats for each worker.
  size_t RoundingSize() const { return precision() == Precision::kBfloat16 ? kProductScratch : 0; }
  void PackPart(const Pack& p);
  void Update(const Span& span, const AdamStep& adam);

  ModelSpec spec_;
  Params params_;
  int length_, batch_, lanes_, per_microbatch_;
  std::unique_ptr<ThreadPool> pool_;
  const Math* math_;
  Objective objective_;
  Network network_;
  std::unique_ptr<Teacher> teacher_;
  std::vector<Span> spans_;
  std::vector<Pack> packs_;
  std::vector<double> squares_;  // per span
  std::vector<CrossEntropyResult> lane_results_;
  std::vector<const float*> lane_gradients_;
  Floats weights_, packed_, gradient_, moment1_, moment2_, lane_memory_, arenas_, rounding_;
  uint64_t bytes_ = 0;
  int64_t steps_ = 0;
  std::atomic<int> next_lane_{0}, next_reduce_{0}, next_update_{0}, next_pack_{0};
};

}  // namespace edgefront::train
