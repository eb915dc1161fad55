// What this machine says of itself: processor, memory, kernel, sensors, read from /proc and /sys. Everything degrades to "unknown"
// where a phone forbids the file. Rates are measured in rates.cc.
#ifndef EDGEFRONT_AGENT_MACHINE_H_
#define EDGEFRONT_AGENT_MACHINE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace edgefront {

// Of the machine, or of the control group where that is given less.
struct Memory {
  uint64_t total_bytes = 0;
  uint64_t available_bytes = 0;
  uint64_t swap_bytes = 0;
};
Memory ReadMemory();

// Memory of this process in bytes: highest resident set so far, and the present one split by kind.
struct ProcessMemory {
  // VmHWM, else what is resident now; 0: the system tells nothing. Not ru_maxrss, which survives exec: it would be the launcher's peak.
  uint64_t peak_bytes = 0;
  uint64_t anon_bytes = 0;
  uint64_t file_bytes = 0;
  uint64_t swap_bytes = 0;
};
ProcessMemory ReadProcessMemory();

// Processes killed for want of memory since boot, here or in this control group; 0 where the kernel does not say.
int64_t CountOomKills();

// One logical CPU as the kernel describes it; what it does not say is 0.
struct CpuInfo {
  int cpu = 0;
  int core = 0;      // lowest CPU that shares its physical core; itself where the kernel does not say
  int capacity = 0;  // relative to the fastest, 1024; on big.LITTLE only
  double max_mhz = 0;
};
// Of every CPU this process may use, the fastest first.
std::vector<CpuInfo> DescribeCpus();

std::string CpuModel();
std::string BootId();
double LoadAverage();
// Hottest plausible thermal zone or hwmon sensor of the processor; `source` becomes its kind, e.g. "cpu-1-0-usr" or "k10temp".
std::optional<double> TemperatureC(std::string* source = nullptr);
// Mean current frequency of the allowed CPUs; `source` becomes "cpufreq" or "cpuinfo".
std::optional<double> FrequencyMhz(std::string* source = nullptr);

// The user-mode emulator this runs under as its launcher says ($EDGEFRONT_EMULATOR, from a fixed list), or nullptr.
const char* Emulator();
// True under an emulator, also one nobody declared.
bool IsEmulated();

// Monotonic time.
double NowMs();

}  // namespace edgefront

#endif  // EDGEFRONT_AGENT_MACHINE_H_
