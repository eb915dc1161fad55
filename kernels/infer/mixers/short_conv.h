// The short convolution of recurrent mixers in the engine: it replaces columns of their projections by
// silu(causal depthwise convolution). Its state are the last k - 1 inputs of each sequence, [k-1][channels],
// oldest first, so the mixer must start from zero.
#ifndef EDGEFRONT_INFER_MIXERS_SHORT_CONV_H_
#define EDGEFRONT_INFER_MIXERS_SHORT_CONV_H_

#include "infer/engine.h"

namespace edgefront {

// The convolution of one layer.
struct ShortConv {
  const float* taps;   // [k][channels]
  const float* bias;   // [channels], or null
  size_t channels, k;  // k is at most kMostConvTaps
  size_t column;       // of the first channel in a row of `proj`
  size_t state_at;     // offset in bytes in a sequence's state; a multiple of 4
};

// Returns the bytes of the state of one sequence, a multiple of 64.
inline size_t ShortConvBytes(size_t channels, size_t k) { return RoundUp(4 * (k - 1) * channels, 64); }

// Runs a worker's share of the convolution on the tokens of the step. Every worker must call it.
void RunShortConv(const StageRun& r, const ShortConv& conv);

// Returns the cost of one step.
OpCost ShortConvCost(const Engine& e, size_t channels, size_t k);

}  // namespace edgefront

#endif  // EDGEFRONT_INFER_MIXERS_SHORT_CONV_H_
