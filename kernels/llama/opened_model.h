// Shared beginning of the jobs that run a model on llama.cpp: library, options, header, memory, file.
#ifndef EDGEFRONT_LLAMA_OPENED_MODEL_H_
#define EDGEFRONT_LLAMA_OPENED_MODEL_H_

#include "agent/jobs.h"
#include "llama/library.h"
#include "llama/model_file.h"
#include "llama/session.h"

namespace edgefront::llama {

struct OpenedModel {
  Library library;
  ModelSource source;
  ModelSpec spec;
  bool quantised = false;
  MemoryPlan plan;  // of this package's engine: weights and cache are the same for any
  ModelFile file;
};

// Returns the options of a request. Errors: those of ReadRunOptions; kUnavailable for an instruction set
// other than the one the library chose, `isa`.
Result<LlamaOptions> ReadOptions(const Json& request, const Library& library);
// Opens the model of a request for sessions with `options`. Errors: those of ModelSource, PlanMemory, CheckFits
// and ModelFile.
Result<OpenedModel> OpenModel(const Json& request, const Library& library, const SessionOptions& options);

}  // namespace edgefront::llama

#endif  // EDGEFRONT_LLAMA_OPENED_MODEL_H_
