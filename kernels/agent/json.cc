// JSON reader and writer. The reader descends by recursion, bounded by Json::kMaxDepth; a number is checked against the grammar
// first and converted by strtod after, which then cannot meet hexadecimal, "inf" or a locale's comma.
#include "agent/json.h"

#include <charconv>
#include <cmath>
#include <cstdlib>

namespace edgefront {
namespace {

// Length of the valid UTF-8 sequence at p (1..4), or 0: overlong forms, surrogates and values above U+10FFFF are refused.
size_t Utf8Length(const unsigned char* p, size_t left) {
  const unsigned c = p[0];
  if (c < 0x80) return 1;
  auto tail = [&](size_t i) { return i < left && (p[i] & 0xC0) == 0x80; };
  if (c >= 0xC2 && c <= 0xDF) return tail(1) ? 2 : 0;
  if (c >= 0xE0 && c <= 0xEF) {
    if (!tail(1) || !tail(2)) return 0;
    if (c == 0xE0 && p[1] < 0xA0) return 0;
    if (c == 0xED && p[1] > 0x9F) return 0;
    return 3;
  }
  if (c >= 0xF0 && c <= 0xF4) {
    if (!tail(1) || !tail(2) || !tail(3)) return 0;
    if (c == 0xF0 && p[1] < 0x90) return 0;
    if (c == 0xF4 && p[1] > 0x8F) return 0;
    return 4;
  }
  return 0;
}

void AppendUtf8(uint32_t code, std::string* out) {
  if (code < 0x80) {
    out->push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out->push_back(static_cast<char>(0xC0 | (code >> 6)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3F)));
  } else if (code < 0x10000) {
    out->push_back(static_cast<char>(0xE0 | (code >> 12)));
    out->push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3F)));
  } else {
    out->push_back(static_cast<char>(0xF0 | (code >> 18)));
    out->push_back(static_cast<char>(0x80 | ((code >> 12) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3F)));
  }
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

class JsonParser {
 public:
  explicit JsonParser(std::string_view text) : text_(text) {}

  bool ParseDocument(Json* out, std::string* error) {
    const bool ok = ParseValue(out, 0) && (SkipSpace(), at_ == text_.size() || Fail("text after the end of the value"));
    if (!ok) *error = std::string(reason_) + " at byte " + std::to_string(at_);
    return ok;
  }

 private:
  bool Fail(const char* reason) {
    reason_ = reason;
    return false;
  }
  void SkipSpace() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
  }
  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool Eat(char c) {
    if (Peek() != c || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }
  bool EatWord(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return Fail("unknown word");
    at_ += word.size();
    return true;
  }

  bool ParseValue(Json* out, int depth) {
    SkipSpace();
    if (depth > Json::kMaxDepth) return Fail("nested too deeply");
    if (++nodes_ > Json::kMaxNodes) return Fail("too many values");
    switch (Peek()) {
      case '{': return ParseObject(out, depth);
      case '[': return ParseArray(out, depth);
      case '"':
        out->type_ = Json::Type::kString;
        return ParseString(&out->string_);
      case 't':
        out->type_ = Json::Type::kBool;
        out->boolean_ = true;
        return EatWord("true");
      case 'f':
        out->type_ = Json::Type::kBool;
        return EatWord("false");
      case 'n': return EatWord("null");
      default: return ParseNumber(out);
    }
  }

  bool ParseObject(Json* out, int depth) {
    out->type_ = Json::Type::kObject;
    ++at_;
    SkipSpace();
    if (Eat('}')) return true;
    for (;;) {
      SkipSpace();
      if (Peek() != '"') return Fail("expected a key");
      out->keys_.emplace_back();
      if (!ParseString(&out->keys_.back())) return false;
      SkipSpace();
      if (!Eat(':')) return Fail("expected ':'");
      out->items_.emplace_back();
      if (!ParseValue(&out->items_.back(), depth + 1)) return false;
      SkipSpace();
      if (Eat('}')) return true;
      if (!Eat(',')) return Fail("expected ',' or '}'");
    }
  }

  bool ParseArray(Json* out, int depth) {
    out->type_ = Json::Type::kArray;
    ++at_;
    SkipSpace();
    if (Eat(']')) return true;
    for (;;) {
      out->items_.emplace_back();
      if (!ParseValue(&out->items_.back(), depth + 1)) return false;
      SkipSpace();
      if (Eat(']')) return true;
      if (!Eat(',')) return Fail("expected ',' or ']'");
    }
  }

  bool ParseHex4(uint32_t* out) {
    if (text_.size() - at_ < 4) return Fail("short \\u escape");
    uint32_t value = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = text_[at_++];
      const int digit = IsDigit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
      if (digit < 0) return Fail("bad \\u escape");
      value = value * 16 + static_cast<uint32_t>(digit);
    }
    *out = value;
    return true;
  }

  bool ParseEscape(std::string* out) {
    if (at_ >= text_.size()) return Fail("unfinished string");
    const char c = text_[at_++];
    switch (c) {
      case '"': case '\\': case '/': out->push_back(c); return true;
      case 'b': out->push_back('\b'); return true;
      case 'f': out->push_back('\f'); return true;
      case 'n': out->push_back('\n'); return true;
      case 'r': out->push_back('\r'); return true;
      case 't': out->push_back('\t'); return true;
      case 'u': break;
      default: return Fail("unknown escape");
    }
    uint32_t code = 0;
    if (!ParseHex4(&code)) return false;
    if (code >= 0xDC00 && code <= 0xDFFF) return Fail("lone surrogate");
    if (code >= 0xD800 && code <= 0xDBFF) {
      uint32_t low = 0;
      if (!Eat('\\') || !Eat('u')) return Fail("lone surrogate");
      if (!ParseHex4(&low)) return false;
      if (low < 0xDC00 || low > 0xDFFF) return Fail("lone surrogate");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    AppendUtf8(code, out);
    return true;
  }

  bool ParseString(std::string* out) {
    ++at_;
    while (at_ < text_.size()) {
      // Plain ASCII runs are copied whole: a plan in base64 is one of them.
      const size_t start = at_;
      while (at_ < text_.size()) {
        const unsigned char c = static_cast<unsigned char>(text_[at_]);
        if (c == '"' || c == '\\' || c < 0x20 || c >= 0x80) break;
        ++at_;
      }
      out->append(text_, start, at_ - start);
      if (at_ >= text_.size()) break;
      const unsigned char c = static_cast<unsigned char>(text_[at_]);
      if (c == '"') {
        ++at_;
        return true;
      }
      if (c == '\\') {
        ++at_;
        if (!ParseEscape(out)) return false;
      } else if (c < 0x20) {
        return Fail("control character in a string");
      } else {
        const size_t n = Utf8Length(reinterpret_cast<const unsigned char*>(text_.data()) + at_, text_.size() - at_);
        if (n == 0) return Fail("invalid UTF-8");
        out->append(text_, at_, n);
        at_ += n;
      }
    }
    return Fail("unfinished string");
  }

  bool ParseNumber(Json* out) {
    const size_t start = at_;
    Eat('-');
    if (!IsDigit(Peek())) return Fail("expected a value");
    if (!Eat('0')) {
      while (IsDigit(Peek())) ++at_;
    }
    if (Eat('.')) {
      if (!IsDigit(Peek())) return Fail("expected a digit");
      while (IsDigit(Peek())) ++at_;
    }
    if (Peek() == 'e' || Peek() == 'E') {
      ++at_;
      if (Peek() == '+' || Peek() == '-') ++at_;
      if (!IsDigit(Peek())) return Fail("expected a digit");
      while (IsDigit(Peek())) ++at_;
    }
    if (at_ - start > 64) return Fail("number too long");
    const std::string digits(text_.substr(start, at_ - start));
    out->type_ = Json::Type::kNumber;
    out->number_ = std::strtod(digits.c_str(), nullptr);
    if (!std::isfinite(out->number_)) return Fail("number out of range");
    return true;
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t nodes_ = 0;
  const char* reason_ = "";
};

bool Json::Parse(std::string_view text, Json* out, std::string* error) {
  *out = Json();
  return JsonParser(text).ParseDocument(out, error);
}

const Json* Json::Find(std::string_view key) const {
  if (type_ != Type::kObject) return nullptr;
  for (size_t i = keys_.size(); i-- > 0;) {
    if (keys_[i] == key) return &items_[i];
  }
  return nullptr;
}

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
    // The bits under the padding must be zero: one text for one value.
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
    const uint32_t bits =
        uint32_t{bytes[i]} << 16 | (n > 1 ? uint32_t{bytes[i + 1]} << 8 : 0) | (n > 2 ? uint32_t{bytes[i + 2]} : 0);
    text.push_back(kBase64[bits >> 18]);
    text.push_back(kBase64[bits >> 12 & 63]);
    text.push_back(n > 1 ? kBase64[bits >> 6 & 63] : '=');
    text.push_back(n > 2 ? kBase64[bits & 63] : '=');
  }
  return text;
}

}  // namespace edgefront
