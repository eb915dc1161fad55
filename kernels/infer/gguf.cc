// Parses GGUF v3. Every length is checked against the remaining bytes before anything is allocated from it.
#include "include/edgefront/gguf.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "infer/foreign_file.h"

namespace edgefront {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF is read in place: little endian only");

constexpr uint64_t kMaxEntries = 65536;
constexpr uint64_t kMaxTensors = 65536;
constexpr uint64_t kMaxKey = 65535;  // the format's limit
constexpr uint64_t kMaxTensorName = 256;
constexpr uint64_t kMaxString = 64u << 20;  // a whole tokenizer.json fits (tokenizer.huggingface.json)
constexpr uint64_t kMaxTensorBytes = 1ull << 40;

// Returns the size of a fixed-size element, or 0 for strings, arrays and unknown types.
uint64_t ElementBytes(uint32_t type) {
  switch (static_cast<GgufType>(type)) {
    case GgufType::kU8:
    case GgufType::kI8:
    case GgufType::kBool: return 1;
    case GgufType::kU16:
    case GgufType::kI16: return 2;
    case GgufType::kU32:
    case GgufType::kI32:
    case GgufType::kF32: return 4;
    case GgufType::kU64:
    case GgufType::kI64:
    case GgufType::kF64: return 8;
    default: return 0;
  }
}

class Cursor {
 public:
  explicit Cursor(std::span<const uint8_t> bytes) : bytes_(bytes) {}
  uint64_t at() const { return at_; }
  uint64_t left() const { return bytes_.size() - at_; }

  template <class T>
  bool Read(T* out) {
    if (left() < sizeof(T)) return false;
    std::memcpy(out, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return true;
  }
  bool Skip(uint64_t n, std::span<const uint8_t>* out) {
    if (left() < n) return false;
    *out = bytes_.subspan(at_, n);
    at_ += n;
    return true;
  }
  bool String(uint64_t max, std::string_view* out) {
    uint64_t n;
    std::span<const uint8_t> s;
    if (!Read(&n) || n > max || !Skip(n, &s)) return false;
    *out = {reinterpret_cast<const char*>(s.data()), s.size()};
    return true;
  }

 private:
  std::span<const uint8_t> bytes_;
  uint64_t at_ = 0;
};

Status Truncated(const char* where) { return BadModel(std::string("GGUF: truncated or malformed ") + where); }

Status ReadValue(Cursor& in, std::string_view key, GgufValue* value) {
  uint32_t type;
  if (!in.Read(&type)) return Truncated("metadata");
  value->is_array = type == static_cast<uint32_t>(GgufType::kArray);
  value->count = 1;
  if (value->is_array && (!in.Read(&type) || !in.Read(&value->count))) return Truncated("metadata array");
  value->type = static_cast<GgufType>(type);
  if (value->type == GgufType::kString) {
    if (value->count > in.left() / 8) return Truncated("string array");
    const uint64_t start = in.at();
    Cursor walk = in;
    std::string_view s;
    for (uint64_t i = 0; i < value->count; ++i) {
      uint64_t length;
      if (Cursor ahead = walk; ahead.Read(&length) && length > kMaxString && length <= kMaxTensorBytes) {
        return Unsupported("GGUF: key '" + Printable(key) + "' holds a string of " + std::to_string(length) +
                           " bytes, edgefront reads up to " + std::to_string(kMaxString) +
                           " (64 MiB); remove the key (pip install gguf): gguf-new-metadata FILE OUT.gguf --remove-metadata " +
                           Printable(key));
      }
      if (!walk.String(kMaxString, &s)) return Truncated("string");
    }
    return in.Skip(walk.at() - start, &value->data) ? Status::Ok() : Truncated("string");
  }
  const uint64_t size = ElementBytes(type);
  if (size == 0) return BadModel("GGUF: key '" + Printable(key) + "' has unknown type " + std::to_string(type));
  if (value->count > in.left() / size || !in.Skip(value->count * size, &value->data)) return Truncated("metadata value");
  return Status::Ok();
}

// Reads one tensor info. A type that is not a DType is noted in `unread` if its size is known, so that other
// errors of the file are reported first.
Status ReadTensor(Cursor& in, uint64_t alignment, GgufTensor* t, std::string* unread) {
  uint32_t type;
  if (!in.String(kMaxTensorName, &t->name) || !in.Read(&t->n_dims)) return Truncated("tensor table");
  const std::string name = "GGUF: tensor '" + Printable(t->name) + "' ";
  if (t->n_dims < 1 || t->n_dims > 4) return BadModel(name + "has " + std::to_string(t->n_dims) + " dimensions");
  std::fill(t->dims, t->dims + 4, 1);
  uint64_t elements = 1;
  for (uint32_t i = 0; i < t->n_dims; ++i) {
    if (!in.Read(&t->dims[i])) return Truncated("tensor table");
    if (t->dims[i] == 0 || t->dims[i] > kMaxTensorBytes || __builtin_mul_overflow(elements, t->dims[i], &elements) ||
        elements > kMaxTensorBytes) {
      return BadModel(name + "has an impossible shape");
    }
  }
  if (!in.Read(&type) || !in.Read(&t->offset)) return Truncated("tensor table");
  BlockShape block;
  if (IsKnownDType(type)) {
    t->type = static_cast<DType>(type);
    block = BlockOf(t->type);
    if (t->dims[0] % block.elements != 0) return BadModel(name + "has rows that are no multiple of its block");
  } else {
    const GgmlType* other = FindGgmlType(type);
    if (other == nullptr || other->bytes == 0 || t->dims[0] % other->elements != 0) return Unsupported(name + UnreadType(type));
    if (unread->empty()) *unread = name + UnreadType(type);
    block = {other->elements, other->bytes};
  }
  t->bytes = elements / block.elements * block.bytes;  // < 2^42
  if (t->offset % alignment != 0 || t->offset > kMaxTensorBytes) return BadModel(name + "has a bad offset");
  return Status::Ok();
}

}  // namespace

std::optional<int64_t> GgufValue::Int(uint64_t i) const {
  if (i >= count || ElementBytes(static_cast<uint32_t>(type)) == 0) return {};
  const auto read = [&]<class T>(T x) {
    std::memcpy(&x, data.data() + i * sizeof(T), sizeof(T));
    return x;
  };
  switch (type) {
    case GgufType::kU8: return read(uint8_t{});
    case GgufType::kI8: return read(int8_t{});
    case GgufType::kU16: return read(uint16_t{});
    case GgufType::kI16: return read(int16_t{});
    case GgufType::kU32: return read(uint32_t{});
    case GgufType::kI32: return read(int32_t{});
    case GgufType::kI64: return read(int64_t{});
    case GgufType::kBool: return read(uint8_t{}) != 0;
    case GgufType::kU64: return static_cast<int64_t>(read(uint64_t{}));  // seeds use all 64 bits
    default: return {};
  }
}

std::optional<double> GgufValue::Float(uint64_t i) const {
  if (i >= count) return {};
  if (type == GgufType::kF32) {
    float x;
    std::memcpy(&x, data.data() + 4 * i, 4);
    return x;
  }
  if (type == GgufType::kF64) {
    double x;
    std::memcpy(&x, data.data() + 8 * i, 8);
    return x;
  }
  return {};
}

std::optional<std::vector<std::string_view>> GgufValue::Strings(uint64_t max_count) const {
  if (type != GgufType::kString || count > max_count) return {};
  std::vector<std::string_view> out(count);
  Cursor in(data);
  for (std::string_view& s : out) {
    if (!in.String(kMaxString, &s)) return {};
  }
  return out;
}

Result<GgufFile> GgufFile::Parse(std::span<const uint8_t> bytes, std::optional<uint64_t> file_bytes) {
  GgufFile file;
  file.bytes_ = bytes;
  const uint64_t total = file_bytes.value_or(bytes.size());
  EDGEFRONT_RETURN_IF_ERROR(CheckGgufStart(bytes));
  Cursor in(bytes);
  uint64_t start, n_tensors, n_kv;  // magic and version, checked above
  if (!in.Read(&start)) return Truncated("header");
  if (!in.Read(&n_tensors) || !in.Read(&n_kv)) return Truncated("header");
  // An entry has at least 13 bytes and a tensor 32, so the remaining bytes limit both counts.
  if (n_kv > kMaxEntries || n_kv > in.left() / 13) return Truncated("header: too many metadata entries");
  if (n_tensors > kMaxTensors || n_tensors > in.left() / 32) return Truncated("header: too many tensors");

  file.entries_.resize(n_kv);
  for (Entry& e : file.entries_) {
    if (!in.String(kMaxKey, &e.key)) return Truncated("metadata key");
    EDGEFRONT_RETURN_IF_ERROR(ReadValue(in, e.key, &e.value));
  }
  std::sort(file.entries_.begin(), file.entries_.end(), [](const Entry& a, const Entry& b) { return a.key < b.key; });
  for (size_t i = 1; i < file.entries_.size(); ++i) {
    if (file.entries_[i].key == file.entries_[i - 1].key) {
      return BadModel("GGUF: key '" + Printable(file.entries_[i].key) + "' appears twice");
    }
  }

  uint64_t alignment = 32;
  if (const GgufValue* v = file.Find("general.alignment")) {
    const auto a = v->is_array ? std::nullopt : v->Int(0);
    if (!a || *a < 1 || *a > 65536 || (*a & (*a - 1)) != 0) return BadModel("GGUF: general.alignment must be a power of two");
    alignment = static_cast<uint64_t>(*a);
  }
  file.tensors_.resize(n_tensors);
  for (GgufTensor& t : file.tensors_) EDGEFRONT_RETURN_IF_ERROR(ReadTensor(in, alignment, &t, &file.unread_));

  file.by_name_.resize(n_tensors);
  for (uint32_t i = 0; i < n_tensors; ++i) file.by_name_[i] = i;
  const auto& tensors = file.tensors_;
  std::vector<uint32_t> by_offset = file.by_name_;
  std::sort(file.by_name_.begin(), file.by_name_.end(), [&](uint32_t a, uint32_t b) { return tensors[a].name < tensors[b].name; });
  for (size_t i = 1; i < n_tensors; ++i) {
    const std::string_view name = tensors[file.by_name_[i]].name;
    if (name == tensors[file.by_name_[i - 1]].name) return BadModel("GGUF: tensor '" + Printable(name) + "' appears twice");
  }
  std::sort(by_offset.begin(), by_offset.end(), [&](uint32_t a, uint32_t b) { return tensors[a].offset < tensors[b].offset; });
  for (uint32_t i : by_offset) {
    if (tensors[i].offset < file.data_bytes_) return BadModel("GGUF: tensor '" + Printable(tensors[i].name) + "' overlaps another");
    file.data_bytes_ = tensors[i].offset + tensors[i].bytes;  // < 2^43
    if (file.data_bytes_ > kMaxTensorBytes) return BadModel("GGUF: more than 1 TiB of tensors");
  }

  file.header_bytes_ = in.at();
  file.data_offset_ = (in.at() + alignment - 1) / alignment * alignment;
  file.has_data_ = total > file.data_offset_;
  if (file.has_data_ && total - file.data_offset_ < file.data_bytes_) {
    return BadModel("GGUF: data section is truncated: " + std::to_string(total - file.data_offset_) + " of " +
                    std::to_string(file.data_bytes_) +
                    " bytes; fetch the file again, or join its parts where it was cut into several (cat)");
  }
  return file;
}

const GgufValue* GgufFile::Find(std::string_view key) const {
  const auto it = std::lower_bound(entries_.begin(), entries_.end(), key, [](const Entry& e, std::string_view k) { return e.key < k; });
  return it != entries_.end() && it->key == key ? &it->value : nullptr;
}

const GgufTensor* GgufFile::FindTensor(std::string_view name) const {
  const auto it =
      std::lower_bound(by_name_.begin(), by_name_.end(), name, [&](uint32_t i, std::string_view k) { return tensors_[i].name < k; });
  return it != by_name_.end() && tensors_[*it].name == name ? &tensors_[*it] : nullptr;
}

}  // namespace edgefront
