// Writes to PATH.part, flushes it, and renames it to PATH.
#include "train/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace edgefront::train {
namespace {

bool WriteAll(int fd, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = write(fd, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(wrote));
  }
  return true;
}

}  // namespace

Status WriteAtomically(const std::string& path, const std::vector<std::span<const uint8_t>>& parts) {
  const std::string beside = path + ".part";
  const int fd = open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  bool good = fd >= 0;
  for (const std::span<const uint8_t>& part : parts) good = good && WriteAll(fd, part);
  good = good && fsync(fd) == 0;
  const int failed = errno;
  if (fd >= 0) close(fd);
  if (good && std::rename(beside.c_str(), path.c_str()) == 0) return Status::Ok();
  const std::string why = std::strerror(good ? errno : failed);
  if (fd >= 0) unlink(beside.c_str());
  return IoError("cannot write " + path + ": " + why);
}

}  // namespace edgefront::train
