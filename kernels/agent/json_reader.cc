// The JSON reader. It is recursive, with depth limited by Json::kMaxDepth. A number is checked against the
// grammar before strtod converts it, so strtod never sees hexadecimal, "inf" or a locale's comma.
#include <cmath>
#include <cstdlib>

#include "agent/json.h"
#include "agent/utf8.h"

namespace edgefront {
namespace {

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
      case '"': out->type_ = Json::Type::kString; return ParseString(&out->string_);
      case 't':
        out->type_ = Json::Type::kBool;
        out->boolean_ = true;
        return EatWord("true");
      case 'f': out->type_ = Json::Type::kBool; return EatWord("false");
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
      case '"':
      case '\\':
      case '/': out->push_back(c); return true;
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
      // Runs of plain ASCII are copied whole. A plan in base64 is such a run.
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

}  // namespace edgefront
