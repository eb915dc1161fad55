// The machine's description of itself from /proc and /sys: processor, memory, kernel, sensors. A file that a
// phone forbids gives an unknown value. Rates are measured in rates.cc.
#ifndef EDGEFRONT_AGENT_MACHINE_H_
#define EDGEFRONT_AGENT_MACHINE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace edgefront {

// Memory of the machine, or of the control group if that has less.
struct Memory {
  uint64_t total_bytes = 0;
  uint64_t available_bytes = 0;
  uint64_t swap_bytes = 0;
};
Memory ReadMemory();

// Memory of this process in bytes: the peak resident set, and the present one split by kind.
struct ProcessMemory {
  // VmHWM, else the present resident size; 0 if the system reports neither. ru_maxrss was rejected: it
  // survives exec, so it would be the launcher's peak.
  uint64_t peak_bytes = 0;
  uint64_t anon_bytes = 0;
  uint64_t file_bytes = 0;
  uint64_t swap_bytes = 0;
};
ProcessMemory ReadProcessMemory();

// Returns how many processes were killed for lack of memory since boot, here or in this control group; 0 if
// the kernel does not report it.
int64_t CountOomKills();

// One logical CPU as the kernel describes it. Unknown numbers are 0.
struct CpuInfo {
  int cpu = 0;
  int core = 0;      // lowest CPU that shares its physical core; `cpu` if the kernel does not report it
  int capacity = 0;  // relative to the fastest, which is 1024; on big.LITTLE only
  double max_mhz = 0;
};
// Returns every CPU this process may use, the fastest first.
std::vector<CpuInfo> DescribeCpus();

// The first two return "unknown", the third 0, if the system reports nothing.
std::string CpuModel();
std::string BootId();
double LoadAverage();
// Returns the temperature of the hottest plausible thermal zone or hwmon sensor of the processor. `source`
// becomes its kind, for example "cpu-1-0-usr" or "k10temp".
std::optional<double> TemperatureC(std::string* source = nullptr);
// Returns the mean current frequency of the allowed CPUs. `source` becomes "cpufreq" or "cpuinfo".
std::optional<double> FrequencyMhz(std::string* source = nullptr);

// Returns the user-mode emulator that the launcher declares in $EDGEFRONT_EMULATOR (from a fixed list), or
// nullptr.
const char* Emulator();
// Returns true under an emulator, also one that was not declared.
bool IsEmulated();

// Returns monotonic time in milliseconds.
double NowMs();

}  // namespace edgefront

#endif  // EDGEFRONT_AGENT_MACHINE_H_
