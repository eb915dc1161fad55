// How much of the processor others took while something was timed here, as far as the system tells. Evidence for a measurement, never a
// correction of it.
#ifndef EDGEFRONT_AGENT_DISTURBANCE_H_
#define EDGEFRONT_AGENT_DISTURBANCE_H_

#include <optional>

#include "agent/json.h"

namespace edgefront {

// Sums since boot or since this process began, in milliseconds; nothing where the system does not say.
struct ProcessorTimes {
  std::optional<double> steal;      // by the hypervisor, on all CPUs this process may use
  std::optional<double> foreign;    // other processes on these CPUs
  std::optional<double> stalled;    // some task of the system waited for a CPU (pressure stall information)
  std::optional<double> waited;     // threads of this process were ready to run and did not
  std::optional<double> throttled;  // a control group had used up its quota
};
ProcessorTimes ReadProcessorTimes();

// Adds up what happened between Start and Stop, over any number of such intervals.
class DisturbanceMeter {
 public:
  // Remembers the CPUs of this moment: threads are bound later, and count what happens on all of these.
  DisturbanceMeter();
  void Start();
  void Stop();
  // {"wallMs", "cpus", "stealMs", "foreignMs", "stalledMs", "waitedMs", "throttledMs"}; null for what is not known.
  void Write(JsonWriter* json) const;

 private:
  double wall_ms_ = 0, started_ms_ = 0;
  ProcessorTimes before_, sum_;
};

}  // namespace edgefront

#endif  // EDGEFRONT_AGENT_DISTURBANCE_H_
