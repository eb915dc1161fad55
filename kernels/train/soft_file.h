// A teacher's dumped log-probabilities: EFL1 files (kernels/README.md), read row by row.
#pragma once

#include <cstdint>
#include <string>

#include "include/edgefront/status.h"

namespace edgefront::train {

class SoftFile {
 public:
  // `positions`: how many the training data has; the file must have as many.
  static Result<SoftFile> Open(const std::string& path, int k, uint64_t positions, uint32_t vocab);
  SoftFile(SoftFile&& other) noexcept;
  SoftFile& operator=(SoftFile&&) = delete;
  ~SoftFile();
  // The k largest of `n` positions from `first` on; false where the file ends, or names a foreign token.
  bool Read(uint64_t first, int n, uint16_t* ids, float* log_probs) const;

 private:
  SoftFile() = default;
  int fd_ = -1, in_file_ = 0, k_ = 0;  // entries a position has, and how many are wanted
  uint32_t vocab_ = 0;
};

}  // namespace edgefront::train
