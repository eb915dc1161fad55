// Fuzzes the agent's JSON reader. Text that it accepts and writes again must read back as the same text.
#include "agent/json.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "fuzz/file.h"

namespace {

void Write(const edgefront::Json& value, edgefront::JsonWriter* out) {
  using Type = edgefront::Json::Type;
  switch (value.type()) {
    case Type::kNull: out->Null(); break;
    case Type::kBool: out->Bool(value.boolean()); break;
    case Type::kNumber: out->Number(value.number()); break;
    case Type::kString: out->String(value.string()); break;
    case Type::kArray:
      out->BeginArray();
      for (const auto& item : value.items()) Write(item, out);
      out->EndArray();
      break;
    case Type::kObject:
      out->BeginObject();
      edgefront::fuzz::Require(value.keys().size() == value.items().size());
      for (size_t i = 0; i < value.items().size(); ++i) {
        out->Key(value.keys()[i]);
        Write(value.items()[i], out);
      }
      out->EndObject();
      break;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace edgefront;
  Json value;
  std::string error;
  if (!Json::Parse({reinterpret_cast<const char*>(data), size}, &value, &error)) {
    fuzz::Require(!error.empty());
    return 0;
  }
  JsonWriter first;
  Write(value, &first);
  Json again;
  fuzz::Require(Json::Parse(first.text(), &again, &error));
  JsonWriter second;
  Write(again, &second);
  fuzz::Require(first.text() == second.text());
  return 0;
}
