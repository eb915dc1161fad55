// Reads /proc and /sys: small files, with a size limit. A missing file gives an unknown value, never an
// error.
#include "agent/machine.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "include/edgefront/host.h"

namespace edgefront {
namespace {

uint64_t KilobyteField(std::string_view text, std::string_view key) {
  const auto value = SystemField(text, key);
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

// Returns degrees Celsius if the sensor belongs to the processor and its value can be a temperature.
std::optional<double> ProcessorDegrees(const std::string& name, const std::string& text) {
  // Qualcomm's battery charge in percent, and the percentage that is missing.
  if (name == "soc" || name == "socd" || text.empty()) return std::nullopt;
  const auto has = [&](const char* word) { return name.find(word) != std::string::npos; };
  double value = strtod(text.c_str(), nullptr);
  const bool milli = value > 1000;  // nearly everywhere
  if (milli) value /= 1000;
  bool known = false;
  for (const char* word : {"cpu", "x86_pkg", "k10temp", "coretemp", "zenpower", "tsens", "acpitz"}) known = known || has(word);
  // "soc" may mean state of charge or system on chip. A charge never exceeds 100; a temperature of the chip
  // is in millidegrees.
  if (!known) known = has("soc") && (milli || has("therm"));
  if (!known || has("battery") || value <= 0 || value >= 130) return std::nullopt;
  return value;
}

// Returns the resident bytes according to statm, or 0 if that file is missing too.
uint64_t ResidentBytes() {
  const std::string text = ReadSystemFile("/proc/self/statm");
  const size_t space = text.find(' ');
  const long pages = space == std::string::npos ? 0 : strtol(text.c_str() + space, nullptr, 10);
  return pages > 0 ? static_cast<uint64_t>(pages) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) : 0;
}

}  // namespace

Memory ReadMemory() {
  const std::string text = ReadSystemFile("/proc/meminfo");
  Memory memory = {KilobyteField(text, "MemTotal:"), KilobyteField(text, "MemAvailable:"), KilobyteField(text, "SwapTotal:")};
  if (const auto limit = ReadMemoryLimit()) {
    if (memory.total_bytes == 0 || limit->limit_bytes < memory.total_bytes) memory.total_bytes = limit->limit_bytes;
    if (memory.available_bytes == 0 || limit->free_bytes < memory.available_bytes) memory.available_bytes = limit->free_bytes;
  }
  return memory;
}

ProcessMemory ReadProcessMemory() {
  const std::string text = ReadSystemFile("/proc/self/status");
  ProcessMemory memory;
  memory.peak_bytes = KilobyteField(text, "VmHWM:");
  memory.anon_bytes = KilobyteField(text, "RssAnon:");
  memory.file_bytes = KilobyteField(text, "RssFile:") + KilobyteField(text, "RssShmem:");
  memory.swap_bytes = KilobyteField(text, "VmSwap:");
  // Some sandboxes keep no high-water mark. The present resident size, which includes weights and caches, is
  // the closest value.
  memory.peak_bytes = std::max({memory.peak_bytes, KilobyteField(text, "VmRSS:"), memory.anon_bytes + memory.file_bytes});
  if (memory.peak_bytes == 0) memory.peak_bytes = ResidentBytes();
  return memory;
}

int64_t CountOomKills() {
  int64_t kills = SystemField(ReadSystemFile("/proc/vmstat"), "oom_kill ").value_or(0);
  for (const std::string& group : ControlGroups("memory")) {
    // Version 2, and version 1.
    kills += SystemField(ReadSystemFile(group + "/memory.events"), "oom_kill ").value_or(0);
    kills += SystemField(ReadSystemFile(group + "/memory.oom_control"), "oom_kill ").value_or(0);
  }
  return kills;
}

std::vector<CpuInfo> DescribeCpus() {
  std::vector<CpuInfo> cpus;
  for (int cpu : AllowedCpus()) {
    const std::string base = "/sys/devices/system/cpu/cpu" + std::to_string(cpu);
    CpuInfo info;
    info.cpu = cpu;
    info.core = CoreOf(cpu);
    info.capacity = static_cast<int>(strtol(ReadSystemFile(base + "/cpu_capacity").c_str(), nullptr, 10));
    info.max_mhz = strtod(ReadSystemFile(base + "/cpufreq/cpuinfo_max_freq").c_str(), nullptr) / 1000;
    cpus.push_back(info);
  }
  std::stable_sort(cpus.begin(), cpus.end(), [](const CpuInfo& a, const CpuInfo& b) {
    return a.capacity != b.capacity ? a.capacity > b.capacity : a.max_mhz > b.max_mhz;
  });
  return cpus;
}

std::string CpuModel() {
  const std::string text = ReadSystemFile("/proc/cpuinfo", 1 << 18);
  for (const char* key : {"model name", "Hardware", "Model"}) {
    const std::string value = LineAfter(text, key);
    if (!value.empty()) return value;
  }
  const std::string implementer = LineAfter(text, "CPU implementer"), part = LineAfter(text, "CPU part");
  if (!implementer.empty()) return "ARM implementer " + implementer + " part " + part;
  return "unknown";
}

std::string BootId() {
  const std::string id = Trim(ReadSystemFile("/proc/sys/kernel/random/boot_id"));
  return id.empty() ? "unknown" : id;
}

double LoadAverage() { return strtod(ReadSystemFile("/proc/loadavg").c_str(), nullptr); }

std::optional<double> TemperatureC(std::string* source) {
  std::optional<double> hottest;
  const auto take = [&](const std::string& file, std::string name) {
    name = Trim(std::move(name));
    const auto value = ProcessorDegrees(name, ReadSystemFile(file));
    if (!value || (hottest && *value <= *hottest)) return;
    hottest = value;
    if (source) *source = name.substr(0, 64);
  };
  for (const std::string& zone : ListSystemFolder("/sys/class/thermal")) {
    const std::string base = "/sys/class/thermal/" + zone;
    if (zone.rfind("thermal_zone", 0) == 0) take(base + "/temp", ReadSystemFile(base + "/type"));
  }
  for (const std::string& chip : ListSystemFolder("/sys/class/hwmon")) {
    const std::string base = "/sys/class/hwmon/" + chip;
    take(base + "/temp1_input", ReadSystemFile(base + "/name"));
  }
  return hottest;
}

std::optional<double> FrequencyMhz(std::string* source) {
  double sum = 0;
  int n = 0;
  for (int cpu : AllowedCpus()) {
    const std::string text = ReadSystemFile("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/cpufreq/scaling_cur_freq");
    if (text.empty()) continue;
    sum += strtod(text.c_str(), nullptr) / 1000;
    ++n;
  }
  if (n > 0) {
    if (source) *source = "cpufreq";
    return sum / n;
  }
  // Virtual machines have no cpufreq, but on x86 cpuinfo has a frequency.
  const std::string mhz = LineAfter(ReadSystemFile("/proc/cpuinfo", 1 << 18), "cpu MHz");
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
  // cpuinfo shows the kernel of an x86 host: no Arm processor has a vendor_id line.
  return ReadSystemFile("/proc/cpuinfo", 1 << 14).find("vendor_id") != std::string::npos;
#else
  return ReadSystemFile("/proc/cpuinfo", 1 << 14).find("CPU implementer") != std::string::npos;
#endif
}

double NowMs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
}

}  // namespace edgefront
