// Reads a layout's numbers from GGUF metadata and checks their bounds. Every quantity may be a scalar, or an
// array with one value for each layer.
#ifndef EDGEFRONT_INFER_META_READER_H_
#define EDGEFRONT_INFER_META_READER_H_

#include <cstdint>
#include <optional>
#include <string>

#include "include/edgefront/gguf.h"
#include "include/edgefront/status.h"

namespace edgefront {

// A reader of the keys "ARCH.KEY" of one file. Errors name the key.
class MetaReader {
 public:
  MetaReader(const GgufFile& gguf, std::string arch) : gguf_(gguf), arch_(std::move(arch)) {}

  // Reads layer `i`'s value of arch.key into `out`, or `fallback` if the key is absent. An absent key without
  // a fallback is kBadModel.
  Status Int(const char* key, uint64_t i, int64_t lo, int64_t hi, std::optional<int64_t> fallback, uint32_t* out) const {
    const GgufValue* v = gguf_.Find(arch_ + "." + key);
    std::optional<int64_t> x = v ? v->Int(v->is_array ? i : 0) : fallback;
    if (!x) return BadModel(arch_ + "." + key + (v ? " is not an integer (array) of the right length" : " is missing"));
    if (*x < lo || *x > hi) {
      return BadModel(arch_ + "." + key + " is " + std::to_string(*x) + ", outside " + std::to_string(lo) + ".." + std::to_string(hi));
    }
    *out = static_cast<uint32_t>(*x);
    return Status::Ok();
  }

  // Reads the earlier layer with which layer `i` shares something. Empty: the key is absent, or names layer
  // `i`.
  Status Source(const char* key, uint64_t i, std::optional<uint32_t>* out) const {
    uint32_t source;
    EDGEFRONT_RETURN_IF_ERROR(Int(key, i, 0, static_cast<int64_t>(i), static_cast<int64_t>(i), &source));
    *out = source < i ? std::optional(source) : std::nullopt;
    return Status::Ok();
  }

  // Reads layer `i`'s value of arch.key into `out`. An absent key is kBadModel.
  Status Float(const char* key, uint64_t i, double lo, double hi, float* out) const {
    const GgufValue* v = gguf_.Find(arch_ + "." + key);
    const std::optional<double> x = v ? v->Float(v->is_array ? i : 0) : std::nullopt;
    if (!x) return BadModel(arch_ + "." + key + (v ? " is not a float (array) of the right length" : " is missing"));
    if (!(*x >= lo && *x <= hi)) return BadModel(arch_ + "." + key + " is out of range");
    *out = static_cast<float>(*x);
    return Status::Ok();
  }

  // Returns true if the file has a tensor of this name.
  bool Has(const std::string& tensor) const { return gguf_.FindTensor(tensor) != nullptr; }

  // Returns layer `i`'s value of arch.key, or nothing if it is absent.
  std::optional<bool> Bool(const char* key, uint64_t i) const {
    const GgufValue* v = gguf_.Find(arch_ + "." + key);
    const std::optional<int64_t> x = v ? v->Int(v->is_array ? i : 0) : std::nullopt;
    return x ? std::optional(*x != 0) : std::nullopt;
  }

 private:
  const GgufFile& gguf_;
  std::string arch_;
};

}  // namespace edgefront

#endif  // EDGEFRONT_INFER_META_READER_H_
