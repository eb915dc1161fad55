// Names files that this engine cannot run and tells the user what to do. Covers other formats, ggml tensor
// types, parts of a split model, adapters and unknown architectures. The reader (gguf.cc) decides what is
// valid.
#ifndef EDGEFRONT_INFER_FOREIGN_FILE_H_
#define EDGEFRONT_INFER_FOREIGN_FILE_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "include/edgefront/gguf.h"
#include "include/edgefront/status.h"

namespace edgefront {

// A tensor type of ggml: `elements` values in `bytes` bytes. `bytes` is 0 if the block size is not known
// here.
struct GgmlType {
  const char* name;
  uint32_t elements, bytes;
};

// Returns the type with this number, or null for types that ggml defined after this was written.
const GgmlType* FindGgmlType(uint32_t id);

// Returns "is Q4_K, which edgefront does not read (...)": the end of a sentence about a tensor whose type is
// not a DType.
std::string UnreadType(uint32_t id);

// Returns at most 64 characters of a name from a file, with '?' for those outside printable ASCII.
std::string Printable(std::string_view s);

// Refuses bytes that are not the beginning of a little-endian GGUF of version 3. The version check needs at
// least 8 bytes.
Status CheckGgufStart(std::span<const uint8_t> bytes);

// Refuses a part of a split model, an adapter, and an unknown architecture.
Status CheckModelKind(const GgufFile& gguf);

// Refuses RoPE scaling, because angles would silently differ from those in training. `arch` is the prefix of
// the keys.
Status CheckRopeScaling(const GgufFile& gguf, const std::string& arch);

// Refuses the factors of Granite models other than 1, and attention without positions: both would change every
// logit. Other architectures have neither.
Status CheckFactors(const GgufFile& gguf, const std::string& arch);

}  // namespace edgefront

#endif  // EDGEFRONT_INFER_FOREIGN_FILE_H_
