// The jobs of the agent for llama.cpp that differ from those of this package's engine. Their requests also
// carry `library`, the folder of the user's llama.cpp, and `scratch`, a folder for the file of a plan.
#ifndef EDGEFRONT_LLAMA_JOBS_H_
#define EDGEFRONT_LLAMA_JOBS_H_

#include "agent/jobs.h"

namespace edgefront::llama {

Status RunLlamaProbe(const Json& request, Reporter* reporter);
Status RunLlamaMeasure(const Json& request, Reporter* reporter);
Status RunLlamaVerify(const Json& request, Reporter* reporter);

}  // namespace edgefront::llama

#endif  // EDGEFRONT_LLAMA_JOBS_H_
