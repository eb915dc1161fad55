// Strict base64 by RFC 4648: the decoder accepts exactly one text for each value.
#include "agent/base64_codec.h"

namespace edgefront {
namespace {

constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int Base64Digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

}  // namespace

bool DecodeBase64(std::string_view text, std::vector<uint8_t>* out) {
  out->clear();
  if (text.size() % 4 != 0) return false;
  out->reserve(text.size() / 4 * 3);
  for (size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    const int padding = !last ? 0 : text[i + 2] == '=' ? 2 : text[i + 3] == '=' ? 1 : 0;
    uint32_t bits = 0;
    for (int j = 0; j < 4; ++j) {
      const int digit = j >= 4 - padding ? (text[i + j] == '=' ? 0 : -1) : Base64Digit(text[i + j]);
      if (digit < 0) return false;
      bits = bits << 6 | static_cast<uint32_t>(digit);
    }
    // The bits under the padding must be zero, so that each value has one text.
    if (padding == 2 && (bits & 0xFFFF) != 0) return false;
    if (padding == 1 && (bits & 0xFF) != 0) return false;
    out->push_back(static_cast<uint8_t>(bits >> 16));
    if (padding < 2) out->push_back(static_cast<uint8_t>(bits >> 8));
    if (padding < 1) out->push_back(static_cast<uint8_t>(bits));
  }
  return true;
}

std::string EncodeBase64(const uint8_t* bytes, size_t size) {
  std::string text;
  text.reserve((size + 2) / 3 * 4);
  for (size_t i = 0; i < size; i += 3) {
    const size_t n = size - i < 3 ? size - i : 3;
    const uint32_t bits = uint32_t{bytes[i]} << 16 | (n > 1 ? uint32_t{bytes[i + 1]} << 8 : 0) | (n > 2 ? uint32_t{bytes[i + 2]} : 0);
    text.push_back(kBase64[bits >> 18]);
    text.push_back(kBase64[bits >> 12 & 63]);
    text.push_back(n > 1 ? kBase64[bits >> 6 & 63] : '=');
    text.push_back(n > 2 ? kBase64[bits & 63] : '=');
  }
  return text;
}

}  // namespace edgefront
