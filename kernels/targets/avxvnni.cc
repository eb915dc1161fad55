// build: x86_64: -mavx2 -mfma -mf16c -mavxvnni -fno-trapping-math
// AVX2 with the 256-bit VEX dot product (AVX-VNNI).
#define EDGEFRONT_AVXVNNI 1
#include "simd/vec_avx2.h"
//
#include "targets/table.h"

namespace edgefront {

const Kernels& AvxVnniKernels() {
  static constexpr Kernels kTable = EDGEFRONT_KERNEL_TABLE(Isa::kAvxVnni);
  return kTable;
}

}  // namespace edgefront
