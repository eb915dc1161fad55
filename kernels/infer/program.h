// The static plan of a session: every buffer's size and place, derived from the layout, the tensor types and the options
// alone. Session allocates what this says, once, and nothing later.
#ifndef EDGEFRONT_INFER_PROGRAM_H_
#define EDGEFRONT_INFER_PROGRAM_H_

#include <cstdint>
#include <vector>

#include "infer/arena.h"
#include "infer/reading.h"
#include "infer/session.h"
#include "infer/weights.h"

namespace edgefront {

inline constexpr size_t kTileTokens = 32;  // tokens a matrix tile covers

// An int8 view of up to `rows` tokens of `k` values (targets/kernels.h: Activations), as offsets; absent where k == 0.
struct QuantBuffer {
  size_t k = 0;
  size_t q = 0, scale = 0, sum8 = 0, sum16 = 0;
};

// Where an attention layer keeps its keys and values, and what its tiles share.
struct AttentionPlan {
  size_t ring = 0, hd = 0, head_bytes = 0;          // slots, padded head, one KV head
  size_t v_at = 0, k_scale_at = 0, v_scale_at = 0;  // inside a KV head; K starts at 0
  int rope = 0;                                     // which cos/sin table
  uint32_t segments = 0;                            // of kAttendSegment positions, the most a query can see keys in
  int partial = -1, weights = -1;                   // shared buffers (Program::Share), where it has several segments
};

// One layer's part of the plan.
struct LayerPlan {
  size_t state = 0;                           // offset in the cache arena
  size_t seq_bytes = 0;                       // one sequence's state
  size_t width = 0;                           // floats of a token's row of `proj`
  size_t mixed = 0;                           // where in that row the mixer leaves its output
  Reading normed, mixer_out, ffn_in, hidden;  // readers of the mixer's input and output, of the FFN's input and middle
  AttentionPlan attention;
};

struct RopeTable {
  float base;
  uint32_t head_dim;
  size_t offset;  // [rows][hd/2][2] floats
};

// A buffer of the activation arena that layers use in turn: the largest that one of them asked for under this name.
struct SharedBuffer {
  const char* name;
  size_t bytes, offset;
};

struct Program {
  uint32_t rows = 0;  // tokens together: max(chunk, batch), at most max_context
  int threads = 1;
  std::vector<LayerPlan> layers;
  std::vector<RopeTable> ropes;
  std::vector<SharedBuffer> shared;
  Reading logits_in;  // readers of the final norm
  size_t cache_bytes = 0;
  // Offsets in the activation arena.
  size_t x = 0;       // [rows][d] the residual stream
  size_t norm = 0;    // [rows][d] normalised input, where a float matrix reads it
  size_t proj = 0;    // [rows][proj_width] what a mixer works on
  size_t hidden = 0;  // [rows][F] where ffn_down is a float matrix
  size_t logits = 0;  // [batch][V]
  size_t worker = 0;  // [threads][worker_bytes] scratch
  size_t proj_width = 0, worker_bytes = 0;
  // Inside a worker's scratch.
  size_t row_at = 0, tile_at = 0, mixer_at = 0, mixer_bytes = 0;
  bool norm_f32 = false, hidden_f32 = false;
  QuantBuffer in, mid;  // inputs of the layers' products; mixer outputs and FFN middles
  size_t activation_bytes = 0;

  // For the `plan` of a mixer: the table of these angles; a buffer of `bytes` that all layers share; scratch of each worker.
  int Rope(float base, uint32_t head_dim);
  int Share(const char* name, size_t bytes);
  void Scratch(size_t bytes);
};

// The process itself before a model is loaded: code, C and C++ libraries, stacks, allocator. Measured as VmHWM of the
// static agent that answered a probe; a constant because it does not depend on the model.
inline constexpr uint64_t kProcessOverheadBytes = 5u << 20;

Result<Program> BuildProgram(const ModelSpec& spec, const std::vector<DType>& types, const SessionOptions& options);
MemoryPlan PlanOf(const ModelSpec& spec, const std::vector<DType>& types, const Program& program);

}  // namespace edgefront

#endif  // EDGEFRONT_INFER_PROGRAM_H_
