// Reads growing prefixes of a file until its header parses. A mapping was rejected: a file truncated while in
// use would raise SIGBUS instead of an error, and mapped pages would count in the peak beside the packed
// copy.
#include "infer/model_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace edgefront {
namespace {

constexpr uint64_t kFirstRead = 1u << 20, kLargestHeader = 256u << 20;

}  // namespace

ModelFile::ModelFile(ModelFile&& other) noexcept : header_(std::move(other.header_)), gguf_(std::move(other.gguf_)), fd_(other.fd_) {
  other.fd_ = -1;
}

ModelFile::~ModelFile() {
  if (fd_ >= 0) close(fd_);
}

Result<ModelFile> ModelFile::Open(const std::string& path) {
  ModelFile file;
  file.fd_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file.fd_ < 0) return IoError("cannot open '" + path + "': " + std::strerror(errno));
  struct stat st;
  if (fstat(file.fd_, &st) != 0 || !S_ISREG(st.st_mode)) return IoError("'" + path + "' is not a regular file");
  const uint64_t size = static_cast<uint64_t>(st.st_size);
  for (uint64_t want = kFirstRead;; want *= 8) {
    const uint64_t target = std::min({want, size, kLargestHeader});
    uint64_t have = file.header_.size();
    file.header_.resize(target);
    while (have < target) {
      const ssize_t got = pread(file.fd_, file.header_.data() + have, target - have, static_cast<off_t>(have));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return IoError("cannot read '" + path + "'");
      have += static_cast<uint64_t>(got);
    }
    auto gguf = GgufFile::Parse(file.header_, size);
    if (gguf.ok()) {
      file.gguf_ = std::move(gguf).value();
      return file;
    }
    if (target == size || target == kLargestHeader) return gguf.status();
  }
}

}  // namespace edgefront
