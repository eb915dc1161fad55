// Reads a teacher's dumped log-probabilities, row by row, from EFL1 files (kernels/README.md).
#pragma once

#include <cstdint>
#include <string>

#include "include/edgefront/status.h"

namespace edgefront::train {

class SoftFile {
 public:
  // Opens a file, which must have exactly `positions` positions, the number in the training data. Reads will
  // return `k` entries.
  static Result<SoftFile> Open(const std::string& path, int k, uint64_t positions, uint32_t vocab);
  SoftFile(SoftFile&& other) noexcept;
  SoftFile& operator=(SoftFile&&) = delete;
  ~SoftFile();
  // Reads the k largest of `n` positions from `first`: ids and log_probs [n][k]. Returns false if the file
  // ends or has a token outside the vocabulary.
  bool Read(uint64_t first, int n, uint16_t* ids, float* log_probs) const;

 private:
  SoftFile() = default;
  int fd_ = -1, in_file_ = 0, k_ = 0;  // entries of a position in the file; entries to read
  uint32_t vocab_ = 0;
};

}  // namespace edgefront::train
