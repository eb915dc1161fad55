// What a training run has come to: its counters, curves and the verdict of its stop rule; and the checkpoint file that keeps them together
// with the weights and moments, so that a run killed at any step goes on to the same last bit.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "include/edgefront/status.h"
#include "train/session.h"

namespace edgefront::train {

// Looks at the validation loss during a run, and when that is enough. All parts are off by default.
struct StopRule {
  int every = 0;                                                   // steps between looks; 0: no looks
  double accuracy = 2;                                             // converged at this validation accuracy
  int patience = 0;                                                // plateau: looks in a row without a better loss; 0: off
  double improvement = 0.001;                                      // better means by this share
  int hopeless_step = 0;                                           // from the first look at or after this step ...
  double hopeless_loss = std::numeric_limits<double>::infinity();  // ... a loss above this is hopeless
};

enum class Stopped : int32_t { kSteps, kConverged, kPlateau, kHopeless, kPaused };
inline const char* StoppedName(Stopped s) {
  constexpr const char* kNames[] = {"steps", "converged", "plateau", "hopeless", "paused"};
  return kNames[static_cast<int>(s)];
}

struct Report {
  int64_t step;
  double loss, gradient_norm;  // means since the previous report
};
struct Look {
  int64_t step;
  double loss, accuracy;
};

struct RunState {
  int64_t step = 0;  // done
  double window = 0, norms = 0;
  int64_t in_window = 0;
  double seconds = 0;
  double best = std::numeric_limits<double>::infinity();
  int64_t stale = 0;  // looks since it was better
  Stopped stopped = Stopped::kSteps;
  std::vector<Report> reports;
  std::vector<Look> looks;

  // Takes a look's result; true when the run should end, with `stopped` set.
  bool Judge(const StopRule& rule, const Look& look);

  Status Save(const std::string& path, uint64_t fingerprint, const Session::State& weights, size_t floats) const;
  // A missing file, or one from beyond `last`, leaves everything as it was: the run starts. kBadRequest: a file of another run; kIo: a
  // damaged one.
  Status Restore(const std::string& path, uint64_t fingerprint, const Session::State& weights, size_t floats, int64_t last);
};

}  // namespace edgefront::train
