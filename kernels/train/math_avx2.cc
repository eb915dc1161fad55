// build: x86_64: -mavx2 -mfma -fno-math-errno -ffp-contract=fast
// The trainer's operators for 256-bit AVX2 with FMA (x86-64-v3).
#define EDGEFRONT_ISA_NAME "avx2"
#define EDGEFRONT_ISA_NAMESPACE avx2
#define EDGEFRONT_VEC_FLOATS 8
#define EDGEFRONT_GEMM_ROWS 6
#define EDGEFRONT_GEMM_PANELS 1
#include "train/math-inl.h"
