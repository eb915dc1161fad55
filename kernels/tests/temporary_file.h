// Data files for the trainer's tests. The destructor removes the file.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace edgefront::testing {

inline std::string TemporaryPath() {
  static int made = 0;
  return (std::filesystem::temp_directory_path() / ("edgefront-" + std::to_string(getpid()) + "-" + std::to_string(made++))).string();
}

// An EFD1 file with the given header, followed by any tokens.
class TemporaryFile {
 public:
  TemporaryFile(uint32_t kind, uint32_t vocab, uint32_t length, uint64_t count, const std::vector<uint16_t>& tokens)
      : path_(TemporaryPath()) {
    std::ofstream out(path_, std::ios::binary);
    out.write("EFD1", 4);
    for (const uint32_t x : {kind, vocab, length, static_cast<uint32_t>(count), static_cast<uint32_t>(count >> 32)}) Put(out, x, 4);
    for (const uint16_t x : tokens) Put(out, x, 2);
  }
  ~TemporaryFile() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  static void Put(std::ofstream& out, uint32_t x, int bytes) {
    for (int i = 0; i < bytes; ++i) out.put(static_cast<char>(x >> (8 * i) & 0xFF));
  }
  std::string path_;
};

}  // namespace edgefront::testing
