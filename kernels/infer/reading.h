// The formats in which several matrices read one activation.
#ifndef EDGEFRONT_INFER_READING_H_
#define EDGEFRONT_INFER_READING_H_

#include <cstddef>

#include "include/edgefront/dtype.h"

namespace edgefront {

// The formats that the matrices reading one activation require. If they agree on one format, rounding follows
// ggml, so that both engines multiply the same numbers: int8 with one scale for 32 values (256 for Q6_K), and
// F16 for F16.
struct Reading {
  bool f32 = false, half = false, q8 = false;
  size_t share = 256;  // values of the int8 view that share one scale

  // Adds the format that a matrix of this type requires.
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
