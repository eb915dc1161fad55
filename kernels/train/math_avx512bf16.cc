// build: x86_64: -mavx2 -mfma -mavx512f -mavx512dq -mavx512vl -mavx512bw -mavx512bf16 -mprefer-vector-width=512 -fno-math-errno -ffp-contract=fast
// The trainer's bfloat16 products for AVX512-BF16. VDPBF16PS adds both products of a pair to a float32 and
// treats subnormal numbers as zeros.
#include <immintrin.h>

#define EDGEFRONT_ISA_NAME "avx512bf16"
#define EDGEFRONT_ISA_NAMESPACE avx512bf16
#define EDGEFRONT_VEC_FLOATS 16
#define EDGEFRONT_GEMM_ROWS 8
#define EDGEFRONT_GEMM_PANELS 2
#define EDGEFRONT_DOT_PAIRS(acc, a, b) (Vf) _mm512_dpbf16_ps((__m512)(acc), (__m512bh)(a), (__m512bh)(b))
#include "train/math-inl.h"
