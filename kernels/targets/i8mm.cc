// build: aarch64: -march=armv8.2-a+dotprod+i8mm -fno-trapping-math
// NEON with the int8 matrix product (smmla) for pairs of tokens, and sdot for a single token.
#define EDGEFRONT_DOTPROD 1
#define EDGEFRONT_I8MM 1
#include "simd/vec_neon.h"
//
#include "targets/table.h"

namespace edgefront {

const Kernels& I8mmKernels() {
  static constexpr Kernels kTable = EDGEFRONT_KERNEL_TABLE(Isa::kI8mm);
  return kTable;
}

}  // namespace edgefront
