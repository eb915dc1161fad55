// The rows that a run reads: opens and checks its files, reads the batch of each step, evaluates the
// validation rows.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "infer/model_file.h"
#include "train/dataset.h"
#include "train/soft_file.h"
#include "train/trainer.h"

namespace edgefront::train {

// All files that a request names.
struct TrainFiles {
  Dataset train;
  std::unique_ptr<Dataset> validation;  // null: none
  std::unique_ptr<ModelFile> teacher;   // null: none
  std::unique_ptr<SoftFile> soft;       // a teacher's logits; null: none

  static Result<TrainFiles> Open(const TrainRequest& request);
};

struct Rows {
  std::vector<uint16_t> tokens, targets;
  uint64_t scored = 0;
};

// The rows of a batch and, for a file with a teacher's probabilities, those of the batch's positions.
struct Feed {
  const TrainRequest& request;
  const TrainFiles& files;
  Order order;
  Rows rows;
  std::vector<uint16_t> ids;
  std::vector<float> log_probs;
  SoftTargets soft{};

  Feed(const TrainRequest& r, const TrainFiles& f);
  // Reads the batch of step 1, 2, ... Errors: kBadRequest or kIo.
  Status Next(int64_t step);
};

// Returns loss, accuracy and the number of tokens over the validation rows. `rows` has room for a batch.
Result<Validation> Validate(const TrainRequest& request, const Dataset& data, Session& session, Rows* rows);

}  // namespace edgefront::train
