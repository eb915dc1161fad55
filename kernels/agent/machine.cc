// Reads /proc and /sys. Small files only, each capped; a missing file is an unknown value, never an error.
#include "agent/machine.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "include/edgefront/thread_pool.h"

namespace edgefront {
namespace {

std::string ReadSmallFile(const std::string& path, size_t cap = 1 << 16) {
  std::string text;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
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

// The number after `key` at the start of a line, or nothing.
std::optional<int64_t> Field(std::string_view text, std::string_view key) {
  size_t at = 0;
  while (at < text.size()) {
    size_t end = text.find('\n', at);
    if (end == std::string_view::npos) end = text.size();
    const std::string_view line = text.substr(at, end - at);
    if (line.substr(0, key.size()) == key) {
      const std::string rest(line.substr(key.size()));
      char* stop = nullptr;
      const int64_t value = strtoll(rest.c_str(), &stop, 10);
      if (stop != rest.c_str()) return value;
    }
    at = end + 1;
  }
  return std::nullopt;
}

uint64_t KilobyteField(std::string_view text, std::string_view key) {
  const auto value = Field(text, key);
  return value && *value > 0 ? static_cast<uint64_t>(*value) * 1024 : 0;
}

std::string LineAfter(std::string_view text, std::string_view key) {
  size_t at = text.find(key);
  if (at == std::string_view::npos || (at > 0 && text[at - 1] != '\n')) return "";
  at = text.find(':', at);
  if (at == std::string_view::npos) return "";
  at = text.find_first_not_of(" \t", at + 1);
  if (at == std::string_view::npos) return "";
  return std::string(text.substr(at, text.find('\n', at) - at));
}

std::string Trim(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ' || text.back() == '\0')) text.pop_back();
  return text;
}

std::vector<std::string> List(const char* directory) {
  std::vector<std::string> names;
  DIR* dir = opendir(directory);
  if (dir == nullptr) return names;
  while (const dirent* entry = readdir(dir)) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  closedir(dir);
  return names;
}

bool IsCpuSensor(const std::string& name) {
  for (const char* word : {"cpu", "x86_pkg", "soc", "k10temp", "coretemp", "zenpower", "tsens", "acpitz"}) {
    if (name.find(word) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

Memory ReadMemory() {
  const std::string text = ReadSmallFile("/proc/meminfo");
  return {KilobyteField(text, "MemTotal:"), KilobyteField(text, "MemAvailable:"), KilobyteField(text, "SwapTotal:")};
}

ProcessMemory ReadProcessMemory() {
  const std::string text = ReadSmallFile("/proc/self/status");
  ProcessMemory memory;
  memory.peak_bytes = KilobyteField(text, "VmHWM:");
  memory.anon_bytes = KilobyteField(text, "RssAnon:");
  memory.file_bytes = KilobyteField(text, "RssFile:") + KilobyteField(text, "RssShmem:");
  memory.swap_bytes = KilobyteField(text, "VmSwap:");
  return memory;
}

int64_t CountOomKills() {
  int64_t kills = Field(ReadSmallFile("/proc/vmstat"), "oom_kill ").value_or(0);
  // The control group of version 2 has one line, "0::/path".
  const std::string group = ReadSmallFile("/proc/self/cgroup");
  const size_t at = group.find("0::");
  if (at != std::string::npos) {
    const std::string path = Trim(group.substr(at + 3, group.find('\n', at) - at - 3));
    if (path.find("..") == std::string::npos) {
      kills += Field(ReadSmallFile("/sys/fs/cgroup" + path + "/memory.events"), "oom_kill ").value_or(0);
    }
  }
  return kills;
}

std::vector<CpuInfo> DescribeCpus() {
  std::vector<CpuInfo> cpus;
  for (int cpu : AllowedCpus()) {
    const std::string base = "/sys/devices/system/cpu/cpu" + std::to_string(cpu);
    CpuInfo info;
    info.cpu = info.core = cpu;
    // "0,6" or "0-1": the first number is the lowest sibling.
    const std::string siblings = ReadSmallFile(base + "/topology/thread_siblings_list");
    if (!siblings.empty()) info.core = static_cast<int>(strtol(siblings.c_str(), nullptr, 10));
    info.capacity = static_cast<int>(strtol(ReadSmallFile(base + "/cpu_capacity").c_str(), nullptr, 10));
    info.max_mhz = strtod(ReadSmallFile(base + "/cpufreq/cpuinfo_max_freq").c_str(), nullptr) / 1000;
    cpus.push_back(info);
  }
  std::stable_sort(cpus.begin(), cpus.end(), [](const CpuInfo& a, const CpuInfo& b) {
    return a.capacity != b.capacity ? a.capacity > b.capacity : a.max_mhz > b.max_mhz;
  });
  return cpus;
}

std::string CpuModel() {
  const std::string text = ReadSmallFile("/proc/cpuinfo", 1 << 18);
  for (const char* key : {"model name", "Hardware", "Model"}) {
    const std::string value = LineAfter(text, key);
    if (!value.empty()) return value;
  }
  const std::string implementer = LineAfter(text, "CPU implementer"), part = LineAfter(text, "CPU part");
  if (!implementer.empty()) return "ARM implementer " + implementer + " part " + part;
  return "unknown";
}

std::string BootId() {
  const std::string id = Trim(ReadSmallFile("/proc/sys/kernel/random/boot_id"));
  return id.empty() ? "unknown" : id;
}

double LoadAverage() { return strtod(ReadSmallFile("/proc/loadavg").c_str(), nullptr); }

std::optional<double> TemperatureC(std::string* source) {
  std::optional<double> hottest;
  auto take = [&](const std::string& file, const std::string& name) {
    if (!IsCpuSensor(name)) return;
    const std::string text = ReadSmallFile(file);
    if (text.empty()) return;
    double value = strtod(text.c_str(), nullptr);
    if (value > 1000) value /= 1000;  // millidegrees nearly everywhere
    if (value <= 0 || value >= 130 || (hottest && value <= *hottest)) return;
    hottest = value;
    if (source) *source = Trim(name).substr(0, 64);
  };
  for (const std::string& zone : List("/sys/class/thermal")) {
    const std::string base = "/sys/class/thermal/" + zone;
    if (zone.rfind("thermal_zone", 0) == 0) take(base + "/temp", ReadSmallFile(base + "/type"));
  }
  for (const std::string& chip : List("/sys/class/hwmon")) {
    const std::string base = "/sys/class/hwmon/" + chip;
    take(base + "/temp1_input", ReadSmallFile(base + "/name"));
  }
  return hottest;
}

std::optional<double> FrequencyMhz(std::string* source) {
  double sum = 0;
  int n = 0;
  for (int cpu : AllowedCpus()) {
    const std::string text =
        ReadSmallFile("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/cpufreq/scaling_cur_freq");
    if (text.empty()) continue;
    sum += strtod(text.c_str(), nullptr) / 1000;
    ++n;
  }
  if (n > 0) {
    if (source) *source = "cpufreq";
    return sum / n;
  }
  // Virtual machines have no cpufreq; x86 says something in cpuinfo.
  const std::string mhz = LineAfter(ReadSmallFile("/proc/cpuinfo", 1 << 18), "cpu MHz");
  if (mhz.empty()) return std::nullopt;
  if (source) *source = "cpuinfo";
  return strtod(mhz.c_str(), nullptr);
}

const char* Emulator() {
  const char* name = getenv("EDGEFRONT_EMULATOR");
  if (name == nullptr) return nullptr;
  for (const char* known : {"qemu-aarch64-static", "qemu-x86_64-static"}) {
    if (strcmp(name, known) == 0) return known;
  }
  return nullptr;
}

bool IsEmulated() {
  if (Emulator() != nullptr) return true;
#if defined(__aarch64__)
  // The kernel of an x86 host shows through in cpuinfo: no ARM processor has a vendor_id line.
  return ReadSmallFile("/proc/cpuinfo", 1 << 14).find("vendor_id") != std::string::npos;
#else
  return ReadSmallFile("/proc/cpuinfo", 1 << 14).find("CPU implementer") != std::string::npos;
#endif
}

double NowMs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
}

}  // namespace edgefront
