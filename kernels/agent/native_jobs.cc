// The jobs of the agent with this package's engine.
#include "agent/jobs.h"

namespace edgefront {

std::span<const Job> Jobs() {
  static constexpr Job kJobs[] = {
      {"probe", RunProbe, true, true},
      {"status", RunStatus, false, true},
      {"measure", RunMeasure, true, true},
      {"verify", RunVerify, true, true},
      {"materialize", RunMaterialize, true, false},
      {"train", RunTrain, true, false},
      {"explain", RunExplain, false, true},
      {"put", RunPut, false, true},
  };
  return kJobs;
}

}  // namespace edgefront
