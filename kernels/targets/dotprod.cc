// build: aarch64: -march=armv8.2-a+dotprod -fno-trapping-math
// NEON with the four-way int8 dot product (sdot).
#define EDGEFRONT_DOTPROD 1
#include "simd/vec_neon.h"
//
#include "targets/table.h"

namespace edgefront {

const Kernels& DotprodKernels() {
  static constexpr Kernels kTable = EDGEFRONT_KERNEL_TABLE(Isa::kDotprod);
  return kTable;
}

}  // namespace edgefront
