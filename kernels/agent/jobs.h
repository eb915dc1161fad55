// The jobs an agent can run, each in its own child process. A job reads its request, reports progress and one result; an error is
// its Status. What jobs share is here: reading request fields with bounds, finding the model, writing lines.
#ifndef EDGEFRONT_AGENT_JOBS_H_
#define EDGEFRONT_AGENT_JOBS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/json.h"
#include "include/edgefront/gguf.h"
#include "include/edgefront/isa.h"
#include "include/edgefront/status.h"
#include "infer/session.h"

namespace edgefront {

// Reads the fields of a JSON object, each with a default and bounds; the first wrong one stays in status().
class Fields {
 public:
  // A null `object` reads as an empty one; anything but an object is an error.
  explicit Fields(const Json* object);
  int64_t Integer(std::string_view key, int64_t fallback, int64_t min, int64_t max);
  double Real(std::string_view key, double fallback, double min, double max);
  bool Boolean(std::string_view key, bool fallback);
  std::string Text(std::string_view key, std::string_view fallback);
  // An array of integers; `fallback` where it is absent.
  std::vector<int64_t> Integers(std::string_view key, std::vector<int64_t> fallback, int64_t min, int64_t max, size_t max_size);
  const Json* Member(std::string_view key) const;
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

// `model` of a request: the plan's bytes, or a path. For a path `bytes` holds the head of the file, enough for its header.
struct ModelSource {
  std::vector<uint8_t> bytes;
  std::string path;  // empty for a plan in the request
  uint64_t file_bytes = 0;

  static Result<ModelSource> From(const Json& request);
  Result<GgufFile> Header() const;  // keeps views into `bytes`
  Result<std::shared_ptr<const Model>> Load(int threads) const;
  Result<std::string> Sha256() const;
};

// The options common to jobs that run a model: threads, isa, chunk, kv, batch.
Result<SessionOptions> ReadSessionOptions(const Json& request);
// Refuses a model that cannot fit, before it drives the device into swap or its killer.
Status CheckFits(const MemoryPlan& plan);

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
