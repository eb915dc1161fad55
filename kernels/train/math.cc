// Run-time choice of the trainer's instruction set, and the packing of weights, which is the same on all of them.
#include "train/math.h"

#include <cstring>

namespace edgefront::train {

namespace base {
extern const Math kMath;
}
#if defined(__x86_64__)
namespace avx2 {
extern const Math kMath;
}
namespace avx512 {
extern const Math kMath;
}
#endif

const Math* SelectMath(const char* isa) {
  const bool any = std::strcmp(isa, "auto") == 0;
#if defined(__x86_64__)
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
  if (has_avx512 && (any || std::strcmp(isa, "avx512") == 0)) return &avx512::kMath;
  if (has_avx2 && (any || std::strcmp(isa, "avx2") == 0)) return &avx2::kMath;
#endif
  if (any || std::strcmp(isa, base::kMath.isa) == 0) return &base::kMath;
  return nullptr;
}

void PackTransposed(const float* w, int rows, int depth, ptrdiff_t ld, int first_panel, int last_panel, float* out) {
  for (int panel = first_panel; panel < last_panel; ++panel) {
    float* block = out + static_cast<ptrdiff_t>(panel) * kPad * depth;
    for (int j = 0; j < kPad; ++j) {
      const int row = panel * kPad + j;
      const float* in = w + row * ld;
      for (int p = 0; p < depth; ++p) block[p * kPad + j] = row < rows ? in[p] : 0.0f;
    }
  }
}

void PackColumns(const float* w, int rows, ptrdiff_t ld, int first_panel, int last_panel, float* out) {
  for (int panel = first_panel; panel < last_panel; ++panel) {
    float* block = out + static_cast<ptrdiff_t>(panel) * kPad * rows;
    for (int r = 0; r < rows; ++r) std::memcpy(block + r * kPad, w + r * ld + panel * kPad, kPad * sizeof(float));
  }
}

}  // namespace edgefront::train
