// build: x86_64: -mavx2 -mfma -mprefer-vector-width=256 -fno-math-errno -ffp-contract=fast
// The AVX512-BF16 products, with their one special instruction emulated in AVX2; the compiler halves the
// 512-bit vectors. This tests the algorithm on processors that have neither AVX-512 nor AVX512-BF16.
#pragma GCC diagnostic ignored "-Wpsabi"
#define EDGEFRONT_ISA_NAME "avx512bf16-twin"
#define EDGEFRONT_ISA_NAMESPACE avx512bf16_twin
#define EDGEFRONT_VEC_FLOATS 16
#define EDGEFRONT_GEMM_ROWS 8
#define EDGEFRONT_GEMM_PANELS 2
#define EDGEFRONT_DOT_PAIRS(acc, a, b) \
  (acc) + (Vf)((a) & static_cast<int32_t>(0xFFFF0000)) * (Vf)((b) & static_cast<int32_t>(0xFFFF0000)) + (Vf)((a) << 16) * (Vf)((b) << 16)
#include "train/math-inl.h"
//
#include "tests/avx512bf16_twin.h"

namespace edgefront::testing {

const train::Products& Avx512Bf16Twin() { return train::avx512bf16_twin::kPairs; }

}  // namespace edgefront::testing
