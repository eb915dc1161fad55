// Proxy training of any layout, in float32 or with bfloat16 products: the native side of a `train` request
// (kernels/README.md). Results do not depend on the number of threads, nor on interruptions with a later
// resume. They may differ in the last bits between instruction sets.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "include/edgefront/status.h"
#include "infer/model_spec.h"
#include "train/run_state.h"

namespace edgefront::train {

enum class DataKind { kExamples, kStream };

struct TrainData {
  DataKind kind = DataKind::kExamples;
  std::string train, validation;  // EFD1 files; an empty validation path: no validation
  int length = 0;                 // T
};

// AdamW with linear warm-up to learning_rate, then a cosine to min_learning_rate. Weight decay applies to
// matrices only.
struct Optimizer {
  double learning_rate = 3e-3, min_learning_rate = 3e-4;
  int warmup_steps = 20;
  double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, weight_decay = 0.1;
  double clip = 1.0;  // of the global gradient norm; 0 = none
};

// The source of the soft targets of a distilling objective: one of the two.
struct TeacherSource {
  std::string model;   // a GGUF with the student's vocabulary
  std::string logits;  // an EFL1 file
};

// A training request with its defaults; Train checks the bounds.
struct TrainRequest {
  ModelSpec model;
  uint64_t seed = 1;
  TrainData data;
  int steps = 300, batch = 32;
  Optimizer optimizer;
  int eval_batches = 8;
  int report_every = 20;
  int threads = 0;           // 0 = DefaultThreads()
  std::string isa = "auto";  // auto | scalar | avx2 | avx512 | avx512bf16 | neon | neonbf16
  Precision precision = Precision::kFloat32;
  bool pooled = false;    // the pooled head (train/head.cc)
  double base_width = 0;  // muP; 0: off
  Objective objective;
  TeacherSource teacher;
  StopRule stop;
  std::string checkpoint;      // path; empty: none. The file is removed when the run ends.
  int checkpoint_every = 200;  // steps
  // Steps after which the run pauses and keeps its checkpoint; 0, or not below steps: no pause.
  int pause_at = 0;
  std::string out;            // path of the trained weights as a GGUF; empty: not kept
  std::vector<uint8_t> plan;  // the header of that file
  uint64_t memory_limit = 0;  // bytes; 0: none
};

struct TrainProgress {
  int step, steps;
  double loss;  // mean over the steps since the last report, nats per scored token
  double tokens_per_second;
};

struct Validation {
  double loss = 0, accuracy = 0;  // per scored token
  uint64_t tokens = 0;            // scored
};

struct TrainResult {
  int steps = 0;
  int resumed_from = 0;  // the step of the checkpoint from which this run resumed
  Stopped stopped = Stopped::kSteps;
  std::vector<Report> reports;
  std::vector<Look> looks;
  Validation validation;
  double tokens_per_second = 0, seconds = 0;  // of training, validation excluded
  uint64_t parameters = 0;
  std::string isa;
  Precision precision = Precision::kFloat32;
  int threads = 0;
  std::string weights_hash;
  bool cancelled = false;  // `cancel` was set: the numbers cover the steps done so far
};

using ProgressFn = std::function<void(const TrainProgress&)>;

// Trains the requested model. `progress` and `cancel` may be null. Errors: kDiverged (non-finite loss),
// kBadRequest or kIo (a setting or the data), kUnavailable (the ISA), kUnsupported (the vocabulary),
// kBadCheckpoint, kOutOfMemory.
Result<TrainResult> Train(const TrainRequest& request, const ProgressFn& progress, const std::atomic<bool>* cancel);

}  // namespace edgefront::train
