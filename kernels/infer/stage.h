// A named part of a step. All workers run it together, a barrier ends it, and profiles report its time.
#ifndef EDGEFRONT_INFER_STAGE_H_
#define EDGEFRONT_INFER_STAGE_H_

#include <atomic>
#include <cstddef>

#include "infer/profile.h"

namespace edgefront {

struct Engine;

// One worker's call of a stage, for the tokens of the current step: a chunk of one sequence, or one token of
// each sequence.
struct StageRun {
  Engine& engine;
  size_t layer;
  int worker, workers;
  std::atomic<uint32_t>* tickets;  // the stage's own counters, all 0 when it begins
};

// A stage: its function and its cost.
struct Stage {
  const char* name;
  int tickets;  // number of counters that hand out its work
  void (*run)(const StageRun& r);
  OpCost (*cost)(const Engine& e, size_t layer) = nullptr;  // of one step; null: not counted
};

}  // namespace edgefront

#endif  // EDGEFRONT_INFER_STAGE_H_
