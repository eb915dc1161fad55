// The file that llama.cpp loads: the file of a request, or one written for its plan, which no longer has a
// name and vanishes with this process.
#ifndef EDGEFRONT_LLAMA_MODEL_FILE_H_
#define EDGEFRONT_LLAMA_MODEL_FILE_H_

#include <string>

#include "agent/jobs.h"

namespace edgefront::llama {

class ModelFile {
 public:
  // For a plan, a process of its own writes the file into the folder `scratch` of the request, so that its
  // memory is not that of the job. Errors: kIo, those of Materialize.
  static Result<ModelFile> Make(const ModelSource& source, const Json& request);

  const std::string& path() const { return path_; }

 private:
  explicit ModelFile(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace edgefront::llama

#endif  // EDGEFRONT_LLAMA_MODEL_FILE_H_
