// The probe job: describes the device and measures its ceilings.
#include <sys/utsname.h>
#include <unistd.h>

#include <optional>

#include "agent/jobs.h"
#include "agent/machine.h"
#include "agent/probing.h"
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

void WriteCpus(JsonWriter* json) {
  json->Key("cpus").BeginArray();
  for (const CpuInfo& info : DescribeCpus()) {
    json->BeginObject().Key("cpu").Integer(info.cpu).Key("core").Integer(info.core);
    json->Key("capacity").NumberOrNull(info.capacity > 0 ? std::optional<double>(info.capacity) : std::nullopt);
    json->Key("maxMhz").NumberOrNull(info.max_mhz > 0 ? std::optional<double>(info.max_mhz) : std::nullopt);
    json->EndObject();
  }
  json->EndArray();
}

void WriteSensor(JsonWriter* json, const char* key, const char* source_key, std::optional<double> (*read)(std::string*)) {
  std::string source;
  const std::optional<double> value = read(&source);
  json->Key(key).NumberOrNull(value).Key(source_key);
  if (value) {
    json->String(source);
  } else {
    json->Null();
  }
}

bool IsAndroid() { return access("/system/build.prop", F_OK) == 0; }

Result<ProbedEngine> ProbeOwnEngine(const Json&, int threads) {
  Result<std::vector<KernelRate>> rates = MeasureKernels(threads);
  if (!rates.ok()) return rates.status();
  ProbedEngine engine;
  for (Isa isa : AvailableIsas()) engine.isas.push_back(IsaName(isa));
  engine.isa = IsaName(FastestIsa(*rates));
  engine.rates = std::move(*rates);
  return engine;
}

}  // namespace

Status RunProbe(const Json& request, Reporter* reporter) { return ReportProbe(request, ProbeOwnEngine, reporter); }

Status ReportProbe(const Json& request, EngineProbe probe_engine, Reporter* reporter) {
  Fields fields(&request);
  const int threads = static_cast<int>(fields.Integer("threads", 0, 0, 1024));
  if (!fields.status().ok()) return fields.status();
  const double load = LoadAverage();  // read before our own work raises it
  const Memory memory = ReadMemory();
  Result<Rates> rates = MeasureRates(threads);
  if (!rates.ok()) return rates.status();
  const Result<ProbedEngine> engine = probe_engine(request, threads);
  if (!engine.ok()) return engine.status();
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
  json.EndArray().Key("defaultThreads").Integer(DefaultThreads()).Key("cpuQuota").NumberOrNull(CpuQuota());
  json.Key("isas").BeginArray();
  for (const std::string& isa : (*engine).isas) json.String(isa);
  json.EndArray().Key("isa").String((*engine).isa).Key("kernelRates").BeginArray();
  for (const KernelRate& rate : (*engine).rates) {
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
  if (!(*engine).runtime.empty()) json.Key("runtime").Raw((*engine).runtime);
  json.EndObject();
  reporter->Result(json);
  return Status::Ok();
}

}  // namespace edgefront
