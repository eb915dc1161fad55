// The static plan of a session: size and place of every buffer, derived from the layout, the tensor types and
// the options. Session allocates these buffers once and nothing later.
#ifndef EDGEFRONT_INFER_PROGRAM_H_
#define EDGEFRONT_INFER_PROGRAM_H_

#include <cstdint>
#include <vector>

#include "infer/arena.h"
#include "infer/reading.h"
#include "infer/session.h"
#include "infer/weights.h"

namespace edgefront {

inline constexpr size_t kTileTokens = 48;  // tokens that a matrix tile covers
inline constexpr size_t kTilePanels = 2;   // panels of one matrix that it covers

// An int8 view of up to `rows` tokens of `k` values (targets/kernels.h: Activations), as offsets. k == 0: no
// view.
struct QuantBuffer {
  size_t k = 0;
  size_t q = 0, scale = 0, sum8 = 0, sum16 = 0;
};

// The places of keys, values and partial results of an attention layer.
struct AttentionPlan {
  size_t ring = 0, hd = 0, head_bytes = 0;          // slots; padded head size; bytes of one KV head
  size_t v_at = 0, k_scale_at = 0, v_scale_at = 0;  // inside a KV head; K starts at 0
  int rope = 0;                                     // index of the cos/sin table
  size_t gates_at = 0;                              // in a token's row of `proj`
  // The most segments of kAttendSegment positions that the keys of one query lie in.
  uint32_t segments = 0;
  // Shared buffers (Program::Share), if there are several segments; else -1.
  int partial = -1, weights = -1;
};

// The places of a mixture of experts: shared buffers (Program::Share). An assignment is a token with one of its
// experts; n tokens have n * used of them.
struct MoePlan {
  int choice = -1;  // [n][used] experts and their weights
  int order = -1;   // [n * used] tokens and their weights, sorted by expert
  int groups = -1;  // [experts + 2] the experts that some token uses
  int floats = -1;  // [n * used][d] normalised inputs in that order, if a float matrix reads them
};

// One layer's part of the plan.
struct LayerPlan {
  size_t state = 0;      // offset in the cache arena; another layer's if its keys and values are read
  size_t seq_bytes = 0;  // one sequence's state
  size_t width = 0;      // floats in a token's row of `proj`
  size_t mixed = 0;      // offset of the mixer's output in that row
  // Formats read from the mixer's input, by its `inner` matrices, from its output, and from the FFN's input and
  // middle.
  Reading normed, inner, mixer_out, ffn_in, hidden;
  Reading gathered;  // formats that experts read from the FFN's input
  AttentionPlan attention;
  MoePlan moe;
};

// A table of cosines and sines for one base, head size and number of channels that turn.
struct RopeTable {
  float base;
  uint32_t head_dim, rotated;
  size_t offset;  // [rows][hd/2][2] floats
};

// A buffer of the activation arena that layers use in turn. Its size is the largest that a layer asked for
// under this name.
struct SharedBuffer {
  const char* name;
  size_t bytes, offset;
};

// All sizes and offsets of a session. Offsets are in bytes.
struct Program {
  uint32_t rows = 0;  // tokens in one step: max(chunk, batch), at most max_context
  int threads = 1;
  std::vector<LayerPlan> layers;
  std::vector<RopeTable> ropes;
  std::vector<SharedBuffer> shared;
  Reading logits_in;  // formats read from the final norm
  size_t cache_bytes = 0;
  // Offsets in the activation arena.
  size_t x = 0;       // [rows][d] the residual stream
  size_t branch = 0;  // [rows][d] a product that is normalised before it is added to x; 0 if the layout has none
  size_t norm = 0;    // [rows][d] normalised input, if a float matrix reads it
  size_t proj = 0;    // [rows][proj_width] the mixers' working buffer
  size_t hidden = 0;  // [rows][F] if ffn_down is a float matrix
  size_t logits = 0;  // [batch][V]
  size_t worker = 0;  // [threads][worker_bytes] scratch
  size_t proj_width = 0, worker_bytes = 0;
  // Offsets inside a worker's scratch.
  size_t row_at = 0, tile_at = 0, mixer_at = 0, mixer_bytes = 0;
  bool norm_f32 = false, hidden_f32 = false;
  // Int8 inputs of the layers' products; of experts, one row for each assignment; inputs of `inner` matrices,
  // mixer outputs and FFN middles.
  QuantBuffer in, gathered, mid;
  size_t activation_bytes = 0;

  // For the `plan` function of a mixer. Rope and Share return an index into `ropes` and `shared`; Scratch
  // reserves `bytes` bytes for each worker.
  int Rope(float base, uint32_t head_dim, uint32_t rotated);
  int Share(const char* name, size_t bytes);
  void Scratch(size_t bytes);
};

// Memory of the process before a model is loaded: code, C and C++ libraries, stacks, allocator. The value is
// the VmHWM of the static agent after a probe. It is a constant because it does not depend on the model.
inline constexpr uint64_t kProcessOverheadBytes = 5u << 20;

// Returns the program of a layout. `types` are those of ExpectedTensors(spec). Error: kBadRequest for options
// out of bounds.
Result<Program> BuildProgram(const ModelSpec& spec, const std::vector<DType>& types, const SessionOptions& options);
// Returns the memory plan of a program, in bytes.
MemoryPlan PlanOf(const ModelSpec& spec, const std::vector<DType>& types, const Program& program);

}  // namespace edgefront

#endif  // EDGEFRONT_INFER_PROGRAM_H_
