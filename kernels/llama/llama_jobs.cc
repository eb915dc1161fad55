// The jobs of the agent for llama.cpp. A confined agent opens no library of anybody's choice.
#include "llama/jobs.h"

namespace edgefront {

std::span<const Job> Jobs() {
  static constexpr Job kJobs[] = {
      {"probe", llama::RunLlamaProbe, true, false},   {"status", RunStatus, false, true}, {"measure", llama::RunLlamaMeasure, true, false},
      {"verify", llama::RunLlamaVerify, true, false}, {"put", RunPut, false, true},
  };
  return kJobs;
}

}  // namespace edgefront
