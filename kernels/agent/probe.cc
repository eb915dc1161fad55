// The probe job: describes the device and measures its ceilings.
#include <sys/utsname.h>
#include <unistd.h>

#include <optional>

#include "agent/jobs.h"
#include "agent/kernel_rates.h"
#include "agent/machine.h"
#include "agent/rates.h"
#include "agent/serve.h"
#include "include/edgefront/host.h"

namespace edgefront {
namespace {

#if defined(__BIONIC__)
constexpr char kLibc[] = "bionic";
#elif defined(__GLIBC__)
constexpr char kLibc[] = "glibc";
#else
constexpr char kLibc[] = "musl";
#endif

void WriteOptional(JsonWriter* json, std::optional<double> value) {
  if (value) {
    json->Number(*value);
  } else {
    json->Null();
  }
}

void WriteCpus(JsonWriter* json) {
  json->Key("cpus").BeginArray();
  for (const CpuInfo& info : DescribeCpus()) {
    json->BeginObject().Key("cpu").Integer(info.cpu).Key("core").Integer(info.core).Key("capacity");
    WriteOptional(json, info.capacity > 0 ? std::optional<double>(info.capacity) : std::nullopt);
    json->Key("maxMhz");
    WriteOptional(json, info.max_mhz > 0 ? std::optional<double>(info.max_mhz) : std::nullopt);
    json->EndObject();
  }
  json->EndArray();
}

void WriteSensor(JsonWriter* json, const char* key, const char* source_key, std::optional<double> (*read)(std::string*)) {
  std::string source;
  const std::optional<double> value = read(&source);
  json->Key(key);
  WriteOptional(json, value);
  json->Key(source_key);
  if (value) {
    json->String(source);
  } else {
    json->Null();
  }
}

bool IsAndroid() { return access("/system/build.prop", F_OK) == 0; }

}  // namespace

Status RunProbe(const Json& request, Reporter* reporter) {
  Fields fields(&request);
  const int threads = static_cast<int>(fields.Integer("threads", 0, 0, 1024));
  if (!fields.status().ok()) return fields.status();
  const double load = LoadAverage();  // read before our own work raises it
  const Memory memory = ReadMemory();
  Result<Rates> rates = MeasureRates(threads);
  if (!rates.ok()) return rates.status();
  const Result<std::vector<KernelRate>> kernels = MeasureKernels(threads);
  if (!kernels.ok()) return kernels.status();
  utsname names = {};
  uname(&names);
  const long cores = sysconf(_SC_NPROCESSORS_CONF);

  JsonWriter json;
  json.BeginObject();
  json.Key("arch").String(kArchitecture).Key("os").String(IsAndroid() ? "Android" : names.sysname);
  json.Key("kernel").String(names.release).Key("hostname").Null().Key("bootId").String(BootId());
  json.Key("pageBytes").Integer(sysconf(_SC_PAGESIZE)).Key("cpuModel").String(CpuModel());
  json.Key("cores").Integer(cores > 0 ? cores : 1).Key("allowedCpus").BeginArray();
  for (int cpu : AllowedCpus()) json.Integer(cpu);
  json.EndArray().Key("defaultThreads").Integer(DefaultThreads()).Key("cpuQuota");
  WriteOptional(&json, CpuQuota());
  json.Key("isas").BeginArray();
  for (Isa isa : AvailableIsas()) json.String(IsaName(isa));
  json.EndArray().Key("isa").String(IsaName(FastestIsa(*kernels))).Key("kernelRates").BeginArray();
  for (const KernelRate& rate : *kernels) {
    json.BeginObject().Key("isa").String(IsaName(rate.isa)).Key("prefillGops").Number(rate.prefill_gops);
    json.Key("decodeGops").Number(rate.decode_gops).EndObject();
  }
  json.EndArray().Key("features").BeginArray();
  for (const std::string& feature : CpuFeatures()) json.String(feature);
  json.EndArray();
  json.Key("memoryBytes").Unsigned(memory.total_bytes).Key("availableBytes").Unsigned(memory.available_bytes);
  json.Key("swapBytes").Unsigned(memory.swap_bytes).Key("oomKillsGroup");
  const auto limit = ReadMemoryLimit();
  json.Bool(limit && limit->kills_group).Key("loadAverage").Number(load).Key("emulated").Bool(IsEmulated());
  WriteSensor(&json, "temperatureC", "temperatureSource", TemperatureC);
  WriteSensor(&json, "frequencyMhz", "frequencySource", FrequencyMhz);
  WriteCpus(&json);
  json.Key("readBandwidthGBs").Number(rates->read_bandwidth_gbs);
  json.Key("int8Gops").Number(rates->int8_gops).Key("fp32Gflops").Number(rates->fp32_gflops);
  json.Key("libc")
      .String(kLibc)
      .Key("compiler")
      .String(
#if defined(__clang__)
          "clang " __clang_version__
#else
          "gcc " __VERSION__
#endif
      );
  json.EndObject();
  reporter->Result(json);
  return Status::Ok();
}

}  // namespace edgefront
