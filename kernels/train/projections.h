// The three products of a linear layer, on the packed copies of its weights.
#pragma once

#include "train/network.h"

namespace edgefront::train {

// Y = X W^T (+ addend, strided as Y)
inline void Project(const Math& math, const Weights& w, const Param& p, int rows, const float* x, ptrdiff_t ldx, const float* addend,
                    float* y, ptrdiff_t ldy) {
  math.gemm({rows, p.padded_rows, p.ld, x, ldx, 1, w.packed + p.pack_forward, kPad, static_cast<ptrdiff_t>(kPad) * p.ld, addend, y, ldy});
}

// dX = dY W (+ addend, strided as dX)
inline void ProjectBack(const Math& math, const Weights& w, const Param& p, int rows, const float* dy, ptrdiff_t ldy, const float* addend,
                        float* dx, ptrdiff_t ldx) {
  math.gemm({rows, p.ld, p.padded_rows, dy, ldy, 1, w.packed + p.pack_backward, kPad, static_cast<ptrdiff_t>(kPad) * p.padded_rows,
             addend, dx, ldx});
}

// dW (+)= dY^T X
inline void WeightGrad(const Math& math, const Param& p, int rows, const float* dy, ptrdiff_t ldy, const float* x, ptrdiff_t ldx,
                       float* gradient, bool overwrite) {
  float* g = gradient + p.offset;
  math.gemm({p.padded_rows, p.ld, rows, dy, 1, ldy, x, ldx, kPad, overwrite ? nullptr : g, g, p.ld});
}

}  // namespace edgefront::train
