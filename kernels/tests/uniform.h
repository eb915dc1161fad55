// Uniform numbers in [-1, 1) for tests. Each is a function of its index.
#pragma once

#include <cstdint>

#include "infer/seeded_weights.h"

namespace edgefront::testing {

inline float UniformAt(uint64_t i) { return static_cast<float>(SplitMix64(i) >> 40) * 0x1p-23f - 1.0f; }

}  // namespace edgefront::testing
