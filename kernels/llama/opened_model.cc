// Reads what a request says of its model, before llama.cpp sees it.
#include "llama/opened_model.h"

#include "agent/verifying.h"
#include "include/edgefront/host.h"

namespace edgefront::llama {

Result<LlamaOptions> ReadOptions(const Json& request, const Library& library) {
  Result<SessionOptions> options = ReadRunOptions(request);
  if (!options.ok()) return options.status();
  Fields fields(&request);
  const std::string isa = fields.Text("isa", "auto");
  if (!fields.status().ok()) return fields.status();
  if (isa != "auto" && isa != library.isa) return Unavailable("llama.cpp chooses its own kernels, here " + library.isa + ", not " + isa);
  if (options->threads == 0) options->threads = DefaultThreads();
  return LlamaOptions{*options};
}

Result<OpenedModel> OpenModel(const Json& request, const Library& library, const SessionOptions& options) {
  Result<ModelSource> source = ModelSource::From(request);
  if (!source.ok()) return source.status();
  Result<GgufFile> header = source->Header();
  if (!header.ok()) return header.status();
  Result<ModelSpec> spec = ModelSpec::FromGguf(*header);
  if (!spec.ok()) return spec.status();
  Result<MemoryPlan> plan = PlanMemory(*header, options);
  if (!plan.ok()) return plan.status();
  EDGEFRONT_RETURN_IF_ERROR(CheckFits(*plan));
  Result<ModelFile> file = ModelFile::Make(*source, request);
  if (!file.ok()) return file.status();
  const bool quantised = HasQuantisedMatrices(*header);
  *header = GgufFile();
  if (!source->path.empty()) source->bytes = std::vector<uint8_t>();  // the beginning of the file is no longer needed
  return OpenedModel{library, std::move(*source), std::move(*spec), quantised, *plan, std::move(*file)};
}

}  // namespace edgefront::llama
