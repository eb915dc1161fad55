// Chooses the trainer's instruction set and precision at run time, and packs weights, which is the same for
// all of them.
#include "train/math.h"

#include <cstring>

#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace edgefront::train {

namespace base {
extern const Math kMath;
extern const Products kRounded;
}  // namespace base
#if defined(__x86_64__)
namespace avx2 {
extern const Math kMath;
extern const Products kRounded;
}  // namespace avx2
namespace avx512 {
extern const Math kMath;
extern const Products kRounded;
}  // namespace avx512
namespace avx512bf16 {
extern const Products kPairs;
}
#elif defined(__aarch64__)
namespace neonbf16 {
extern const Products kPairs;
}
#endif

namespace {

Math With(const Math& math, const Products& products) {
  Math out = math;
  static_cast<Products&>(out) = products;
  return out;
}

// Returns the table of an instruction set in the given precision.
const Math* InFloat32Or(const Math& exact, const Math& rounded, Precision precision) {
  return precision == Precision::kBfloat16 ? &rounded : &exact;
}

}  // namespace

const Math* SelectMath(const char* isa, Precision precision) {
  const bool any = std::strcmp(isa, "auto") == 0, bf16 = precision == Precision::kBfloat16;
#if defined(__x86_64__)
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
  if (bf16 && has_avx512 && __builtin_cpu_supports("avx512bf16") && (any || std::strcmp(isa, "avx512bf16") == 0)) {
    static const Math math = With(avx512::kMath, avx512bf16::kPairs);
    return &math;
  }
  if (has_avx512 && (any || std::strcmp(isa, "avx512") == 0)) {
    static const Math rounded = With(avx512::kMath, avx512::kRounded);
    return InFloat32Or(avx512::kMath, rounded, precision);
  }
  if (has_avx2 && (any || std::strcmp(isa, "avx2") == 0)) {
    static const Math rounded = With(avx2::kMath, avx2::kRounded);
    return InFloat32Or(avx2::kMath, rounded, precision);
  }
#elif defined(__aarch64__)
  const bool has_bf16 = (getauxval(AT_HWCAP2) >> 14 & 1) != 0;  // HWCAP2_BF16
  if (bf16 && has_bf16 && (any || std::strcmp(isa, "neonbf16") == 0)) {
    static const Math math = With(base::kMath, neonbf16::kPairs);
    return &math;
  }
#endif
  if (any || std::strcmp(isa, base::kMath.isa) == 0) {
    static const Math rounded = With(base::kMath, base::kRounded);
    return InFloat32Or(base::kMath, rounded, precision);
  }
  return nullptr;
}

namespace {

// The words of a packed operand, as a policy of the packing functions.
struct Exact {
  using Word = float;
  static constexpr int kDepth = 1;
  static Word Of(float x, float) { return x; }
};
struct Rounded {
  using Word = float;
  static constexpr int kDepth = 1;
  static Word Of(float x, float) { return RoundToBfloat16(x); }
};
struct Pair {
  using Word = uint32_t;
  static constexpr int kDepth = 2;
  static Word Of(float x0, float x1) { return PairOfBfloat16(x0, x1); }
};

template <typename Form>
void PackTransposed(const float* w, int rows, int depth, ptrdiff_t ld, int first_panel, int last_panel, float* out) {
  const int words = (depth + Form::kDepth - 1) / Form::kDepth, whole = depth / Form::kDepth;
  for (int panel = first_panel; panel < last_panel; ++panel) {
    auto* block = reinterpret_cast<typename Form::Word*>(out) + static_cast<ptrdiff_t>(panel) * kPad * words;
    for (int j = 0; j < kPad; ++j) {
      const int row = panel * kPad + j;
      const float* in = w + row * ld;
      if (row < rows) {
        for (int p = 0; p < whole; ++p) block[p * kPad + j] = Form::Of(in[p * Form::kDepth], in[p * Form::kDepth + Form::kDepth - 1]);
        if (whole < words) block[whole * kPad + j] = Form::Of(in[depth - 1], 0.0f);
      } else {
        for (int p = 0; p < words; ++p) block[p * kPad + j] = 0;
      }
    }
  }
}

template <typename Form>
void PackColumns(const float* w, int rows, ptrdiff_t ld, int first_panel, int last_panel, float* out) {
  const int words = (rows + Form::kDepth - 1) / Form::kDepth;
  const float zeros[kPad] = {};
  for (int panel = first_panel; panel < last_panel; ++panel) {
    auto* block = reinterpret_cast<typename Form::Word*>(out) + static_cast<ptrdiff_t>(panel) * kPad * words;
    for (int p = 0; p < words; ++p) {
      const int r = p * Form::kDepth, next = r + Form::kDepth - 1;
      const float *in = w + r * ld + panel * kPad, *below = next < rows ? w + next * ld + panel * kPad : zeros;
      for (int c = 0; c < kPad; ++c) block[p * kPad + c] = Form::Of(in[c], below[c]);
    }
  }
}

template <typename Form>
constexpr Packing PackingOf() {
  return {Form::kDepth, PackTransposed<Form>, PackColumns<Form>};
}

}  // namespace

const Packing kExactPacking = PackingOf<Exact>(), kRoundedPacking = PackingOf<Rounded>(), kPairPacking = PackingOf<Pair>();

}  // namespace edgefront::train
