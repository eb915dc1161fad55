// The JSON writer. Escapes strings and prints numbers; the caller keeps Begin and End balanced.
#include <charconv>
#include <cmath>

#include "agent/json.h"
#include "agent/utf8.h"

namespace edgefront {

void JsonWriter::Separate() {
  if (needs_comma_) text_.push_back(',');
  needs_comma_ = true;
}

JsonWriter& JsonWriter::Open(char c) {
  Separate();
  text_.push_back(c);
  needs_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::Close(char c) {
  text_.push_back(c);
  needs_comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::Key(std::string_view key) {
  String(key);
  text_.push_back(':');
  needs_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::String(std::string_view value) {
  Separate();
  text_.push_back('"');
  const auto* p = reinterpret_cast<const unsigned char*>(value.data());
  for (size_t i = 0; i < value.size();) {
    const unsigned char c = p[i];
    if (c == '"' || c == '\\') {
      text_.push_back('\\');
      text_.push_back(static_cast<char>(c));
      ++i;
    } else if (c < 0x20 || c == 0x7F) {
      constexpr char kHex[] = "0123456789abcdef";
      text_.append("\\u00");
      text_.push_back(kHex[c >> 4]);
      text_.push_back(kHex[c & 15]);
      ++i;
    } else if (const size_t n = Utf8Length(p + i, value.size() - i); n > 0) {
      text_.append(value, i, n);
      i += n;
    } else {
      text_.append("\xEF\xBF\xBD");
      ++i;
    }
  }
  text_.push_back('"');
  return *this;
}

JsonWriter& JsonWriter::Number(double value) {
  if (!std::isfinite(value)) return Null();
  Separate();
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value);
  text_.append(buffer, end.ptr);
  return *this;
}

JsonWriter& JsonWriter::Integer(int64_t value) {
  Separate();
  text_.append(std::to_string(value));
  return *this;
}

JsonWriter& JsonWriter::Unsigned(uint64_t value) {
  Separate();
  text_.append(std::to_string(value));
  return *this;
}

JsonWriter& JsonWriter::Bool(bool value) { return Raw(value ? "true" : "false"); }

JsonWriter& JsonWriter::Null() { return Raw("null"); }

JsonWriter& JsonWriter::Raw(std::string_view json) {
  Separate();
  text_.append(json);
  return *this;
}

}  // namespace edgefront
