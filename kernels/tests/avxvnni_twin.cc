// build: x86_64: -mavx2 -mfma -mf16c -mavx512f -mavx512vl -mavx512vnni
// The AVX-VNNI table with its one special instruction in the EVEX encoding of AVX-512 VNNI (VL), the same
// operation on the same registers. This tests the algorithm on processors that have only that encoding.
#define EDGEFRONT_AVXVNNI 1
#include <immintrin.h>
#define _mm256_dpbusd_avx_epi32 _mm256_dpbusd_epi32
#include "simd/vec_avx2.h"
//
#include "targets/table.h"
#include "tests/avxvnni_twin.h"

namespace edgefront::testing {

const Kernels& AvxVnniTwin() {
  static constexpr Kernels kTable = EDGEFRONT_KERNEL_TABLE(Isa::kAvxVnni);
  return kTable;
}

}  // namespace edgefront::testing
