// Fuzzes the base64 of plans and pieces of files. Accepted text must be the only way to write its bytes.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base64_codec.h"
#include "fuzz/file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace edgefront;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<uint8_t> bytes;
  if (DecodeBase64(text, &bytes)) fuzz::Require(EncodeBase64(bytes.data(), bytes.size()) == text);
  const std::string encoded = EncodeBase64(data, size);
  fuzz::Require(DecodeBase64(encoded, &bytes) && bytes == std::vector<uint8_t>(data, data + size));
  return 0;
}
