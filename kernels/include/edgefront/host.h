// Resources that the system lets this process use: which CPUs, how they share cores, how much of their time and of the memory. Read from /proc and
// /sys; a file that is missing or unreadable limits nothing. Sensors and the description of the machine are agent/machine.h.
#ifndef EDGEFRONT_HOST_H_
#define EDGEFRONT_HOST_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace edgefront {

// A small file of the system, at most `cap` bytes of it; empty where it cannot be read.
std::string ReadSystemFile(const std::string& path, size_t cap = 1 << 16);
// The names in a folder of the system, without those that begin with a dot.
std::vector<std::string> ListSystemFolder(const std::string& path);
// Reads everything below this folder instead of below "/": tests make systems up.
void SetSystemRoot(std::string folder);

// The integer after `key` at the start of a line, or nothing.
std::optional<int64_t> SystemField(std::string_view text, std::string_view key);

// Folders of the control groups that this process is in, its own first and then those around it, for `controller` ("cpu", "memory"), of
// either version. A container sees its own group as the root.
std::vector<std::string> ControlGroups(const char* controller);

// CPUs this process may run on, the fastest first where the kernel tells (cpu_capacity), else by number.
std::vector<int> AllowedCpus();
// The lowest CPU that shares a physical core with `cpu`; itself where the kernel does not say.
int CoreOf(int cpu);
// Allowed CPUs in the order in which threads are bound to them: one of every core first, then their hyperthreads.
std::vector<int> BindingOrder();
// CPUs' worth of time that a control group's quota grants, e.g. 0.5; nothing where none does.
std::optional<double> CpuQuota();
// Threads where nobody asks for a number: one a physical core, and no more than the quota keeps busy.
int DefaultThreads();

// Bytes that control groups limit this process to, and how much of them is still free; nothing where none does.
struct MemoryLimit {
  uint64_t limit_bytes = 0;
  uint64_t free_bytes = 0;
  bool kills_group = false;  // memory.oom.group: a process beyond the limit takes the whole group along
};
std::optional<MemoryLimit> ReadMemoryLimit();

}  // namespace edgefront

#endif  // EDGEFRONT_HOST_H_
