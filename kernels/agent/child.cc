// The process of one job: reads the request, runs the job, writes its answer. Every exit writes an answer
// line if there is memory left for it. The parent (job_process.cc) explains the other exits.
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <new>

#include "agent/base64_codec.h"
#include "agent/confine.h"
#include "agent/jobs.h"
#include "agent/machine.h"
#include "agent/serve.h"
#include "agent/sha256.h"
#include "include/edgefront/host.h"

namespace edgefront {

Fields::Fields(const Json* object) : object_(object) {
  if (object_ && object_->is_null()) object_ = nullptr;
  if (object_ && !object_->is_object()) Fail("expected an object");
}

void Fields::Fail(std::string message) {
  if (status_.ok()) status_ = BadRequest(std::move(message));
}

const Json* Fields::Member(std::string_view key) const { return object_ ? object_->Find(key) : nullptr; }

double Fields::Real(std::string_view key, double fallback, double min, double max) {
  const Json* field = Member(key);
  if (!field) return fallback;
  if (!field->is_number() || !(field->number() >= min && field->number() <= max)) {
    JsonWriter low, high;
    low.Number(min), high.Number(max);
    Fail(std::string(key) + " must be a number from " + low.text() + " to " + high.text());
    return fallback;
  }
  return field->number();
}

int64_t Fields::Integer(std::string_view key, int64_t fallback, int64_t min, int64_t max) {
  const double value = Real(key, static_cast<double>(fallback), static_cast<double>(min), static_cast<double>(max));
  if (value != std::floor(value)) {
    Fail(std::string(key) + " must be a whole number");
    return fallback;
  }
  return static_cast<int64_t>(value);
}

bool Fields::Boolean(std::string_view key, bool fallback) {
  const Json* field = Member(key);
  if (!field) return fallback;
  if (!field->is_bool()) Fail(std::string(key) + " must be true or false");
  return field->boolean();
}

std::string Fields::Text(std::string_view key, std::string_view fallback) {
  const Json* field = Member(key);
  if (!field) return std::string(fallback);
  if (!field->is_string() || field->string().find('\0') != std::string::npos) Fail(std::string(key) + " must be a string");
  return field->string();
}

std::vector<int64_t> Fields::Integers(std::string_view key, std::vector<int64_t> fallback, int64_t min, int64_t max, size_t max_size) {
  const Json* field = Member(key);
  if (!field) return fallback;
  std::vector<int64_t> values;
  if (!field->is_array() || field->items().empty() || field->items().size() > max_size) {
    Fail(std::string(key) + " must be an array of 1 to " + std::to_string(max_size) + " integers");
    return fallback;
  }
  for (const Json& item : field->items()) {
    const double value = item.number();
    if (!item.is_number() || value != std::floor(value) || value < static_cast<double>(min) || value > static_cast<double>(max)) {
      Fail(std::string(key) + " holds something that is not an integer from " + std::to_string(min) + " to " + std::to_string(max));
      return fallback;
    }
    values.push_back(static_cast<int64_t>(value));
  }
  return values;
}

void Reporter::Line(const char* type, const std::string& body) {
  std::string line = "{\"v\":1,\"id\":\"" + id_ + "\",\"type\":\"" + type + "\",\"" + type + "\":" + body + "}\n";
  for (size_t at = 0; at < line.size();) {
    const ssize_t n = write(1, line.data() + at, line.size() - at);
    if (n <= 0) return;  // nobody reads: the parent is about to end this process
    at += static_cast<size_t>(n);
  }
}

void Reporter::Error(const Status& status) {
  JsonWriter json;
  json.BeginObject().Key("code").String(CodeName(status.code()));
  json.Key("message").String(std::string_view(status.message()).substr(0, 1000)).EndObject();
  Line("error", json.text());
}

Result<ModelSource> ModelSource::From(const Json& request) {
  const Json* model = request.Find("model");
  if (!model || !model->is_object()) return BadRequest("model must be an object with plan or path");
  const Json* plan = model->Find("plan");
  const Json* path = model->Find("path");
  if ((plan != nullptr) == (path != nullptr)) return BadRequest("model must have either plan or path");
  ModelSource source;
  if (plan) {
    if (!plan->is_string() || !DecodeBase64(plan->string(), &source.bytes)) return BadRequest("model.plan is not base64");
    source.file_bytes = source.bytes.size();
    return source;
  }
  if (!path->is_string() || path->string().empty() || path->string().find('\0') != std::string::npos) {
    return BadRequest("model.path must be a file name");
  }
  source.path = path->string();
  EDGEFRONT_RETURN_IF_ERROR(CheckPath(source.path));
  FILE* file = fopen(source.path.c_str(), "rb");
  if (!file) return IoError("cannot open " + source.path);
  struct stat info;
  if (fstat(fileno(file), &info) != 0 || !S_ISREG(info.st_mode)) {
    fclose(file);
    return IoError(source.path + " is not a regular file");
  }
  source.file_bytes = static_cast<uint64_t>(info.st_size);
  // A vocabulary of 128,000 words needs some 4 MiB of header.
  constexpr uint64_t kHead = uint64_t{32} << 20;
  source.bytes.resize(static_cast<size_t>(source.file_bytes < kHead ? source.file_bytes : kHead));
  const size_t n = fread(source.bytes.data(), 1, source.bytes.size(), file);
  fclose(file);
  if (n != source.bytes.size()) return IoError("cannot read " + source.path);
  return source;
}

Result<GgufFile> ModelSource::Header() const {
  if (path.empty()) return GgufFile::Parse(bytes);
  return GgufFile::Parse(bytes, file_bytes);
}

Result<std::shared_ptr<const Model>> ModelSource::Load(int threads) const {
  return path.empty() ? Model::FromBytes(bytes, threads) : Model::FromFile(path, threads);
}

Result<std::string> ModelSource::Sha256() const {
  if (!path.empty()) return Sha256OfFile(path);
  edgefront::Sha256 hash;
  hash.Update(bytes.data(), bytes.size());
  return hash.Finish();
}

Result<SessionOptions> ReadRunOptions(const Json& request) {
  Fields fields(&request);
  SessionOptions options;
  options.threads = static_cast<int>(fields.Integer("threads", 0, 0, 1024));
  options.chunk = static_cast<uint32_t>(fields.Integer("chunk", 512, 1, 1 << 16));
  options.batch = static_cast<uint32_t>(fields.Integer("batch", 1, 1, 1024));
  const std::string kv = fields.Text("kv", "f16");
  if (kv == "q8_0") {
    options.kv = KvType::kQ8_0;
  } else if (kv == "f32") {
    options.kv = KvType::kF32;
  } else if (kv != "f16") {
    fields.Fail("kv must be f16, q8_0 or f32");
  }
  if (!fields.status().ok()) return fields.status();
  // The system may withhold some of the requested CPUs. Two threads on one CPU would spin against each other.
  if (request.Find("cpus")) options.threads = std::min(options.threads, static_cast<int>(AllowedCpus().size()));
  return options;
}

Result<SessionOptions> ReadSessionOptions(const Json& request) {
  Result<SessionOptions> options = ReadRunOptions(request);
  if (!options.ok()) return options;
  Fields fields(&request);
  const std::string isa_name = fields.Text("isa", "auto");
  const auto isa = ParseIsa(isa_name);
  if (!isa) fields.Fail("unknown isa");
  if (!fields.status().ok()) return fields.status();
  bool available = *isa == Isa::kAuto;
  for (Isa have : AvailableIsas()) available = available || have == *isa;
  if (!available) return Unavailable("this processor or this build has no " + isa_name);
  options->isa = *isa;
  return options;
}

Status CheckFits(const MemoryPlan& plan) {
  const Memory memory = ReadMemory();
  // Exceeding the limit may end every process of the group, including this agent and the process that started
  // it. In such a group the estimate therefore gets a margin.
  const auto limit = ReadMemoryLimit();
  const uint64_t margin = limit && limit->kills_group ? plan.predicted_peak_bytes / 8 : 0;
  if (memory.available_bytes == 0 || plan.predicted_peak_bytes + margin <= memory.available_bytes) return Status::Ok();
  return OutOfMemory("needs " + std::to_string(plan.predicted_peak_bytes >> 20) + " MiB and " +
                     std::to_string(memory.available_bytes >> 20) + " MiB are available");
}

const Job* FindJob(std::string_view type) {
  const std::span<const Job> jobs = Jobs();
  const auto job = std::find_if(jobs.begin(), jobs.end(), [&](const Job& one) { return one.type == type; });
  return job == jobs.end() ? nullptr : &*job;
}

namespace {

// Restricts this process to the `cpus` of a request. The system may grant only some of them (a control group,
// Slurm, a phone's background set). The job then runs on those, or else on the CPUs it has, and the answer's
// affinity reports it.
Status RestrictCpus(const Json& request) {
  if (!request.Find("cpus")) return Status::Ok();
  Fields fields(&request);
  const std::vector<int64_t> cpus = fields.Integers("cpus", {}, 0, CPU_SETSIZE - 1, 1024);
  if (!fields.status().ok()) return fields.status();
  cpu_set_t wanted;
  CPU_ZERO(&wanted);
  for (int64_t cpu : cpus) CPU_SET(static_cast<size_t>(cpu), &wanted);
  sched_setaffinity(0, sizeof(wanted), &wanted);
  return Status::Ok();
}

Status RunJob(const std::string& type, const Json& request, Reporter* reporter) {
  EDGEFRONT_RETURN_IF_ERROR(RestrictCpus(request));
  const Job* job = FindJob(type);
  if (job == nullptr) return BadRequest("unknown request type");
  if (IsConfined() && !job->confined) return Unsupported("a confined agent does not " + type);
  return job->run(request, reporter);
}

}  // namespace

int RunChild() {
  std::string text;
  char buffer[1 << 16];
  ssize_t n;
  while ((n = read(0, buffer, sizeof(buffer))) > 0) text.append(buffer, static_cast<size_t>(n));
  Json request;
  std::string error;
  if (!Json::Parse(text, &request, &error)) return 2;
  text = std::string();
  Fields fields(&request);
  const std::string id = fields.Text("id", ""), type = fields.Text("type", "");
  if (!IsJobId(id.data(), id.size())) return 2;
  Reporter reporter(id);
  try {
    const Status status = RunJob(type, request, &reporter);
    if (!status.ok()) reporter.Error(status);
  } catch (const std::bad_alloc&) {
    // The code of this project throws nothing, but standard containers throw this.
    reporter.Error(OutOfMemory("the job ran out of memory"));
  }
  return 0;
}

}  // namespace edgefront
