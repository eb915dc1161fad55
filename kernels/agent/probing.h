// The probe job for any engine: the description of the machine is the same, that of the engine differs.
#ifndef EDGEFRONT_AGENT_PROBING_H_
#define EDGEFRONT_AGENT_PROBING_H_

#include <string>
#include <vector>

#include "agent/jobs.h"
#include "agent/kernel_rates.h"

namespace edgefront {

struct ProbedEngine {
  std::vector<std::string> isas;  // names of its kernels' instruction sets that this machine runs
  std::string isa;                // the fastest
  std::vector<KernelRate> rates;
  std::string runtime;  // JSON of another engine than this package's; else empty
};
using EngineProbe = Result<ProbedEngine> (*)(const Json& request, int threads);

// Measures the machine, then its engine, and reports both.
Status ReportProbe(const Json& request, EngineProbe probe_engine, Reporter* reporter);

}  // namespace edgefront

#endif  // EDGEFRONT_AGENT_PROBING_H_
