// Heads with a state [key_dim][value_dim] in the engine: their recurrence, and the norm and gate of their outputs.
// The state of a sequence holds each head in strips of 16 value channels, [heads][strips][key_dim][16].
#ifndef EDGEFRONT_INFER_MIXERS_STATE_HEADS_H_
#define EDGEFRONT_INFER_MIXERS_STATE_HEADS_H_

#include <cstdint>

#include "infer/engine.h"
#include "infer/meta_reader.h"

namespace edgefront {

inline constexpr size_t kNoColumn = SIZE_MAX;

// The heads of one layer, and the columns of a row of `proj` with their vectors, head by head.
struct StateHeads {
  uint32_t heads, key_heads;  // each key head serves heads / key_heads heads
  uint32_t key_dim, value_dim;
  size_t q, k;               // [key_heads][key_dim]
  size_t v;                  // [heads][value_dim]; outputs replace it
  size_t decay = kNoColumn;  // [heads], or [heads][key_dim] if `per_channel`
  bool per_channel = false;
  size_t rate = kNoColumn, key_query = kNoColumn;  // [heads], [key_heads] k . q; of the delta rule
};

// Returns heads whose rows start with q, k and v.
inline StateHeads QkvHeads(uint32_t heads, uint32_t key_heads, uint32_t key_dim, uint32_t value_dim) {
  const size_t key_width = size_t{key_heads} * key_dim;
  return {heads, key_heads, key_dim, value_dim, 0, key_width, 2 * key_width};
}

// Reads the number of heads and the size of their values in layer `i`.
Status ReadValueHeads(const MetaReader& meta, uint64_t i, uint32_t* heads, uint32_t* value_dim);

// Returns the bytes of the states of one sequence, a multiple of 64.
size_t StateBytes(const StateHeads& s);

// Gives q and k of one row unit length, q also the factor 1 / sqrt(key_dim), and computes k . q.
void UnitKeys(const StateHeads& s, float* row);

// Runs a worker's share of the recurrence on the tokens of the step. Every worker must call it. Workers draw
// strips of heads from ticket 0.
void RunStates(const StageRun& r, const StateHeads& s);
// Returns the cost of one step, with `flops` operations for an element of the state.
OpCost StatesCost(const Engine& e, const StateHeads& s, double flops);

// Replaces each head's output o by gate(z, rmsnorm(o)), with z at column `z`, and ends the mixer. Every worker
// must call it. `gate` is a function of the kernel table; norm: [value_dim].
void GateHeads(const StageRun& r, const StateHeads& s, const float* norm, size_t z,
               void (*gate)(const float* gate, const float* up, size_t n, float* out));

}  // namespace edgefront

#endif  // EDGEFRONT_INFER_MIXERS_STATE_HEADS_H_
