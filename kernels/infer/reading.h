// Formats of an activation that several matrices read.
#ifndef EDGEFRONT_INFER_READING_H_
#define EDGEFRONT_INFER_READING_H_

#include <cstddef>

#include "include/edgefront/dtype.h"

namespace edgefront {

// The formats that the matrices reading one activation require. Rounding is ggml's wherever they agree on one format, so that both engines
// multiply the same numbers: int8 by blocks of 32, of 256 for Q6_K, and F16 for F16.
struct Reading {
  bool f32 = false, half = false, q8 = false;
  size_t share = 256;  // values of the int8 view that have one scale

  void Add(DType matrix) {
    if (IsQuantised(matrix)) {
      q8 = true;
      if (matrix != DType::kQ6_K) share = 32;
      return;
    }
    half = matrix == DType::kF16 && (half || !f32);
    f32 = true;
  }
  bool rounds() const { return half || q8; }
};

}  // namespace edgefront

#endif  // EDGEFRONT_INFER_READING_H_
