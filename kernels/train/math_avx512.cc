// build: x86_64: -mavx2 -mfma -mavx512f -mavx512dq -mavx512vl -mavx512bw -mprefer-vector-width=512 -fno-math-errno -ffp-contract=fast
// The trainer's operators for 512-bit AVX-512 (x86-64-v4).
#define EDGEFRONT_ISA_NAME "avx512"
#define EDGEFRONT_ISA_NAMESPACE avx512
#define EDGEFRONT_VEC_FLOATS 16
#define EDGEFRONT_GEMM_ROWS 8
#define EDGEFRONT_GEMM_PANELS 2
#include "train/math-inl.h"
