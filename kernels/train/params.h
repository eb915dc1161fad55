// The trainer's parameters: one flat, zero-padded fp32 array for all tensors, their place in it, and the packed copies the GEMMs read.
// Blocks of a matrix that belong together, as the rows of a head, each start on a multiple of 16, so that every slice is aligned and padded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "infer/model_file.h"
#include "infer/model_spec.h"
#include "train/math.h"

namespace edgefront::train {

// 64-byte aligned floats, zeroed.
struct FreeAligned {
  void operator()(float* p) const;
};
using Floats = std::unique_ptr<float[], FreeAligned>;
Floats AllocateFloats(size_t n);  // null when memory is short

inline constexpr int kDecoder = -2;  // the "layer" of the pooled head's decoder

struct Param {
  std::string name;
  Role role;
  WeightKind kind;
  int layer;                           // -1 outside the layers
  int slot;                            // among the mixer's own tensors
  int rows, cols;                      // logical: [rows, cols], cols contiguous in the file; vectors have one row
  int row_block, col_block;            // logical rows (cols) that start on a multiple of 16; equal to rows (cols) where there is one block
  int padded_rows, ld;                 // ld = padded columns
  size_t offset;                       // floats from the start of the flat array
  bool writes_residual;                // starts smaller, the deeper the layout
  size_t pack_forward, pack_backward;  // floats from the start of the packed array; for matrices

  bool matrix() const { return kind == WeightKind::kMatrix; }  // decays, and has packed copies
  size_t size() const { return static_cast<size_t>(padded_rows) * ld; }
  // Flat index of a logical element. Conv taps are [d, k] in the file and [k, d padded] here, to be read along the channels.
  size_t At(int row, int col) const;
};

class Params {
 public:
  // `pooled`: with the decoder of the pooled head (train/head.cc), which is the trainer's own and in no GGUF.
  static Params Of(const ModelSpec& spec, bool pooled = false);

  const std::vector<Param>& all() const { return params_; }
  const Param& Get(Role role, int layer = -1, int slot = 0) const;
  size_t size() const { return size_; }           // floats of the flat array, padding included
  size_t packed_size() const { return packed_; }  // floats, of exact operands
  bool pooled() const { return pooled_; }
  uint64_t count() const { return count_; }  // logical parameters

  // Seeded values as in kernels/README.md; matrices that write into the residual stream are divided by sqrt(2 L).
  void Initialise(uint64_t seed, float* flat) const;
  // The values of a model file, of any type it may have them in. `spec` is the file's and these params'.
  Status Load(const ModelSpec& spec, const ModelFile& file, float* flat) const;
  // Writes them as a whole GGUF with the header of `plan`, in the types it names; to `out`.part first, then renamed.
  Status Export(std::span<const uint8_t> plan, const float* flat, const std::string& out) const;
  // FNV-1a over the logical values in tensor order, as 16 hex digits.
  std::string Hash(const float* flat) const;

 private:
  std::vector<Param> params_;
  size_t size_ = 0, packed_ = 0;
  uint64_t count_ = 0;
  int layers_ = 0;
  bool pooled_ = false;
};

}  // namespace edgefront::train
