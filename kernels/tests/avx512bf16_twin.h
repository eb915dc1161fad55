// The AVX512-BF16 products for processors with AVX2 instead; x86-64 only.
#pragma once

#include "train/math.h"

namespace edgefront::testing {

const train::Products& Avx512Bf16Twin();

}  // namespace edgefront::testing
