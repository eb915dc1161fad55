// Opens and reads EFD1 files, and computes the order of batches from the seed.
#include "train/dataset.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "infer/seeded_weights.h"
#include "train/network.h"

namespace edgefront::train {
namespace {

constexpr size_t kHeaderBytes = 24;

uint32_t U32(const uint8_t* p) { return p[0] | p[1] << 8 | p[2] << 16 | static_cast<uint32_t>(p[3]) << 24; }

bool ReadAll(int fd, void* out, size_t bytes, uint64_t at) {
  uint8_t* p = static_cast<uint8_t*>(out);
  while (bytes > 0) {
    const ssize_t got = pread(fd, p, bytes, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    p += got;
    at += static_cast<uint64_t>(got);
    bytes -= static_cast<size_t>(got);
  }
  return true;
}

}  // namespace

Result<Dataset> Dataset::Open(const std::string& path, bool examples, int length, uint32_t vocab) {
  Dataset d;
  d.fd_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (d.fd_ < 0) return IoError("data file " + path + ": " + std::strerror(errno));
  struct stat st;
  if (fstat(d.fd_, &st) != 0 || !S_ISREG(st.st_mode)) return IoError("data file " + path + ": not a regular file");
  const uint64_t bytes = static_cast<uint64_t>(st.st_size);
  uint8_t header[kHeaderBytes];
  if (bytes <= kHeaderBytes || !ReadAll(d.fd_, header, kHeaderBytes, 0) || std::memcmp(header, "EFD1", 4) != 0) {
    return IoError("data file " + path + ": damaged: not an EFD1 file, or empty");
  }
  const uint32_t kind = U32(header + 4), file_vocab = U32(header + 8), file_length = U32(header + 12);
  const uint64_t count = U32(header + 16) | static_cast<uint64_t>(U32(header + 20)) << 32;
  if (kind > 1 || (kind == 0) != examples) return BadRequest("data file " + path + ": holds " + (kind == 0 ? "examples" : "a stream"));
  if (file_vocab > vocab) {
    return BadRequest("data file " + path + ": vocabulary " + std::to_string(file_vocab) + " exceeds the model's " + std::to_string(vocab));
  }
  if (length < 1 || (examples && file_length != static_cast<uint32_t>(length))) {
    return BadRequest("data file " + path + ": rows of " + std::to_string(file_length) + " tokens, asked for " + std::to_string(length));
  }
  const uint64_t per_row = examples ? 4ull * file_length : 2;
  if (count > (bytes - kHeaderBytes) / per_row) return IoError("data file " + path + ": damaged: truncated");
  if (count == 0 || count > UINT32_MAX * (examples ? 1ull : 1ull << 20))
    return IoError("data file " + path + ": damaged: no rows, or too many");
  if (!examples && count <= static_cast<uint64_t>(length)) {
    return BadRequest("data file " + path + ": " + std::to_string(count) + " tokens, fewer than one window of " +
                      std::to_string(length + 1));
  }
  d.count_ = count;
  d.length_ = length;
  d.vocab_ = vocab;
  d.examples_ = examples;
  return Result<Dataset>(std::move(d));
}

Dataset::Dataset(Dataset&& o) noexcept
    : fd_(std::exchange(o.fd_, -1)), count_(o.count_), length_(o.length_), vocab_(o.vocab_), examples_(o.examples_) {}

Dataset::~Dataset() {
  if (fd_ >= 0) close(fd_);
}

int Dataset::Read(uint64_t index, uint16_t* tokens, uint16_t* targets) const {
  const uint64_t at = kHeaderBytes + sizeof(uint16_t) * (examples_ ? 2 * index * length_ : index);
  const size_t bytes = sizeof(uint16_t) * length_;
  if (!ReadAll(fd_, tokens, bytes, at)) return kUnreadable;
  if (!ReadAll(fd_, targets, bytes, at + (examples_ ? bytes : sizeof(uint16_t)))) return kUnreadable;
  int scored = 0;
  for (int t = 0; t < length_; ++t) {
    if (tokens[t] >= vocab_) return kForeignToken;
    if (targets[t] == kNotScored) continue;
    if (targets[t] >= vocab_) return kForeignToken;
    ++scored;
  }
  return scored;
}

std::vector<uint64_t> Dataset::Spread(uint64_t wanted) const {
  const uint64_t most = examples_ ? count_ : std::max<uint64_t>(1, (count_ - 1) / length_);
  const uint64_t n = std::min(wanted, most);
  std::vector<uint64_t> out(n);
  for (uint64_t i = 0; i < n; ++i) out[i] = i * choices() / n;
  return out;
}

Order::Order(uint64_t seed, const Dataset& data, bool examples)
    : key_(SplitMix64(seed ^ Fnv1a64("order"))), choices_(data.choices()), examples_(examples) {
  if (examples) shuffled_.resize(choices_);
}

uint64_t Order::At(uint64_t n) {
  if (!examples_) return SplitMix64(key_ + n) % choices_;
  const uint64_t epoch = n / choices_;
  if (epoch != epoch_) {
    epoch_ = epoch;
    for (uint64_t i = 0; i < choices_; ++i) shuffled_[i] = static_cast<uint32_t>(i);
    const uint64_t epoch_key = SplitMix64(key_ + epoch);
    for (uint64_t i = choices_ - 1; i > 0; --i) std::swap(shuffled_[i], shuffled_[SplitMix64(epoch_key + i) % (i + 1)]);
  }
  return shuffled_[n % choices_];
}

}  // namespace edgefront::train
