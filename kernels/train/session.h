// The state of one training run (weights, moments, gradient lanes, arenas) and its step. A batch is cut into a number of lanes that
// depends on the batch only; workers take lanes, each lane sums its own gradient, and the lanes are added in order: so the result
// does not depend on the number of threads. Nothing allocates after Create. Data, schedule and reporting are trainer.cc's.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "include/edgefront/thread_pool.h"
#include "train/network.h"

namespace edgefront::train {

struct StepSettings {
  double rate, beta1, beta2, epsilon, weight_decay, clip;  // clip 0: none
};

struct StepResult {
  double loss = 0;           // mean over the scored positions
  double gradient_norm = 0;  // before clipping
};

class Session {
 public:
  static Result<std::unique_ptr<Session>> Create(const ModelSpec& spec, uint64_t seed, int length, int batch, int threads,
                                                 const std::string& isa);

  // One optimisation step on `batch` sequences, `scored` of whose positions count. A non-finite loss leaves the weights as they were.
  StepResult Step(const uint16_t* tokens, const uint16_t* targets, uint64_t scored, const StepSettings& settings);
  // Loss and right answers summed over the scored positions of `sequences` (at most `batch`).
  CrossEntropyResult Evaluate(const uint16_t* tokens, const uint16_t* targets, int sequences);

  const Params& params() const { return params_; }
  float* weights() { return weights_.get(); }
  const float* gradient() const { return gradient_.get(); }  // of the last step, unclipped
  void Repack();  // after weights() were changed from outside
  const char* isa() const { return math_->isa; }
  int threads() const { return pool_->size(); }
  uint64_t bytes() const { return bytes_; }

 private:
  struct Span {  // of one tensor: the unit of reduction and update
    size_t offset, size;
    bool decay;
  };
  struct Pack {
    const Param* param;
    int first, last;
    bool transposed;
  };
  Session(const ModelSpec& spec, int length, int batch, std::unique_ptr<ThreadPool> pool, const Math* math);
  void RunLanes(const uint16_t* tokens, const uint16_t* targets, int sequences, bool with_gradient, float scale, int worker);
  void Restart();

  ModelSpec spec_;
  Params params_;
  int length_, batch_, lanes_, per_microbatch_;
  std::unique_ptr<ThreadPool> pool_;
  const Math* math_;
  Network network_;
  std::vector<Span> spans_;
  std::vector<Pack> packs_;
  std::vector<double> squares_;  // per span
  std::vector<CrossEntropyResult> lane_results_;
  std::vector<const float*> lane_gradients_;
  Floats weights_, packed_, gradient_, moment1_, moment2_, lane_memory_, arenas_;
  uint64_t bytes_ = 0;
  int64_t steps_ = 0;
  std::atomic<int> next_lane_{0}, next_reduce_{0}, next_update_{0}, next_pack_{0};
};

}  // namespace edgefront::train
