// Reads affinity, topology and control groups. Version 2 has one hierarchy ("0::/path"); version 1 has one
// for each controller ("4:memory:/path").
#include "include/edgefront/host.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>

namespace edgefront {
namespace {

std::string& Root() {
  static std::string root;
  return root;
}

bool Exists(const std::string& path) { return access((Root() + path).c_str(), F_OK) == 0; }

// Returns the path in a line "number:controllers:path" if the line is about `controller`. Version 2 names no
// controllers.
std::optional<std::string> GroupPath(std::string_view line, std::string_view controller) {
  const size_t first = line.find(':');
  const size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const std::string controllers = "," + std::string(line.substr(first + 1, second - first - 1)) + ",";
  if (controllers.find("," + std::string(controller) + ",") == std::string::npos) return std::nullopt;
  return std::string(line.substr(second + 1));
}

// Adds `path` below `mount` and all its ancestors that exist there, the innermost first.
void AddFolders(const std::string& mount, std::string path, std::vector<std::string>* folders) {
  if (path.find("..") != std::string::npos) path.clear();
  while (!path.empty() && path.back() == '/') path.pop_back();
  for (;;) {
    if (Exists(mount + path)) folders->push_back(mount + path);
    if (path.empty()) return;
    path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  }
}

std::optional<int64_t> WholeNumber(const std::string& text) {
  char* stop = nullptr;
  const int64_t value = strtoll(text.c_str(), &stop, 10);
  return stop == text.c_str() ? std::nullopt : std::optional<int64_t>(value);
}

// Returns a group's CPU quota in CPUs. Version 2 has "50000 100000" or "max 100000"; version 1 has two files,
// with -1 for none.
std::optional<double> QuotaOf(const std::string& group) {
  const std::string both = ReadSystemFile(group + "/cpu.max");
  std::optional<int64_t> quota, period;
  if (!both.empty()) {
    quota = WholeNumber(both);
    const size_t space = both.find(' ');
    if (space != std::string::npos) period = WholeNumber(both.substr(space + 1));
  } else {
    quota = WholeNumber(ReadSystemFile(group + "/cpu.cfs_quota_us"));
    period = WholeNumber(ReadSystemFile(group + "/cpu.cfs_period_us"));
  }
  if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;
  return static_cast<double>(*quota) / static_cast<double>(*period);
}

long CpuCapacity(int cpu) {
  return strtol(ReadSystemFile("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/cpu_capacity").c_str(), nullptr, 10);
}

}  // namespace

void SetSystemRoot(std::string folder) { Root() = std::move(folder); }

std::string ReadSystemFile(const std::string& path, size_t cap) {
  std::string text;
  const int fd = open((Root() + path).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return text;
  char buffer[4096];
  while (text.size() < cap) {
    const ssize_t n = read(fd, buffer, sizeof(buffer));
    if (n <= 0) break;
    text.append(buffer, static_cast<size_t>(n));
  }
  close(fd);
  return text;
}

std::vector<std::string> ListSystemFolder(const std::string& path) {
  std::vector<std::string> names;
  DIR* dir = opendir((Root() + path).c_str());
  if (dir == nullptr) return names;
  while (const dirent* entry = readdir(dir)) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  closedir(dir);
  return names;
}

std::optional<int64_t> SystemField(std::string_view text, std::string_view key) {
  for (size_t at = 0; at < text.size();) {
    size_t end = text.find('\n', at);
    if (end == std::string_view::npos) end = text.size();
    const std::string_view line = text.substr(at, end - at);
    if (line.substr(0, key.size()) == key) {
      if (const auto value = WholeNumber(std::string(line.substr(key.size())))) return value;
    }
    at = end + 1;
  }
  return std::nullopt;
}

std::vector<std::string> ControlGroups(const char* controller) {
  const std::string text = ReadSystemFile("/proc/self/cgroup");
  std::vector<std::string> folders;
  std::optional<std::string> unified;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = std::string_view(text).substr(at, end - at);
    if (const auto path = GroupPath(line, controller)) {
      // Controllers that share a hierarchy are mounted under all their names, or linked to it.
      AddFolders(std::string("/sys/fs/cgroup/") + controller, *path, &folders);
    }
    if (line.substr(0, 3) == "0::") unified = std::string(line.substr(3));
    at = end + 1;
  }
  if (folders.empty() && unified) AddFolders("/sys/fs/cgroup", *unified, &folders);
  return folders;
}

std::vector<int> AllowedCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    for (int c = 0; c < CPU_SETSIZE; ++c) {
      if (CPU_ISSET(c, &set)) cpus.push_back(c);
    }
  }
  if (cpus.empty()) cpus.push_back(0);
  std::vector<long> capacity(static_cast<size_t>(cpus.back()) + 1);
  for (int cpu : cpus) capacity[static_cast<size_t>(cpu)] = CpuCapacity(cpu);
  std::stable_sort(cpus.begin(), cpus.end(),
                   [&](int a, int b) { return capacity[static_cast<size_t>(a)] > capacity[static_cast<size_t>(b)]; });
  return cpus;
}

int CoreOf(int cpu) {
  // "0,6" or "0-1": the first number is the lowest sibling.
  const auto lowest = WholeNumber(ReadSystemFile("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list"));
  return lowest && *lowest >= 0 && *lowest < CPU_SETSIZE ? static_cast<int>(*lowest) : cpu;
}

std::vector<int> BindingOrder() {
  std::vector<int> first, others;
  std::vector<bool> taken(CPU_SETSIZE, false);
  for (int cpu : AllowedCpus()) {
    const size_t core = static_cast<size_t>(CoreOf(cpu));
    (taken[core] ? others : first).push_back(cpu);
    taken[core] = true;
  }
  first.insert(first.end(), others.begin(), others.end());
  return first;
}

std::optional<double> CpuQuota() {
  std::optional<double> least;
  for (const std::string& group : ControlGroups("cpu")) {
    const auto quota = QuotaOf(group);
    if (quota && (!least || *quota < *least)) least = quota;
  }
  return least;
}

int DefaultThreads() {
  std::vector<bool> cores(CPU_SETSIZE, false);
  for (int cpu : AllowedCpus()) cores[static_cast<size_t>(CoreOf(cpu))] = true;
  double threads = static_cast<double>(std::count(cores.begin(), cores.end(), true));
  if (const auto quota = CpuQuota()) threads = std::min(threads, std::max(1.0, *quota));
  return std::min(static_cast<int>(threads), 256);
}

std::optional<MemoryLimit> ReadMemoryLimit() {
  // Version 1 writes "no limit" as the largest whole number of pages.
  constexpr int64_t kNone = int64_t{1} << 60;
  std::optional<MemoryLimit> tightest;
  bool kills_group = false;
  for (const std::string& group : ControlGroups("memory")) {
    kills_group = kills_group || WholeNumber(ReadSystemFile(group + "/memory.oom.group")).value_or(0) == 1;
    const bool second = !ReadSystemFile(group + "/memory.max").empty();
    const auto limit = WholeNumber(ReadSystemFile(group + (second ? "/memory.max" : "/memory.limit_in_bytes")));
    if (!limit || *limit <= 0 || *limit >= kNone) continue;
    const auto used = WholeNumber(ReadSystemFile(group + (second ? "/memory.current" : "/memory.usage_in_bytes"))).value_or(0);
    // The kernel gives back file pages before it kills anything, so they count as free.
    const std::string stat = ReadSystemFile(group + "/memory.stat");
    int64_t files = 0;
    for (const char* key : {"inactive_file ", "active_file "}) {
      files += SystemField(stat, second ? key : std::string("total_") + key).value_or(0);
    }
    MemoryLimit found;
    found.limit_bytes = static_cast<uint64_t>(*limit);
    found.free_bytes = static_cast<uint64_t>(std::clamp<int64_t>(*limit - used + files, 0, *limit));
    if (!tightest) tightest = found;
    tightest->limit_bytes = std::min(tightest->limit_bytes, found.limit_bytes);
    tightest->free_bytes = std::min(tightest->free_bytes, found.free_bytes);
  }
  if (tightest) tightest->kills_group = kills_group;
  return tightest;
}

}  // namespace edgefront
