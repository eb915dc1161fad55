// The AVX512-BF16 products, compiled for processors that have AVX2 only. x86-64 only.
#pragma once

#include "train/math.h"

namespace edgefront::testing {

const train::Products& Avx512Bf16Twin();

}  // namespace edgefront::testing
