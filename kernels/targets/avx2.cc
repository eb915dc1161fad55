// build: x86_64: -mavx2 -mfma -mf16c -fno-trapping-math
// AVX2 + FMA + F16C.
#include "simd/vec_avx2.h"
//
#include "targets/table.h"

namespace edgefront {

const Kernels& Avx2Kernels() {
  static constexpr Kernels kTable = EDGEFRONT_KERNEL_TABLE(Isa::kAvx2);
  return kTable;
}

}  // namespace edgefront
