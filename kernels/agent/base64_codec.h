// Base64 encoding of bytes as text, and decoding.
#ifndef EDGEFRONT_AGENT_BASE64_CODEC_H_
#define EDGEFRONT_AGENT_BASE64_CODEC_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace edgefront {

// Decodes strict base64 (RFC 4648, with padding, no white space) into `out`. Returns false for any other
// text.
bool DecodeBase64(std::string_view text, std::vector<uint8_t>* out);
// Returns base64 text of `bytes`: `size` bytes.
std::string EncodeBase64(const uint8_t* bytes, size_t size);

}  // namespace edgefront

#endif  // EDGEFRONT_AGENT_BASE64_CODEC_H_
