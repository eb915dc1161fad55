// The materialize job: turns a plan into a whole GGUF on the device, so that other runtimes can load it.
#include "agent/jobs.h"
#include "agent/sha256.h"

namespace edgefront {

Status RunMaterialize(const Json& request, Reporter* reporter) {
  Fields fields(&request);
  const std::string out = fields.Text("out", "");
  if (out.empty()) fields.Fail("out must be a file name");
  if (!fields.status().ok()) return fields.status();
  Result<ModelSource> source = ModelSource::From(request);
  if (!source.ok()) return source.status();
  if (!source->path.empty()) return Unsupported("materialize takes a plan, not a path");
  Result<MaterializeResult> result = Materialize(source->bytes, out);
  if (!result.ok()) return result.status();
  Result<std::string> hash = Sha256OfFile(out);
  if (!hash.ok()) return hash.status();
  JsonWriter json;
  json.BeginObject().Key("bytes").Unsigned(result->bytes).Key("sha256").String(*hash).EndObject();
  reporter->Result(json);
  return Status::Ok();
}

}  // namespace edgefront
