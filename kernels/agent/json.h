// A small strict JSON reader and writer for the agent protocol. The reader accepts RFC 8259 only, in valid
// UTF-8; the last of duplicate keys wins. Depth and node counts are limited, so hostile input is cheap to
// refuse. The writer writes one line and never NaN.
#ifndef EDGEFRONT_AGENT_JSON_H_
#define EDGEFRONT_AGENT_JSON_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace edgefront {

// A parsed value. Objects keep the order of their members. Look-ups are linear because requests are small.
class Json {
 public:
  enum class Type : uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };

  static constexpr int kMaxDepth = 32;
  static constexpr size_t kMaxNodes = size_t{1} << 22;

  // Parses a whole text. On failure returns false and puts the reason and the byte offset into `error`.
  static bool Parse(std::string_view text, Json* out, std::string* error);

  Type type() const { return type_; }
  bool is_null() const { return type_ == Type::kNull; }
  bool is_bool() const { return type_ == Type::kBool; }
  bool is_number() const { return type_ == Type::kNumber; }
  bool is_string() const { return type_ == Type::kString; }
  bool is_array() const { return type_ == Type::kArray; }
  bool is_object() const { return type_ == Type::kObject; }

  bool boolean() const { return boolean_; }
  double number() const { return number_; }
  const std::string& string() const { return string_; }
  const std::vector<Json>& items() const { return items_; }
  // The keys of an object: keys()[i] belongs to items()[i].
  const std::vector<std::string>& keys() const { return keys_; }
  // Returns the member of an object, or nullptr.
  const Json* Find(std::string_view key) const;

 private:
  friend class JsonParser;
  Type type_ = Type::kNull;
  bool boolean_ = false;
  double number_ = 0;
  std::string string_;
  std::vector<Json> items_;
  std::vector<std::string> keys_;
};

// Writes JSON text. Commas are inserted automatically; the caller keeps Begin and End balanced.
class JsonWriter {
 public:
  JsonWriter& BeginObject() { return Open('{'); }
  JsonWriter& EndObject() { return Close('}'); }
  JsonWriter& BeginArray() { return Open('['); }
  JsonWriter& EndArray() { return Close(']'); }
  // Writes a member's key; its value must follow.
  JsonWriter& Key(std::string_view key);
  // Replaces bytes that are not UTF-8 by U+FFFD.
  JsonWriter& String(std::string_view value);
  // Writes the shortest digits that read back as the same double. NaN and infinities become null.
  JsonWriter& Number(double value);
  JsonWriter& NumberOrNull(std::optional<double> value) { return value ? Number(*value) : Null(); }
  JsonWriter& Integer(int64_t value);
  JsonWriter& Unsigned(uint64_t value);
  JsonWriter& Bool(bool value);
  JsonWriter& Null();
  // Appends text that is already JSON.
  JsonWriter& Raw(std::string_view json);

  const std::string& text() const { return text_; }
  // Moves the text out of the writer.
  std::string Take() { return std::move(text_); }

 private:
  JsonWriter& Open(char c);
  JsonWriter& Close(char c);
  void Separate();
  std::string text_;
  bool needs_comma_ = false;
};

}  // namespace edgefront

#endif  // EDGEFRONT_AGENT_JSON_H_
