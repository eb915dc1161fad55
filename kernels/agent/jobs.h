// The jobs of the agent; each runs in its own child process. A job reads its request, reports progress and
// one result, and returns errors as a Status. This file also has what jobs share: request fields with bounds,
// the model, answer lines.
#ifndef EDGEFRONT_AGENT_JOBS_H_
#define EDGEFRONT_AGENT_JOBS_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/json.h"
#include "include/edgefront/gguf.h"
#include "include/edgefront/isa.h"
#include "include/edgefront/status.h"
#include "infer/session.h"

namespace edgefront {

// Reads the fields of a JSON object, each with a default and bounds. status() keeps the first error.
class Fields {
 public:
  // A null `object` reads as an empty one. Any other value that is not an object is an error.
  explicit Fields(const Json* object);
  // Each returns the value of `key`, or `fallback` if the field is absent. A wrong field sets
  // status(). Bounds are inclusive.
  int64_t Integer(std::string_view key, int64_t fallback, int64_t min, int64_t max);
  double Real(std::string_view key, double fallback, double min, double max);
  bool Boolean(std::string_view key, bool fallback);
  std::string Text(std::string_view key, std::string_view fallback);
  // Returns an array of integers, or `fallback` if the field is absent.
  std::vector<int64_t> Integers(std::string_view key, std::vector<int64_t> fallback, int64_t min, int64_t max, size_t max_size);
  // Returns the member, or nullptr if it is absent.
  const Json* Member(std::string_view key) const;
  // Records kBadRequest with `message`, unless there is an error already.
  void Fail(std::string message);
  const Status& status() const { return status_; }

 private:
  const Json* object_;
  Status status_;
};

// Writes this job's answer lines to stdout.
class Reporter {
 public:
  explicit Reporter(std::string id) : id_(std::move(id)) {}
  void Progress(const JsonWriter& json) { Line("progress", json.text()); }
  void Result(const JsonWriter& json) { Line("result", json.text()); }
  void Error(const Status& status);

 private:
  void Line(const char* type, const std::string& body);
  std::string id_;
};

// The `model` of a request: the bytes of a plan, or a path. For a path, `bytes` holds the beginning of the
// file, which contains its header.
struct ModelSource {
  std::vector<uint8_t> bytes;
  std::string path;  // empty for a plan in the request
  uint64_t file_bytes = 0;

  // Reads the source from a request. Errors: kBadRequest, kIo.
  static Result<ModelSource> From(const Json& request);
  Result<GgufFile> Header() const;  // keeps views into `bytes`
  // Loads the weights. `threads` as in infer/session.h.
  Result<std::shared_ptr<const Model>> Load(int threads) const;
  // Returns the SHA-256 of the plan or of the whole file, in hex.
  Result<std::string> Sha256() const;
};

// The options common to jobs that run a model on any engine: threads, chunk, kv, batch. Error: kBadRequest.
Result<SessionOptions> ReadRunOptions(const Json& request);
// The same with `isa`, for the kernels of this package. Errors: also kUnavailable for an ISA that this
// machine lacks.
Result<SessionOptions> ReadSessionOptions(const Json& request);
// Refuses a model that cannot fit, before it makes the device swap or starts the out-of-memory killer.
Status CheckFits(const MemoryPlan& plan);

// A job of this binary.
struct Job {
  std::string_view type;  // as in a request
  Status (*run)(const Json& request, Reporter* reporter);
  bool computes;  // it waits for the device
  bool confined;  // a confined agent does it too: it writes to no path that the request names
};
// Returns the jobs of this binary. The agent of each engine has its own list: native_jobs.cc,
// llama/llama_jobs.cc.
std::span<const Job> Jobs();
// Returns the job of a type, or nullptr.
const Job* FindJob(std::string_view type);

// The jobs, in the protocol's terms (kernels/README.md). Each reports its result, or returns its error.
Status RunProbe(const Json& request, Reporter* reporter);
Status RunStatus(const Json& request, Reporter* reporter);
Status RunMeasure(const Json& request, Reporter* reporter);
Status RunVerify(const Json& request, Reporter* reporter);
Status RunMaterialize(const Json& request, Reporter* reporter);
Status RunExplain(const Json& request, Reporter* reporter);
Status RunTrain(const Json& request, Reporter* reporter);
Status RunPut(const Json& request, Reporter* reporter);

}  // namespace edgefront

#endif  // EDGEFRONT_AGENT_JOBS_H_
