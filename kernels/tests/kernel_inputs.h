// Inputs, tables and comparisons shared by the tests of the kernels.
#ifndef EDGEFRONT_TESTS_KERNEL_INPUTS_H_
#define EDGEFRONT_TESTS_KERNEL_INPUTS_H_

#include <cmath>
#include <cstdint>
#include <vector>

#include "infer/seeded_weights.h"
#include "targets/kernels.h"
#include "tests/avxvnni_twin.h"
#include "tests/isas.h"
#include "tests/test.h"

namespace edgefront::testing {

inline constexpr float kEps = 0x1p-23f;

inline std::vector<float> Uniform(size_t n, uint64_t seed) {
  std::vector<float> x(n);
  SeededTensor(seed, "x", WeightKind::kMatrix, 3).Fill(x.data(), 0, n);  // in [-1, 1)
  return x;
}

inline std::vector<const Kernels*> FastTables() {
  std::vector<const Kernels*> tables;
  for (Isa isa : TestedIsas()) {
    if (isa != Isa::kScalar) tables.push_back(GetKernels(isa));
  }
#if defined(__x86_64__)
  if (GetKernels(Isa::kAvxVnni) == nullptr && GetKernels(Isa::kAvx512) != nullptr && IsaWanted("avxvnni")) tables.push_back(&AvxVnniTwin());
#endif
  return tables;
}

// Checks |got - want| <= tolerance[i]. Reports the element with the largest ratio to its tolerance.
inline void ExpectClose(const char* what, Isa isa, const std::vector<float>& got, const std::vector<float>& want,
                        const std::vector<float>& tolerance) {
  size_t worst = 0;
  double worst_ratio = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double ratio = std::fabs(static_cast<double>(got[i]) - want[i]) / tolerance[i];
    if (!(ratio <= worst_ratio)) worst = i, worst_ratio = ratio;  // also catches NaN
  }
  CHECK_MSG(worst_ratio <= 1.0, what << " on " << IsaName(isa) << ": worst element " << worst << " is " << got[worst] << ", should be "
                                     << want[worst] << ", tolerance " << tolerance[worst]);
}

struct QuantStore {
  std::vector<int8_t> q;
  std::vector<float> scale;
  std::vector<int32_t> sum8;
  std::vector<int16_t> sum16;
};

// Quantises n rows of k values of x from `offset`. Returns an empty view if k is not a multiple of a block,
// because float products do not read it.
inline Activations Quantise(const Kernels& table, const std::vector<float>& x, size_t offset, size_t n, size_t k, QuantStore& s,
                            size_t share = 32) {
  if (k % 32 != 0) return {};
  s.q.resize(n * k + 3);
  s.scale.resize(n * (k / 32) + 1);
  s.sum8.resize(n * (k / 32) + 1);
  s.sum16.resize(n * (k / 16) + 1);
  int8_t* q = s.q.data() + 3;  // misaligned on purpose
  for (size_t t = 0; t < n; ++t) {
    table.quantise(x.data() + offset + t * k, k, share, q + t * k, s.scale.data() + t * (k / 32), s.sum8.data() + t * (k / 32),
                   s.sum16.data() + t * (k / 16));
  }
  Activations a;
  a.q = q;
  a.scale = s.scale.data();
  a.sum8 = s.sum8.data();
  a.sum16 = s.sum16.data();
  return a;
}

}  // namespace edgefront::testing

#endif  // EDGEFRONT_TESTS_KERNEL_INPUTS_H_
