// The progress of a training run: its counters, curves and the verdict of its stop rule. A checkpoint file
// keeps these with the weights and moments, so that a killed run continues to the same last bit.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "include/edgefront/status.h"
#include "train/session.h"

namespace edgefront::train {

// Early stopping by checks of the validation loss during a run. All parts are off by default.
struct StopRule {
  int every = 0;        // steps between checks; 0: no checks
  double accuracy = 2;  // converged at this validation accuracy
  // Plateau: checks in a row without a better loss; 0: off.
  int patience = 0;
  // A loss is better if it is lower by this share.
  double improvement = 0.001;
  // hopeless: from the first check at or after this step (0: off) ...
  int hopeless_step = 0;
  double hopeless_loss = std::numeric_limits<double>::infinity();  // ... a loss above this is hopeless
};

enum class Stopped : int32_t { kSteps, kConverged, kPlateau, kHopeless, kPaused };
inline const char* StoppedName(Stopped s) {
  constexpr const char* kNames[] = {"steps", "converged", "plateau", "hopeless", "paused"};
  return kNames[static_cast<int>(s)];
}

// A point of the training curve.
struct Report {
  int64_t step;
  double loss, gradient_norm;  // means since the previous report
};
// One validation check during a run.
struct Look {
  int64_t step;
  double loss, accuracy;
};

// The counters and curves of a run, and its checkpoint.
struct RunState {
  int64_t step = 0;  // steps done
  double window = 0, norms = 0;
  int64_t in_window = 0;
  double seconds = 0;
  double best = std::numeric_limits<double>::infinity();
  int64_t stale = 0;  // checks since the best loss
  Stopped stopped = Stopped::kSteps;
  std::vector<Report> reports;
  std::vector<Look> looks;

  // Records a check. Returns true, with `stopped` set, if the run should end.
  bool Judge(const StopRule& rule, const Look& look);

  // Writes a checkpoint atomically. `floats` is the length of each array in `weights`. `fingerprint`
  // identifies the run. Error: kIo.
  Status Save(const std::string& path, uint64_t fingerprint, const Session::State& weights, size_t floats) const;
  // Reads a checkpoint. A missing file, or one from beyond step `last`, changes nothing: the run starts from
  // the beginning. Error: kBadCheckpoint for a file of another run or a damaged one.
  Status Restore(const std::string& path, uint64_t fingerprint, const Session::State& weights, size_t floats, int64_t last);
};

}  // namespace edgefront::train
