// build: aarch64: -march=armv8.2-a+bf16 -fno-math-errno -ffp-contract=fast
// The trainer's bfloat16 products for Arm's BFDOT. It adds the sum of a pair's products to a float32, rounds
// to odd, and treats subnormal numbers as zeros.
#include <arm_neon.h>

#define EDGEFRONT_ISA_NAME "neonbf16"
#define EDGEFRONT_ISA_NAMESPACE neonbf16
#define EDGEFRONT_VEC_FLOATS 4
#define EDGEFRONT_GEMM_ROWS 6
#define EDGEFRONT_GEMM_PANELS 1
#define EDGEFRONT_DOT_PAIRS(acc, a, b) (Vf) vbfdotq_f32((float32x4_t)(acc), (bfloat16x8_t)(a), (bfloat16x8_t)(b))
#include "train/math-inl.h"
