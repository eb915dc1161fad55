// Weights in memory: every matrix packed in panels (quant/panel.h), every vector as F32, in one arena. They
// are generated or read a few panels at a time, so that only one copy exists.
#ifndef EDGEFRONT_INFER_WEIGHTS_H_
#define EDGEFRONT_INFER_WEIGHTS_H_

#include <array>
#include <span>
#include <vector>

#include "include/edgefront/gguf.h"
#include "include/edgefront/thread_pool.h"
#include "infer/arena.h"
#include "infer/model_file.h"
#include "infer/model_spec.h"

namespace edgefront {

// A packed matrix: panels of 16 rows with k columns each (quant/panel.h).
struct Matrix {
  DType type = DType::kF32;
  size_t k = 0, rows = 0;
  const uint8_t* data = nullptr;

  size_t panels() const { return PanelCount(rows); }
  size_t panel_bytes() const { return PanelBytes(type, k); }
  const uint8_t* panel(size_t i) const { return data + i * panel_bytes(); }
  // Returns matrix `i` of a stack whose first is this one.
  Matrix InStack(size_t i) const { return {type, k, rows, panel(i * panels())}; }
};

inline constexpr size_t kMixerSlots = 12;  // most tensors of a mixer, without its output matrix

// The weights of one layer; pointers to those of another layer if the layer shares its weights.
struct LayerWeights {
  const float *mixer_norm = nullptr, *ffn_norm = nullptr;
  const float *mixer_post_norm = nullptr, *ffn_post_norm = nullptr;  // null: no norm
  // The mixer's own tensors, indexed by TensorSpec::slot: matrices, and vectors (convolution taps as [k][d];
  // some mixers prepare them, MixerKind::prepare).
  std::array<Matrix, kMixerSlots> matrices;
  std::array<float*, kMixerSlots> vectors = {};
  Matrix mixer_out, gate, up, down;  // of experts the first, see Matrix::InStack
  Matrix router;                     // rows: experts
  const float* router_bias = nullptr;
};

// All weights of a model. Pointers lead into `arena`.
struct Weights {
  Matrix embedding, output;  // equal if tied
  const float* final_norm = nullptr;
  std::vector<LayerWeights> layers;
  Arena arena;
};

// Returns the types of ExpectedTensors(spec), in that order. Refuses types that a tensor cannot have.
Result<std::vector<DType>> TensorTypes(const ModelSpec& spec, const GgufFile& gguf);
// Returns the bytes of all packed weights.
uint64_t WeightBytes(const ModelSpec& spec, const std::vector<DType>& types);

// The source of a file's data: memory, or a descriptor for pread.
struct DataSource {
  const uint8_t* bytes = nullptr;  // start of the data section
  int fd = -1;
  uint64_t fd_offset = 0;  // offset of the data section
};

// Returns the data of an open file, which may be a plan without data.
inline DataSource SourceOf(const ModelFile& file) { return {nullptr, file.fd(), file.gguf().data_offset()}; }

// Reads `n` rows of the tensor, from row `first`, into `rows` in GGUF layout. Rows are generated from the
// seed if gguf has no data. `floats` is scratch for one row: [ne0].
Status ReadRows(const ModelSpec& spec, const GgufFile& gguf, const TensorSpec& tensor, const DataSource& source, uint64_t first, uint64_t n,
                uint8_t* rows, float* floats);

// Loads and packs all weights on the pool's workers. Errors: kBadModel, kIo, kOutOfMemory.
Result<Weights> LoadWeights(const ModelSpec& spec, const GgufFile& gguf, const DataSource& source, ThreadPool& pool);

}  // namespace edgefront

#endif  // EDGEFRONT_INFER_WEIGHTS_H_
