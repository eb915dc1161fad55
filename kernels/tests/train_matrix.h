// Shared by the tests of the trainer's operators: a matrix in the trainer's storage, and the tables to test.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/isas.h"
#include "tests/uniform.h"
#include "train/math.h"

namespace edgefront::testing {

// A [rows, cols] matrix in padded storage, with zeros in the padding. at() takes logical positions.
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

// Returns the float32 tables of this machine, or those of them that --isa names.
inline std::vector<const train::Math*> AllMath() {
  std::vector<const train::Math*> out;
  for (const char* isa : {"scalar", "neon", "avx2", "avx512"}) {
    const train::Math* m = train::SelectMath(isa);
    if (m && IsaWanted(isa)) out.push_back(m);
  }
  return out;
}

}  // namespace edgefront::testing
