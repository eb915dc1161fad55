// Resources that the system lets this process use: CPUs, their cores, a quota of CPU time, and memory. The
// source is /proc and /sys; a missing or unreadable file means no limit. Sensors and the description of the
// machine are in agent/machine.h.
#ifndef EDGEFRONT_HOST_H_
#define EDGEFRONT_HOST_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace edgefront {

// Returns at most `cap` bytes of a system file, or an empty string if the file cannot be read.
std::string ReadSystemFile(const std::string& path, size_t cap = 1 << 16);
// Returns the names in a system folder, without those that begin with a dot.
std::vector<std::string> ListSystemFolder(const std::string& path);
// Replaces "/" by `folder` in all reads of this file, so that tests can simulate other systems.
void SetSystemRoot(std::string folder);

// Returns the integer after `key` at the start of a line, or nothing.
std::optional<int64_t> SystemField(std::string_view text, std::string_view key);

// Returns the folders of the control groups of this process for `controller` ("cpu" or "memory"), of version
// 1 or 2. The process's own group comes first, then its ancestors. A container sees its own group as the
// root.
std::vector<std::string> ControlGroups(const char* controller);

// Returns the CPUs this process may run on: the fastest first if the kernel reports cpu_capacity, else by
// number.
std::vector<int> AllowedCpus();
// Returns the lowest CPU that shares a physical core with `cpu`, or `cpu` if the kernel does not report it.
int CoreOf(int cpu);
// Returns the allowed CPUs in the order in which threads are bound to them: one CPU of every core, then the
// other hyperthreads.
std::vector<int> BindingOrder();
// Returns the CPU time that a control group's quota grants, in CPUs (for example 0.5). Returns nothing if
// there is no quota.
std::optional<double> CpuQuota();
// Returns the number of threads when no option sets it: one for each physical core, limited by the CPU quota.
int DefaultThreads();

// The memory limit of the control groups of this process, and the part of it that is free.
struct MemoryLimit {
  uint64_t limit_bytes = 0;
  uint64_t free_bytes = 0;
  bool kills_group = false;  // memory.oom.group: exceeding the limit kills every process of the group
};
// Returns the tightest limit, or nothing if no control group sets one.
std::optional<MemoryLimit> ReadMemoryLimit();

}  // namespace edgefront

#endif  // EDGEFRONT_HOST_H_
