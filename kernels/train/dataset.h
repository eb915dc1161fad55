// EFD1 data files (kernels/README.md), and the rule by which a seed picks the rows of each batch. Rows are read as they are needed, by
// pread: a file of any size costs no memory, and one that is cut off while in use is an error, where a mapping would be a SIGBUS.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "include/edgefront/status.h"

namespace edgefront::train {

class Dataset {
 public:
  // `examples`: kind the request asked for; `length`: tokens in a row, which an examples file must agree with; `vocab`: the model's.
  static Result<Dataset> Open(const std::string& path, bool examples, int length, uint32_t vocab);
  Dataset(Dataset&& other) noexcept;
  Dataset& operator=(Dataset&&) = delete;
  ~Dataset();

  // Distinct rows (or window positions) a batch can be drawn from.
  uint64_t choices() const { return examples_ ? count_ : count_ - length_; }
  // Copies row (or the window starting at) `index` to `tokens` and `targets`, `length` each. Returns how many positions are scored, or
  // one of the two below.
  static constexpr int kForeignToken = -1;  // a token is not in the model's vocabulary
  static constexpr int kUnreadable = -2;    // the file ended, or failed
  int Read(uint64_t index, uint16_t* tokens, uint16_t* targets) const;
  // Validation rows: `wanted` of them (or as many as there are), in order, evenly spread.
  std::vector<uint64_t> Spread(uint64_t wanted) const;

 private:
  Dataset() = default;
  int fd_ = -1;
  uint64_t count_ = 0;
  int length_ = 0;
  uint32_t vocab_ = 0;
  bool examples_ = false;
};

// The n-th row ever drawn, a pure function of the seed and n (so a resumed run draws the same). Windows of a stream are drawn
// independently; rows are shuffled anew each epoch.
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
