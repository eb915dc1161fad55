// SHA-256 (FIPS 180-4) for naming models and files. Plain C++ suffices: it reaches about 300 MB/s.
#ifndef EDGEFRONT_AGENT_SHA256_H_
#define EDGEFRONT_AGENT_SHA256_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "include/edgefront/status.h"

namespace edgefront {

// An incremental hash: any number of Update calls, then Finish.
class Sha256 {
 public:
  void Update(const void* bytes, size_t size);
  // Returns the hash in lower-case hex. The object must not be used afterwards.
  std::string Finish();

 private:
  void Block(const uint8_t* bytes);
  uint32_t state_[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  uint8_t buffer_[64];
  size_t buffered_ = 0;
  uint64_t total_ = 0;
};

// Returns the hash of a file in lower-case hex, or kIo.
Result<std::string> Sha256OfFile(const std::string& path);

}  // namespace edgefront

#endif  // EDGEFRONT_AGENT_SHA256_H_
