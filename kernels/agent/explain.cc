// The explain job: returns, as text, the program that the kernels would run for a model, and its memory plan.
// Loads no weights.
#include "agent/jobs.h"

namespace edgefront {

Status RunExplain(const Json& request, Reporter* reporter) {
  Fields fields(&request);
  Result<SessionOptions> options = ReadSessionOptions(request);
  if (!options.ok()) return options.status();
  options->max_context = static_cast<uint32_t>(fields.Integer("context", 4096, 1, 1 << 20));
  if (!fields.status().ok()) return fields.status();
  Result<ModelSource> source = ModelSource::From(request);
  if (!source.ok()) return source.status();
  Result<GgufFile> header = source->Header();
  if (!header.ok()) return header.status();
  Result<std::string> listing = ListProgram(*header, *options);
  if (!listing.ok()) return listing.status();
  JsonWriter json;
  json.BeginObject().Key("listing").String(*listing).EndObject();
  reporter->Result(json);
  return Status::Ok();
}

}  // namespace edgefront
