// An in-memory file for readers that take a path. One file is reused for every input.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace edgefront::fuzz {

// Returns the path of a file that holds `size` bytes from `data` until the next call.
inline const std::string& FileOf(const uint8_t* data, size_t size) {
  static const int fd = memfd_create("fuzz", 0);
  static const std::string path = "/proc/self/fd/" + std::to_string(fd);
  if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != static_cast<ssize_t>(size)) abort();
  return path;
}

// Ends the run with a finding.
inline void Require(bool condition) {
  if (!condition) abort();
}

}  // namespace edgefront::fuzz
