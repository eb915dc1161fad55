// build: x86_64: -fno-math-errno -ffp-contract=fast
// build: aarch64: -fno-math-errno -ffp-contract=fast
// The trainer's operators for 128-bit vectors, which every target of the project has: SSE2 on x86-64, NEON on
// aarch64.
#if defined(__aarch64__)
#define EDGEFRONT_ISA_NAME "neon"
#define EDGEFRONT_GEMM_ROWS 6  // 24 of 32 registers hold C
#else
#define EDGEFRONT_ISA_NAME "scalar"
#define EDGEFRONT_GEMM_ROWS 2  // 16 registers in all
#endif
#define EDGEFRONT_ISA_NAMESPACE base
#define EDGEFRONT_VEC_FLOATS 4
#define EDGEFRONT_GEMM_PANELS 1
#include "train/math-inl.h"
