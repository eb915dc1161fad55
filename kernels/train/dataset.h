// EFD1 data files (kernels/README.md), and the rule by which a seed picks the rows of each batch. Rows are
// read when needed, by pread, so a file of any size costs no memory. A mapping was rejected: a file that is
// cut off while in use would raise SIGBUS instead of returning an error.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "include/edgefront/status.h"

namespace edgefront::train {

class Dataset {
 public:
  // Opens a file. `examples`: the kind that the request asks for; `length`: tokens in a row, which must equal
  // that of an examples file; `vocab`: the model's. Errors: kBadRequest or kIo.
  static Result<Dataset> Open(const std::string& path, bool examples, int length, uint32_t vocab);
  Dataset(Dataset&& other) noexcept;
  Dataset& operator=(Dataset&&) = delete;
  ~Dataset();

  // Returns the number of distinct rows (or window positions) for batches.
  uint64_t choices() const { return examples_ ? count_ : count_ - length_; }
  // Copies row `index` (or the window that starts there) to `tokens` [length] and `targets` [length]. Returns
  // the number of scored positions, or one of these two errors.
  static constexpr int kForeignToken = -1;  // a token is outside the model's vocabulary
  static constexpr int kUnreadable = -2;    // the file ended, or reading failed
  int Read(uint64_t index, uint16_t* tokens, uint16_t* targets) const;
  // Returns `wanted` validation rows (or all, if there are fewer), in order and evenly spread.
  std::vector<uint64_t> Spread(uint64_t wanted) const;

 private:
  Dataset() = default;
  int fd_ = -1;
  uint64_t count_ = 0;
  int length_ = 0;
  uint32_t vocab_ = 0;
  bool examples_ = false;
};

// Returns the n-th row of the whole run, as a pure function of the seed and n, so a resumed run draws the
// same rows. Windows of a stream are drawn independently; rows are shuffled anew in each epoch.
class Order {
 public:
  Order(uint64_t seed, const Dataset& data, bool examples);
  uint64_t At(uint64_t n);

 private:
  uint64_t key_, choices_;
  uint64_t epoch_ = ~0ull;
  std::vector<uint32_t> shuffled_;
  bool examples_;
};

}  // namespace edgefront::train
