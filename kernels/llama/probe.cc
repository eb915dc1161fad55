// The probe job: the machine, and the library that is found on it.
#include "agent/probing.h"
#include "llama/jobs.h"
#include "llama/library.h"

namespace edgefront::llama {
namespace {

Result<ProbedEngine> ProbeLibrary(const Json& request, int) {
  Result<Library> library = OpenLibrary(request);
  if (!library.ok()) return library.status();
  // llama.cpp has loaded the backend that it found best for this processor.
  return ProbedEngine{{library->isa}, library->isa, {}, Describe(*library)};
}

}  // namespace

Status RunLlamaProbe(const Json& request, Reporter* reporter) { return ReportProbe(request, ProbeLibrary, reporter); }

}  // namespace edgefront::llama
