// Names what a file is that this engine cannot run, and says what to do about it: other formats by their first bytes, every
// tensor type of ggml, parts of a split model, adapters and unknown architectures. The reader (gguf.cc) decides what is valid.
#ifndef EDGEFRONT_INFER_FOREIGN_FILE_H_
#define EDGEFRONT_INFER_FOREIGN_FILE_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "include/edgefront/gguf.h"
#include "include/edgefront/status.h"

namespace edgefront {

// A tensor type of ggml. `bytes` is 0 where the size of a block is not known here.
struct GgmlType {
  const char* name;
  uint32_t elements, bytes;
};

// The type with this number, or null for one that ggml had not defined when this was written.
const GgmlType* FindGgmlType(uint32_t id);

// "is Q4_K, which edgefront does not read (...)": the end of a sentence about a tensor whose type is not a DType.
std::string UnreadType(uint32_t id);

// Names from a file may hold anything: at most 64 characters, those outside printable ASCII as '?'.
std::string Printable(std::string_view s);

// Refuses bytes that do not begin a little-endian GGUF of version 3. Needs at least the first 8 bytes for the version.
Status CheckGgufStart(std::span<const uint8_t> bytes);

// Refuses a part of a split model, an adapter, and an architecture that is none of those run here.
Status CheckModelKind(const GgufFile& gguf);

// Refuses RoPE scaling: angles would silently differ from those the model was trained with. `arch`: prefix of the keys.
Status CheckRopeScaling(const GgufFile& gguf, const std::string& arch);

}  // namespace edgefront

#endif  // EDGEFRONT_INFER_FOREIGN_FILE_H_
