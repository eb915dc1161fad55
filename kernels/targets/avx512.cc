// build: x86_64: -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx2 -mfma -mf16c -fno-trapping-math
// AVX-512 with VNNI.
#include "simd/vec_avx512.h"
//
#include "targets/table.h"

namespace edgefront {

const Kernels& Avx512Kernels() {
  static constexpr Kernels kTable = EDGEFRONT_KERNEL_TABLE(Isa::kAvx512);
  return kTable;
}

}  // namespace edgefront
