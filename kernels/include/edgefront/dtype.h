// Tensor element types, numbered as in GGUF, and the size of their blocks. Conversions are in quant/.
#ifndef EDGEFRONT_DTYPE_H_
#define EDGEFRONT_DTYPE_H_

#include <cstddef>
#include <cstdint>

namespace edgefront {

enum class DType : uint32_t { kF32 = 0, kF16 = 1, kQ4_0 = 2, kQ8_0 = 8, kQ6_K = 14, kBF16 = 30 };

// The stored form of a type: `elements` consecutive values of a row occupy `bytes` bytes.
struct BlockShape {
  uint32_t elements;
  uint32_t bytes;
};

// Returns whether `id`, a type number of GGUF, is a DType.
inline constexpr bool IsKnownDType(uint32_t id) { return id == 0 || id == 1 || id == 2 || id == 8 || id == 14 || id == 30; }

// Returns the block of a type: 1 element for floats, 32 or 256 for quantised types.
inline constexpr BlockShape BlockOf(DType type) {
  switch (type) {
    case DType::kF32: return {1, 4};
    case DType::kF16: return {1, 2};
    case DType::kBF16: return {1, 2};
    case DType::kQ4_0: return {32, 18};
    case DType::kQ8_0: return {32, 34};
    case DType::kQ6_K: return {256, 210};
  }
  return {1, 4};
}

// Returns the name of a type as in ggml: "F32", "Q4_0", ...
inline constexpr const char* DTypeName(DType type) {
  switch (type) {
    case DType::kF32: return "F32";
    case DType::kF16: return "F16";
    case DType::kBF16: return "BF16";
    case DType::kQ4_0: return "Q4_0";
    case DType::kQ8_0: return "Q8_0";
    case DType::kQ6_K: return "Q6_K";
  }
  return "?";
}

// Returns the bytes of a row of `n` elements. `n` must be a multiple of the block's elements.
inline constexpr size_t RowBytes(DType type, size_t n) { return n / BlockOf(type).elements * BlockOf(type).bytes; }

// Returns whether products with this type are computed in int8.
inline constexpr bool IsQuantised(DType type) { return type == DType::kQ4_0 || type == DType::kQ8_0 || type == DType::kQ6_K; }

}  // namespace edgefront

#endif  // EDGEFRONT_DTYPE_H_
