// Opens EFL1 files and reads positions by pread, so a file cut off while in use is an error.
#include "train/soft_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

namespace edgefront::train {
namespace {

constexpr size_t kHeaderBytes = 16;  // "EFL1", u32 k, u64 positions
constexpr size_t kEntryBytes = sizeof(uint16_t) + sizeof(float);

bool ReadExactly(int fd, uint8_t* out, size_t bytes, uint64_t at) {
  while (bytes > 0) {
    const ssize_t got = pread(fd, out, bytes, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    out += got;
    at += static_cast<uint64_t>(got);
    bytes -= static_cast<size_t>(got);
  }
  return true;
}

}  // namespace

Result<SoftFile> SoftFile::Open(const std::string& path, int k, uint64_t positions, uint32_t vocab) {
  SoftFile f;
  f.fd_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (f.fd_ < 0) return IoError("teacher's logits " + path + ": " + std::strerror(errno));
  uint8_t header[kHeaderBytes];
  if (!ReadExactly(f.fd_, header, kHeaderBytes, 0) || std::memcmp(header, "EFL1", 4) != 0) {
    return BadRequest("teacher's logits " + path + ": not an EFL1 file");
  }
  uint32_t in_file;
  uint64_t count;
  std::memcpy(&in_file, header + 4, sizeof in_file);
  std::memcpy(&count, header + 8, sizeof count);
  if (in_file < static_cast<uint32_t>(k) || in_file > vocab) {
    return BadRequest("teacher's logits " + path + ": has " + std::to_string(in_file) +
                      " entries for each position, but the request needs " + std::to_string(k) + " to " + std::to_string(vocab));
  }
  if (count != positions) {
    return BadRequest("teacher's logits " + path + ": of " + std::to_string(count) + " positions, the data has " +
                      std::to_string(positions));
  }
  f.in_file_ = static_cast<int>(in_file);
  f.k_ = k;
  f.vocab_ = vocab;
  return Result<SoftFile>(std::move(f));
}

SoftFile::SoftFile(SoftFile&& o) noexcept : fd_(std::exchange(o.fd_, -1)), in_file_(o.in_file_), k_(o.k_), vocab_(o.vocab_) {}

SoftFile::~SoftFile() {
  if (fd_ >= 0) close(fd_);
}

bool SoftFile::Read(uint64_t first, int n, uint16_t* ids, float* log_probs) const {
  // A position has in_file_ ids, then in_file_ log-probabilities, largest first.
  const uint64_t stride = kEntryBytes * static_cast<uint64_t>(in_file_);
  for (int i = 0; i < n; ++i) {
    const uint64_t at = kHeaderBytes + (first + i) * stride;
    if (!ReadExactly(fd_, reinterpret_cast<uint8_t*>(ids + static_cast<ptrdiff_t>(i) * k_), sizeof(uint16_t) * k_, at)) return false;
    if (!ReadExactly(fd_, reinterpret_cast<uint8_t*>(log_probs + static_cast<ptrdiff_t>(i) * k_), sizeof(float) * k_,
                     at + sizeof(uint16_t) * in_file_)) {
      return false;
    }
    for (int j = 0; j < k_; ++j) {
      if (ids[static_cast<ptrdiff_t>(i) * k_ + j] >= vocab_) return false;
    }
  }
  return true;
}

}  // namespace edgefront::train
