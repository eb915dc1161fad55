// Tests of the resources that a system grants, on simulated systems: control groups of both versions,
// hyperthreads, sensors, processors shared with others.
#include <sched.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "agent/disturbance.h"
#include "agent/machine.h"
#include "include/edgefront/host.h"
#include "include/edgefront/thread_pool.h"
#include "tests/temporary_file.h"
#include "tests/test.h"

namespace edgefront::testing {
namespace {

// Replaces "/" until it is destroyed.
class MadeUpSystem {
 public:
  MadeUpSystem() : root_(TemporaryPath()) {
    std::filesystem::create_directories(root_);
    SetSystemRoot(root_);
  }
  ~MadeUpSystem() {
    SetSystemRoot("");
    std::filesystem::remove_all(root_);
  }
  void Put(const std::string& path, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }
  void PutZone(int n, const std::string& type, const std::string& temp) const {
    const std::string zone = "/sys/class/thermal/thermal_zone" + std::to_string(n);
    Put(zone + "/type", type + "\n");
    Put(zone + "/temp", temp + "\n");
  }

 private:
  std::string root_;
};

std::string Siblings(int cpu) { return "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list"; }

}  // namespace

TEST(HostWithoutFilesLimitsNothing) {
  const MadeUpSystem system;
  CHECK(!CpuQuota() && !ReadMemoryLimit() && ControlGroups("cpu").empty());
  CHECK(!TemperatureC());
  CHECK(DefaultThreads() == static_cast<int>(AllowedCpus().size()));
  const ProcessorTimes times = ReadProcessorTimes();
  CHECK(!times.steal && !times.foreign && !times.stalled && !times.waited && !times.throttled);
}

TEST(HostReadsTheQuotaOfEitherVersion) {
  {
    const MadeUpSystem two;
    two.Put("/proc/self/cgroup", "0::/pod/job\n");
    two.Put("/sys/fs/cgroup/cgroup.procs", "");
    two.Put("/sys/fs/cgroup/pod/cpu.max", "150000 100000\n");
    two.Put("/sys/fs/cgroup/pod/job/cpu.max", "max 100000\n");
    CHECK_NEAR(CpuQuota().value_or(0), 1.5, 1e-12);  // the quota of an ancestor
    two.Put("/sys/fs/cgroup/pod/job/cpu.max", "50000 100000\n");
    CHECK_NEAR(CpuQuota().value_or(0), 0.5, 1e-12);
    CHECK(DefaultThreads() == 1);
  }
  {
    // A container of version 1 without a namespace: the path in /proc does not exist, and the group is the
    // mount itself.
    const MadeUpSystem one;
    one.Put("/proc/self/cgroup", "7:cpu,cpuacct:/docker/abc\n3:cpuset:/\n1:name=systemd:/\n");
    one.Put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n");
    one.Put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    CHECK_NEAR(CpuQuota().value_or(0), 2, 1e-12);
    one.Put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    CHECK(!CpuQuota());
  }
  {
    // Both hierarchies are mounted. The controller is in version 1.
    const MadeUpSystem hybrid;
    hybrid.Put("/proc/self/cgroup", "1:cpu:/a\n0::/\n");
    hybrid.Put("/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "50000\n");
    hybrid.Put("/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
    CHECK_NEAR(CpuQuota().value_or(0), 0.5, 1e-12);
  }
}

TEST(HostReadsTheMemoryThatAGroupIsGiven) {
  const MadeUpSystem system;
  system.Put("/proc/meminfo", "MemTotal: 16000000 kB\nMemAvailable: 8000000 kB\nSwapTotal: 0 kB\n");
  system.Put("/proc/self/cgroup", "0::/pod\n");
  system.Put("/sys/fs/cgroup/pod/memory.max", "max\n");
  CHECK(ReadMemory().total_bytes == 16000000ull * 1024);
  system.Put("/sys/fs/cgroup/pod/memory.max", "1000000000\n");
  system.Put("/sys/fs/cgroup/pod/memory.current", "700000000\n");
  system.Put("/sys/fs/cgroup/pod/memory.stat", "anon 1\ninactive_file 150000000\nactive_file 50000000\n");
  CHECK(ReadMemory().total_bytes == 1000000000 && ReadMemory().available_bytes == 500000000);
  CHECK(!ReadMemoryLimit()->kills_group);
  system.Put("/sys/fs/cgroup/pod/memory.oom.group", "1\n");
  CHECK(ReadMemoryLimit()->kills_group);
  const int64_t before = CountOomKills();
  system.Put("/sys/fs/cgroup/pod/memory.events", "low 0\noom 3\noom_kill 2\n");
  CHECK(CountOomKills() == before + 2);
}

TEST(HostReadsTheMemoryOfAGroupOfVersionOne) {
  const MadeUpSystem system;
  system.Put("/proc/meminfo", "MemTotal: 16000000 kB\nMemAvailable: 8000000 kB\n");
  system.Put("/proc/self/cgroup", "4:memory:/slurm/job_7\n");
  system.Put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");  // none
  system.Put("/sys/fs/cgroup/memory/slurm/job_7/memory.limit_in_bytes", "1000000000\n");
  system.Put("/sys/fs/cgroup/memory/slurm/job_7/memory.usage_in_bytes", "400000000\n");
  system.Put("/sys/fs/cgroup/memory/slurm/job_7/memory.stat", "inactive_file 7\ntotal_inactive_file 100000000\n");
  CHECK(ReadMemory().total_bytes == 1000000000 && ReadMemory().available_bytes == 700000000);
}

TEST(HostCountsCoresNotHyperthreads) {
  const std::vector<int> cpus = AllowedCpus();
  if (cpus.size() < 2) return;
  const MadeUpSystem system;
  const std::string pair = std::to_string(cpus[0]) + "-" + std::to_string(cpus[1]) + "\n";
  system.Put(Siblings(cpus[0]), pair);
  system.Put(Siblings(cpus[1]), pair);
  CHECK(DefaultThreads() == static_cast<int>(cpus.size()) - 1);
  const std::vector<int> order = BindingOrder();
  CHECK(order.size() == cpus.size() && order.front() == cpus[0] && order.back() == cpus[1]);
  {
    auto pool = ThreadPool::Create(0, true);
    REQUIRE(pool.ok());
    for (int cpu : (*pool)->Affinity()) CHECK(cpu != cpus[1]);
  }
  // A request for all CPUs gets all of them.
  auto all = ThreadPool::Create(static_cast<int>(cpus.size()), true);
  REQUIRE(all.ok());
  CHECK((*all)->Affinity() == order);
}

TEST(HostCountsACoreWhoseFirstThreadIsWithheld) {
  const MadeUpSystem system;
  // The sibling is a CPU that this process may not use.
  for (int cpu : AllowedCpus()) system.Put(Siblings(cpu), "900," + std::to_string(cpu) + "\n");
  CHECK(DefaultThreads() == 1);
  CHECK(DescribeCpus().front().core == 900);
}

TEST(HostTakesNoBatteryForAProcessor) {
  const MadeUpSystem system;
  for (const char* charge : {"soc", "socd"}) {
    system.PutZone(0, charge, "87");
    CHECK_MSG(!TemperatureC(), charge);
    system.PutZone(0, charge, "87000");
    CHECK_MSG(!TemperatureC(), charge);
  }
  for (const char* charge : {"battery", "soc_battery", "bms_soc", "pm8350b-soc", "battery-cpu"}) {
    system.PutZone(0, charge, "87");
    CHECK_MSG(!TemperatureC(), charge);
  }
  std::string source;
  system.PutZone(1, "cpu-0-0-usr", "41200");
  CHECK_NEAR(TemperatureC(&source).value_or(0), 41.2, 1e-9);
  CHECK(source == "cpu-0-0-usr");
  system.PutZone(2, "soc-thermal", "52000");
  CHECK_NEAR(TemperatureC(&source).value_or(0), 52, 1e-9);
  system.PutZone(3, "soc_thermal", "53");
  CHECK_NEAR(TemperatureC(&source).value_or(0), 53, 1e-9);
  system.PutZone(4, "x86_pkg_temp", "61000");
  CHECK_NEAR(TemperatureC(&source).value_or(0), 61, 1e-9);
}

TEST(HostPeakMemoryIsNeverZeroWhereTheSystemTellsAnything) {
  const MadeUpSystem system;
  CHECK(ReadProcessMemory().peak_bytes == 0);
  system.Put("/proc/self/statm", "5000 300 100 1 0 200 0\n");
  CHECK(ReadProcessMemory().peak_bytes == 300ull * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)));
  system.Put("/proc/self/status", "Name:\tx\nVmHWM:\t       0 kB\nVmRSS:\t    2000 kB\n");
  CHECK(ReadProcessMemory().peak_bytes == 2000 * 1024);
  system.Put("/proc/self/status", "VmHWM:\t    3000 kB\nVmRSS:\t    2000 kB\nRssAnon:\t 1500 kB\n");
  CHECK(ReadProcessMemory().peak_bytes == 3000 * 1024 && ReadProcessMemory().anon_bytes == 1500 * 1024);
}

TEST(HostTellsWhatOthersTook) {
  const MadeUpSystem system;
  const double tick = 1000.0 / static_cast<double>(sysconf(_SC_CLK_TCK));
  const auto stat = [](int user, int steal) {
    std::string text = "cpu  1 2 3 4 5 6 7 8 0 0\n";
    for (int cpu : AllowedCpus())
      text += "cpu" + std::to_string(cpu) + " " + std::to_string(user) + " 0 0 100 0 0 0 " + std::to_string(steal) + " 0 0\n";
    return text + "ctxt 1\n";
  };
  const double cpus = static_cast<double>(AllowedCpus().size());
  system.Put("/proc/stat", stat(100000, 10));
  system.Put("/proc/pressure/cpu",
             "some avg10=73.64 avg60=54.26 avg300=24.53 total=5000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=9\n");
  system.Put("/proc/self/task/1/schedstat", "10 2000000 1\n");
  system.Put("/proc/self/task/2/schedstat", "10 3000000 1\n");
  system.Put("/proc/self/cgroup", "0::/pod\n");
  system.Put("/sys/fs/cgroup/pod/cpu.stat", "usage_usec 7\nnr_throttled 2\nthrottled_usec 4000\n");
  const ProcessorTimes before = ReadProcessorTimes();
  CHECK_NEAR(before.stalled.value_or(0), 5, 1e-9);
  CHECK_NEAR(before.waited.value_or(0), 5, 1e-9);
  CHECK_NEAR(before.throttled.value_or(0), 4, 1e-9);
  CHECK_NEAR(before.steal.value_or(0), cpus * 10 * tick, 1e-6);
  DisturbanceMeter meter;
  for (int interval = 0; interval < 2; ++interval) {
    system.Put("/proc/stat", stat(100000, 10));
    meter.Start();
    system.Put("/proc/stat", stat(100300, 15));
    meter.Stop();
  }
  JsonWriter json;
  meter.Write(&json);
  Json read;
  std::string error;
  REQUIRE(Json::Parse(json.text(), &read, &error));
  CHECK_NEAR(read.Find("stealMs")->number(), 2 * cpus * 5 * tick, 1e-6);
  // The time used by this process itself meanwhile is subtracted.
  CHECK_NEAR(read.Find("foreignMs")->number(), 2 * cpus * 300 * tick, 200);
  CHECK(read.Find("stalledMs")->number() == 0 && read.Find("throttledMs")->number() == 0);
  // A value that the system stops reporting is unknown, not zero.
  meter.Start();
  system.Put("/proc/pressure/cpu", "");
  meter.Stop();
  JsonWriter later;
  meter.Write(&later);
  REQUIRE(Json::Parse(later.text(), &read, &error));
  CHECK(read.Find("stalledMs")->is_null());
  // Version 1 counts nanoseconds.
  system.Put("/sys/fs/cgroup/pod/cpu.stat", "nr_periods 9\nnr_throttled 2\nthrottled_time 4000000\n");
  CHECK_NEAR(ReadProcessorTimes().throttled.value_or(0), 4, 1e-9);
}

}  // namespace edgefront::testing
