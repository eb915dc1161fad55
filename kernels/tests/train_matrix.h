// What the tests of the trainer's operators share: a matrix as the trainer stores it, and the tables to go through.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/isas.h"
#include "tests/uniform.h"
#include "train/math.h"

namespace edgefront::testing {

// A [rows, cols] matrix in padded storage, zeros in the padding. Reads and writes by logical position.
struct Padded {
  int rows, cols;
  ptrdiff_t ld;
  std::vector<float> data;
  Padded(int r, int c, uint64_t seed, float scale = 1.0f)
      : rows(r), cols(c), ld(train::Stride(train::PadUp(c))), data(static_cast<size_t>(r) * ld + train::kPad) {
    for (int i = 0; i < r; ++i) {
      for (int j = 0; j < c; ++j) at(i, j) = scale * UniformAt(seed * 1000003 + static_cast<uint64_t>(i) * c + j);
    }
  }
  float& at(int i, int j) { return data[static_cast<size_t>(i) * ld + j]; }
  float* p() { return data.data(); }
};

// float32's tables of this machine, those of --isa where it is given.
inline std::vector<const train::Math*> AllMath() {
  std::vector<const train::Math*> out;
  for (const char* isa : {"scalar", "neon", "avx2", "avx512"}) {
    const train::Math* m = train::SelectMath(isa);
    if (m && IsaWanted(isa)) out.push_back(m);
  }
  return out;
}

}  // namespace edgefront::testing
