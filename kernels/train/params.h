// The trainer's parameters: one flat, zero-padded fp32 array for all tensors, their places in it, and the
// packed copies that GEMMs read. Blocks that belong together, such as the rows of a head, start on a multiple
// of 16. Every slice is therefore aligned and padded.
#pragma once

#include <cmath>
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

// An array of zeroed floats, aligned to 64 bytes.
struct FreeAligned {
  void operator()(float* p) const;
};
using Floats = std::unique_ptr<float[], FreeAligned>;
Floats AllocateFloats(size_t n);  // null if memory is short

inline constexpr int kDecoder = -2;  // the "layer" of the pooled head's decoder

struct Param {
  std::string name;
  Role role;
  WeightKind kind;
  int layer;  // -1 outside the layers
  int slot;   // number among the mixer's own tensors; of an expert's matrix, the expert
  // Logical [rows, cols], cols contiguous in the file; vectors have one row.
  int rows, cols;
  int first_row;  // in the file's tensor, which holds the matrices of all experts of a layer
  // Logical rows (cols) in a block that starts on a multiple of 16; rows (cols): one block.
  int row_block, col_block;
  int padded_rows, ld;                 // ld = padded columns
  size_t offset;                       // floats from the start of the flat array
  bool by_channel;                     // TensorSpec::by_channel
  bool writes_residual;                // its initial values are smaller in deeper layouts
  size_t pack_forward, pack_backward;  // offsets in floats in the packed array; matrices only

  bool matrix() const { return kind == WeightKind::kMatrix; }  // matrices have weight decay and packed copies
  size_t size() const { return static_cast<size_t>(padded_rows) * ld; }
  // Returns the flat index of a logical element. Conv taps are [d, k] in the file and [k, d padded] here, so
  // that loops run along channels. Other vectors by channel are kept likewise.
  size_t At(int row, int col) const;
  // Convert a value of the file to the value that is trained, and back. They differ for decay rates.
  float Trained(float stored) const { return decays() ? std::log(-stored) : stored; }
  float Stored(float trained) const { return decays() ? -std::exp(trained) : trained; }
  bool decays() const {
    return kind == WeightKind::kDecay || kind == WeightKind::kWideDecay || kind == WeightKind::kCountedRate ||
           kind == WeightKind::kHalfRate;
  }
};

class Params {
 public:
  // Lays out the parameters of `spec`. `pooled` adds the decoder of the pooled head (train/head.cc), which
  // belongs to the trainer and is in no GGUF.
  static Params Of(const ModelSpec& spec, bool pooled = false);

  const std::vector<Param>& all() const { return params_; }
  // Returns a layer's parameter; that of another layer if the layer shares its weights.
  const Param& Get(Role role, int layer = -1, int slot = 0) const;
  size_t size() const { return size_; }           // floats of the flat array, padding included
  size_t packed_size() const { return packed_; }  // floats that exact operands need
  bool pooled() const { return pooled_; }
  uint64_t count() const { return count_; }  // logical parameters

  // Writes seeded values as in kernels/README.md. Matrices that write into the residual stream are divided by
  // sqrt(2 L), and a router's biases are 0.
  void Initialise(uint64_t seed, float* flat) const;
  // Reads the values of a model file, of any supported type, into `flat`. `spec` describes both the file and
  // these parameters.
  Status Load(const ModelSpec& spec, const ModelFile& file, float* flat) const;
  // Writes a whole GGUF with the header of `plan`, in the types that it names: first to `out`.part, which is
  // then renamed.
  Status Export(std::span<const uint8_t> plan, const float* flat, const std::string& out) const;
  // Returns FNV-1a over the logical values in tensor order, as 16 hex digits.
  std::string Hash(const float* flat) const;

 private:
  // Adds matrix `matrix` of a tensor's stack.
  void Add(const TensorSpec& t, int matrix);

  std::vector<Param> params_;
  size_t size_ = 0, packed_ = 0;
  uint64_t count_ = 0;
  std::vector<int> owners_;  // for each layer, the layer that has its parameters
  size_t blocks_ = 0;        // layers of the file
  bool pooled_ = false;
};

}  // namespace edgefront::train
