// GGUF v3: a reader that trusts nothing in its input, and a writer for headers. The reader keeps views into
// its input bytes, so those must outlive the reader. The meaning of the metadata is left to infer/model_spec.
#ifndef EDGEFRONT_GGUF_H_
#define EDGEFRONT_GGUF_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "include/edgefront/dtype.h"
#include "include/edgefront/status.h"

namespace edgefront {

// Types of metadata values, numbered as in GGUF.
enum class GgufType : uint32_t {
  // clang-format off
  kU8 = 0, kI8 = 1, kU16 = 2, kI16 = 3, kU32 = 4, kI32 = 5, kF32 = 6, kBool = 7,
  kString = 8, kArray = 9, kU64 = 10, kI64 = 11, kF64 = 12,
  // clang-format on
};

// One metadata value. A scalar is an array of one element. `data` starts at the first element and is already
// bounds-checked.
struct GgufValue {
  GgufType type;  // element type; never kArray
  bool is_array;
  uint64_t count;
  std::span<const uint8_t> data;

  // Returns the i-th element as an integer (bools as 0 or 1). Returns nothing for other types and for values
  // outside int64.
  std::optional<int64_t> Int(uint64_t i) const;
  std::optional<double> Float(uint64_t i) const;  // the i-th element; F32 or F64 only
  // Returns all strings of the array, at most `max_count`.
  std::optional<std::vector<std::string_view>> Strings(uint64_t max_count) const;
};

// One entry of the tensor table.
struct GgufTensor {
  std::string_view name;
  uint32_t n_dims;
  uint64_t dims[4];  // dims[0] (ne[0] in ggml) is contiguous; unused dims are 1
  DType type = DType::kF32;
  uint64_t offset;  // from the start of the data section
  uint64_t bytes;

  uint64_t elements() const { return dims[0] * dims[1] * dims[2] * dims[3]; }
  uint64_t rows() const { return dims[1] * dims[2] * dims[3]; }
};

// A parsed header. Look-ups are binary searches.
class GgufFile {
 public:
  // Parses a whole file, or only its header (a plan). With `file_bytes`, `bytes` may also be the beginning of
  // a file of that size if it contains the header. The data then need not be in memory. Errors: kBadModel or
  // kUnsupported.
  static Result<GgufFile> Parse(std::span<const uint8_t> bytes, std::optional<uint64_t> file_bytes = {});

  // Both return nullptr if the name is absent.
  const GgufValue* Find(std::string_view key) const;
  const GgufTensor* FindTensor(std::string_view name) const;
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  // Returns a message about the first tensor whose type is not a DType, or an empty string. The `type` of
  // such a tensor is meaningless, so ModelSpec::FromGguf refuses the file.
  const std::string& unread() const { return unread_; }

  bool has_data() const { return has_data_; }
  uint64_t header_bytes() const { return header_bytes_; }  // end of the tensor table
  uint64_t data_offset() const { return data_offset_; }    // start of the data section
  uint64_t data_bytes() const { return data_bytes_; }      // from data_offset() to the end of the last tensor
  std::span<const uint8_t> bytes() const { return bytes_; }

 private:
  struct Entry {
    std::string_view key;
    GgufValue value;
  };
  std::span<const uint8_t> bytes_;
  std::vector<Entry> entries_;       // sorted by key
  std::vector<GgufTensor> tensors_;  // in file order
  std::vector<uint32_t> by_name_;    // indices into tensors_, sorted by name
  std::string unread_;
  uint64_t header_bytes_ = 0, data_offset_ = 0, data_bytes_ = 0;
  bool has_data_ = false;
};

// Builds a plan: header, metadata and tensor table. Offsets are assigned in order of AddTensor, at
// `general.alignment` 32.
class GgufWriter {
 public:
  void AddString(std::string_view key, std::string_view value);
  void AddU32(std::string_view key, uint32_t value);
  void AddBool(std::string_view key, bool value);
  void AddU64(std::string_view key, uint64_t value);
  void AddF32(std::string_view key, float value);
  void AddI32Array(std::string_view key, const std::vector<int32_t>& values);
  void AddF32Array(std::string_view key, const std::vector<float>& values);
  void AddBoolArray(std::string_view key, const std::vector<bool>& values);
  void AddStringArray(std::string_view key, const std::vector<std::string>& values);
  void AddTensor(std::string_view name, const std::vector<uint64_t>& dims, DType type);
  // Returns the bytes of the plan.
  std::vector<uint8_t> Finish() const;

 private:
  std::vector<uint8_t> kv_, table_;
  uint64_t n_kv_ = 0, n_tensors_ = 0, offset_ = 0;
};

}  // namespace edgefront

#endif  // EDGEFRONT_GGUF_H_
