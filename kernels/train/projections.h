// The three products of a linear layer, on the packed copies of its weights. Only these depend on the
// precision of a run.
#pragma once

#include "train/params.h"

namespace edgefront::train {

struct Weights {
  const float* flat;    // Params::size() floats
  const float* packed;  // Params::packed_size() floats, or half as many words of pairs
  float* scratch;       // this worker's kProductScratch floats, for bfloat16 products
};

// Converts an offset in floats, as in Params, to words from the start of the packed array. Matrices are 16 x
// 16 or larger, so halves are whole.
inline size_t PackedAt(const Math& math, size_t floats) { return floats / static_cast<size_t>(math.packing->depth_per_word); }

inline void PackForward(const Math& math, const Param& p, const float* flat, int first_panel, int last_panel, float* packed) {
  math.packing->transposed(flat + p.offset, p.padded_rows, p.ld, p.ld, first_panel, last_panel, packed + PackedAt(math, p.pack_forward));
}
inline void PackBackward(const Math& math, const Param& p, const float* flat, int first_panel, int last_panel, float* packed) {
  math.packing->columns(flat + p.offset, p.padded_rows, p.ld, first_panel, last_panel, packed + PackedAt(math, p.pack_backward));
}

// Y = X W^T (+ addend, with the stride of Y)
inline void Project(const Math& math, const Weights& w, const Param& p, int rows, const float* x, ptrdiff_t ldx, const float* addend,
                    float* y, ptrdiff_t ldy) {
  math.gemm({rows, p.padded_rows, p.ld, x, ldx, 1, w.packed + PackedAt(math, p.pack_forward), kPad, static_cast<ptrdiff_t>(kPad) * p.ld,
             addend, y, ldy, true, w.scratch});
}

// dX = dY W (+ addend, with the stride of dX)
inline void ProjectBack(const Math& math, const Weights& w, const Param& p, int rows, const float* dy, ptrdiff_t ldy, const float* addend,
                        float* dx, ptrdiff_t ldx) {
  math.gemm({rows, p.ld, p.padded_rows, dy, ldy, 1, w.packed + PackedAt(math, p.pack_backward), kPad,
             static_cast<ptrdiff_t>(kPad) * p.padded_rows, addend, dx, ldx, true, w.scratch});
}

// dW = dY^T X, added to the gradient unless `overwrite`.
inline void WeightGrad(const Math& math, const Weights& w, const Param& p, int rows, const float* dy, ptrdiff_t ldy, const float* x,
                       ptrdiff_t ldx, float* gradient, bool overwrite) {
  float* g = gradient + p.offset;
  math.gemm({p.padded_rows, p.ld, rows, dy, 1, ldy, x, ldx, kPad, overwrite ? nullptr : g, g, p.ld, false, w.scratch});
}

}  // namespace edgefront::train
