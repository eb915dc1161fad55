// Bytes as text, and back.
#ifndef EDGEFRONT_AGENT_BASE64_CODEC_H_
#define EDGEFRONT_AGENT_BASE64_CODEC_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace edgefront {

// Strict base64 (RFC 4648, with padding, no white space). Returns false on anything else.
bool DecodeBase64(std::string_view text, std::vector<uint8_t>* out);
std::string EncodeBase64(const uint8_t* bytes, size_t size);

}  // namespace edgefront

#endif  // EDGEFRONT_AGENT_BASE64_CODEC_H_
