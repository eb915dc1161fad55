// Measures how much processor time other work took during a measurement, as far as the system reports it. The
// numbers are evidence about a measurement and never correct it.
#ifndef EDGEFRONT_AGENT_DISTURBANCE_H_
#define EDGEFRONT_AGENT_DISTURBANCE_H_

#include <optional>

#include "agent/json.h"

namespace edgefront {

// Sums since boot or since this process began, in milliseconds. A member is empty if the system does not
// report it.
struct ProcessorTimes {
  std::optional<double> steal;      // taken by the hypervisor, on all CPUs this process may use
  std::optional<double> foreign;    // other processes on these CPUs
  std::optional<double> stalled;    // some task of the system waited for a CPU (pressure stall information)
  std::optional<double> waited;     // threads of this process were ready to run and did not
  std::optional<double> throttled;  // a control group had used up its quota
};
// Returns the present sums.
ProcessorTimes ReadProcessorTimes();

// Sums the disturbance between Start and Stop, over any number of such intervals.
class DisturbanceMeter {
 public:
  // Records the allowed CPUs now, before threads are bound to one each. Disturbance is counted on all of
  // these CPUs.
  DisturbanceMeter();
  void Start();
  void Stop();
  // Writes {"wallMs", "cpus", "stealMs", "foreignMs", "stalledMs", "waitedMs", "throttledMs"}; null for
  // unknown values.
  void Write(JsonWriter* json) const;

 private:
  double wall_ms_ = 0, started_ms_ = 0;
  ProcessorTimes before_, sum_;
};

}  // namespace edgefront

#endif  // EDGEFRONT_AGENT_DISTURBANCE_H_
