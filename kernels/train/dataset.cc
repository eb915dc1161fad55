#include "train/dataset.h"

#include <fcntl.h>
#include <sys/mman.h>
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

}  // namespace

Result<Dataset> Dataset::Open(const std::string& path, bool examples, int length, uint32_t vocab) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return IoError("data file " + path + ": " + std::strerror(errno));
  struct stat st;
  Dataset d;
  const bool regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
  if (regular && static_cast<size_t>(st.st_size) > kHeaderBytes) {
    void* map = mmap(nullptr, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map != MAP_FAILED) {
      d.map_ = static_cast<const uint8_t*>(map);
      d.map_bytes_ = st.st_size;
    }
  }
  close(fd);
  if (!regular) return IoError("data file " + path + ": not a regular file");
  if (!d.map_ || std::memcmp(d.map_, "EFD1", 4) != 0) return BadRequest("data file " + path + ": not an EFD1 file, or empty");
  const uint32_t kind = U32(d.map_ + 4), file_vocab = U32(d.map_ + 8), file_length = U32(d.map_ + 12);
  const uint64_t count = U32(d.map_ + 16) | static_cast<uint64_t>(U32(d.map_ + 20)) << 32;
  if (kind > 1 || (kind == 0) != examples) return BadRequest("data file " + path + ": holds " + (kind == 0 ? "examples" : "a stream"));
  if (file_vocab > vocab) {
    return BadRequest("data file " + path + ": vocabulary " + std::to_string(file_vocab) + " exceeds the model's " + std::to_string(vocab));
  }
  if (length < 1 || (examples && file_length != static_cast<uint32_t>(length))) {
    return BadRequest("data file " + path + ": rows of " + std::to_string(file_length) + " tokens, asked for " + std::to_string(length));
  }
  const uint64_t per_row = examples ? 4ull * file_length : 2;
  if (count > (d.map_bytes_ - kHeaderBytes) / per_row) return BadRequest("data file " + path + ": truncated");
  if (count == 0 || count > UINT32_MAX * (examples ? 1ull : 1ull << 20)) return BadRequest("data file " + path + ": no rows, or too many");
  if (!examples && count <= static_cast<uint64_t>(length)) {
    return BadRequest("data file " + path + ": " + std::to_string(count) + " tokens, fewer than one window of " + std::to_string(length + 1));
  }
  d.tokens_ = reinterpret_cast<const uint16_t*>(d.map_ + kHeaderBytes);
  d.count_ = count;
  d.length_ = length;
  d.vocab_ = vocab;
  d.examples_ = examples;
  return Result<Dataset>(std::move(d));
}

Dataset::Dataset(Dataset&& o) noexcept
    : map_(std::exchange(o.map_, nullptr)),
      map_bytes_(o.map_bytes_),
      tokens_(o.tokens_),
      count_(o.count_),
      length_(o.length_),
      vocab_(o.vocab_),
      examples_(o.examples_) {}

Dataset::~Dataset() {
  if (map_) munmap(const_cast<uint8_t*>(map_), map_bytes_);
}

int Dataset::Read(uint64_t index, uint16_t* tokens, uint16_t* targets) const {
  const uint16_t* in = tokens_ + (examples_ ? 2 * index * length_ : index);
  std::memcpy(tokens, in, sizeof(uint16_t) * length_);
  std::memcpy(targets, in + (examples_ ? length_ : 1), sizeof(uint16_t) * length_);
  int scored = 0;
  for (int t = 0; t < length_; ++t) {
    if (tokens[t] >= vocab_) return -1;
    if (targets[t] == kNotScored) continue;
    if (targets[t] >= vocab_) return -1;
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
