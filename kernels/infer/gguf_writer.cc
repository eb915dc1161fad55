// Writes GGUF v3 headers (plans) for tests and tools. infer/materialize.cc appends the data.
#include <cstring>

#include "include/edgefront/gguf.h"

namespace edgefront {
namespace {

template <class T>
void Put(std::vector<uint8_t>& out, T value) {
  const size_t at = out.size();
  out.resize(at + sizeof(T));
  std::memcpy(out.data() + at, &value, sizeof(T));
}

void PutString(std::vector<uint8_t>& out, std::string_view s) {
  Put<uint64_t>(out, s.size());
  out.insert(out.end(), s.begin(), s.end());
}

void PutKey(std::vector<uint8_t>& out, std::string_view key, GgufType type) {
  PutString(out, key);
  Put(out, static_cast<uint32_t>(type));
}

void PutArrayKey(std::vector<uint8_t>& out, std::string_view key, GgufType element, size_t count) {
  PutKey(out, key, GgufType::kArray);
  Put(out, static_cast<uint32_t>(element));
  Put<uint64_t>(out, count);
}

}  // namespace

void GgufWriter::AddString(std::string_view key, std::string_view value) {
  PutKey(kv_, key, GgufType::kString);
  PutString(kv_, value);
  ++n_kv_;
}

void GgufWriter::AddU32(std::string_view key, uint32_t value) {
  PutKey(kv_, key, GgufType::kU32);
  Put(kv_, value);
  ++n_kv_;
}

void GgufWriter::AddBool(std::string_view key, bool value) {
  PutKey(kv_, key, GgufType::kBool);
  Put<uint8_t>(kv_, value);
  ++n_kv_;
}

void GgufWriter::AddU64(std::string_view key, uint64_t value) {
  PutKey(kv_, key, GgufType::kU64);
  Put(kv_, value);
  ++n_kv_;
}

void GgufWriter::AddF32(std::string_view key, float value) {
  PutKey(kv_, key, GgufType::kF32);
  Put(kv_, value);
  ++n_kv_;
}

void GgufWriter::AddI32Array(std::string_view key, const std::vector<int32_t>& values) {
  PutArrayKey(kv_, key, GgufType::kI32, values.size());
  for (int32_t v : values) Put(kv_, v);
  ++n_kv_;
}

void GgufWriter::AddF32Array(std::string_view key, const std::vector<float>& values) {
  PutArrayKey(kv_, key, GgufType::kF32, values.size());
  for (float v : values) Put(kv_, v);
  ++n_kv_;
}

void GgufWriter::AddBoolArray(std::string_view key, const std::vector<bool>& values) {
  PutArrayKey(kv_, key, GgufType::kBool, values.size());
  for (bool v : values) Put<uint8_t>(kv_, v);
  ++n_kv_;
}

void GgufWriter::AddStringArray(std::string_view key, const std::vector<std::string>& values) {
  PutArrayKey(kv_, key, GgufType::kString, values.size());
  for (const std::string& v : values) PutString(kv_, v);
  ++n_kv_;
}

void GgufWriter::AddTensor(std::string_view name, const std::vector<uint64_t>& dims, DType type) {
  PutString(table_, name);
  Put<uint32_t>(table_, dims.size());
  uint64_t rows = 1;
  for (size_t i = 0; i < dims.size(); ++i) {
    Put(table_, dims[i]);
    if (i > 0) rows *= dims[i];
  }
  Put(table_, static_cast<uint32_t>(type));
  Put(table_, offset_);
  offset_ = (offset_ + rows * RowBytes(type, dims[0]) + 31) / 32 * 32;
  ++n_tensors_;
}

std::vector<uint8_t> GgufWriter::Finish() const {
  std::vector<uint8_t> out;
  Put<uint32_t>(out, 0x46554747u);
  Put<uint32_t>(out, 3);
  Put(out, n_tensors_);
  Put(out, n_kv_);
  out.insert(out.end(), kv_.begin(), kv_.end());
  out.insert(out.end(), table_.begin(), table_.end());
  return out;
}

}  // namespace edgefront
