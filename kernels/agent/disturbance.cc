// Reads /proc/stat, /proc/pressure/cpu, the schedstat of every thread and the cpu.stat of the control groups.
#include "agent/disturbance.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "agent/machine.h"
#include "include/edgefront/host.h"

namespace edgefront {
namespace {

// The CPUs over which /proc/stat is summed. They are read once, because a thread bound to one CPU would see
// only that one.
const std::vector<int>& CountedCpus() {
  static const std::vector<int> cpus = AllowedCpus();
  return cpus;
}

double OwnMs() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const auto ms = [](const timeval& time) { return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) * 1e-3; };
  return ms(usage.ru_utime) + ms(usage.ru_stime);
}

// Reads lines such as "cpu3 user nice system idle iowait irq softirq steal ...", in ticks.
void AddStat(ProcessorTimes* times) {
  const std::string text = ReadSystemFile("/proc/stat", 1 << 18);
  const double tick_ms = 1e3 / static_cast<double>(std::max(1L, sysconf(_SC_CLK_TCK)));
  double steal = 0, busy = 0;
  int found = 0;
  for (int cpu : CountedCpus()) {
    const std::string key = "\ncpu" + std::to_string(cpu) + " ";
    const size_t at = text.find(key);
    if (at == std::string::npos) continue;
    std::istringstream line(text.substr(at + key.size(), text.find('\n', at + 1) - at - key.size()));
    double ticks[8] = {};
    int n = 0;
    while (n < 8 && line >> ticks[n]) ++n;
    if (n < 8) continue;
    ++found;
    busy += ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6];
    steal += ticks[7];
  }
  if (found == 0) return;
  times->steal = steal * tick_ms;
  times->foreign = busy * tick_ms - OwnMs();
}

// Reads "some avg10=0.00 avg60=0.00 avg300=0.00 total=123", in microseconds.
std::optional<double> Stalled() {
  const std::string text = ReadSystemFile("/proc/pressure/cpu");
  const size_t at = text.find("total=");
  if (text.rfind("some ", 0) != 0 || at == std::string::npos) return std::nullopt;
  const auto total = SystemField(std::string_view(text).substr(at), "total=");
  return total ? std::optional<double>(static_cast<double>(*total) * 1e-3) : std::nullopt;
}

// Reads "running waiting slices" of each thread, in nanoseconds.
std::optional<double> Waited() {
  std::optional<double> sum;
  for (const std::string& thread : ListSystemFolder("/proc/self/task")) {
    std::istringstream line(ReadSystemFile("/proc/self/task/" + thread + "/schedstat"));
    double running = 0, waiting = 0;
    if (line >> running >> waiting) sum = sum.value_or(0) + waiting * 1e-6;
  }
  return sum;
}

std::optional<double> Throttled() {
  std::optional<double> most;
  for (const std::string& group : ControlGroups("cpu")) {
    const std::string text = ReadSystemFile(group + "/cpu.stat");
    // Version 2 counts microseconds, version 1 nanoseconds. A group without a quota is never throttled.
    const auto micros = SystemField(text, "throttled_usec "), nanos = SystemField(text, "throttled_time ");
    if (!micros && !nanos) continue;
    const double ms = micros ? static_cast<double>(*micros) * 1e-3 : static_cast<double>(*nanos) * 1e-6;
    most = std::max(most.value_or(0), ms);
  }
  return most;
}

constexpr std::optional<double> ProcessorTimes::* kTimes[] = {&ProcessorTimes::steal, &ProcessorTimes::foreign, &ProcessorTimes::stalled,
                                                              &ProcessorTimes::waited, &ProcessorTimes::throttled};
constexpr const char* kKeys[] = {"stealMs", "foreignMs", "stalledMs", "waitedMs", "throttledMs"};

}  // namespace

ProcessorTimes ReadProcessorTimes() {
  ProcessorTimes times;
  AddStat(&times);
  times.stalled = Stalled();
  times.waited = Waited();
  times.throttled = Throttled();
  return times;
}

DisturbanceMeter::DisturbanceMeter() { CountedCpus(); }

void DisturbanceMeter::Start() {
  before_ = ReadProcessorTimes();
  started_ms_ = NowMs();
}

void DisturbanceMeter::Stop() {
  const bool first = wall_ms_ == 0;
  wall_ms_ += NowMs() - started_ms_;
  const ProcessorTimes after = ReadProcessorTimes();
  for (const auto time : kTimes) {
    // Ticks are coarse and this process's own time is finer, so a difference may be below zero.
    const bool known = before_.*time && after.*time && (first || sum_.*time);
    // If one interval lacks a value, the sum is unknown.
    sum_.*time = known ? std::optional<double>((sum_.*time).value_or(0) + std::max(0.0, *(after.*time) - *(before_.*time))) : std::nullopt;
  }
}

void DisturbanceMeter::Write(JsonWriter* json) const {
  json->BeginObject().Key("wallMs").Number(wall_ms_).Key("cpus").Unsigned(CountedCpus().size());
  for (size_t i = 0; i < std::size(kKeys); ++i) {
    json->Key(kKeys[i]);
    const auto& value = sum_.*kTimes[i];
    if (value) {
      json->Number(*value);
    } else {
      json->Null();
    }
  }
  json->EndObject();
}

}  // namespace edgefront
