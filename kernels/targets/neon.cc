// build: aarch64: -march=armv8-a -fno-trapping-math
// NEON of every 64-bit Arm.
#include "simd/vec_neon.h"
//
#include "targets/table.h"

namespace edgefront {

const Kernels& NeonKernels() {
  static constexpr Kernels kTable = EDGEFRONT_KERNEL_TABLE(Isa::kNeon);
  return kTable;
}

}  // namespace edgefront
