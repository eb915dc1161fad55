// A model file opened for reading. The header is in memory; the data stays on disk.
#ifndef EDGEFRONT_INFER_MODEL_FILE_H_
#define EDGEFRONT_INFER_MODEL_FILE_H_

#include <string>
#include <vector>

#include "include/edgefront/gguf.h"

namespace edgefront {

// An open file and its parsed header.
class ModelFile {
 public:
  // Opens a file and parses its header. Errors: kIo, and those of GgufFile::Parse.
  static Result<ModelFile> Open(const std::string& path);
  ModelFile(ModelFile&& other) noexcept;
  ModelFile& operator=(ModelFile&&) = delete;
  ~ModelFile();

  const GgufFile& gguf() const { return gguf_; }  // views into header_, which moves with this object
  int fd() const { return fd_; }

 private:
  ModelFile() = default;
  std::vector<uint8_t> header_;
  GgufFile gguf_;
  int fd_ = -1;
};

}  // namespace edgefront

#endif  // EDGEFRONT_INFER_MODEL_FILE_H_
