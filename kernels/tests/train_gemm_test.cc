// build: x86_64:
// build: aarch64: -fno-tree-vectorize
// (GCC 12's vectoriser crashes on this file for aarch64: internal error in vect_transform_reduction.)
// The trainer's float32 GEMM against a naive double loop, and the packing of weights, on every instruction
// set of this machine.
#include <cmath>
#include <vector>

#include "tests/test.h"
#include "tests/train_matrix.h"

namespace edgefront::testing {
namespace {

using train::kPad;
using train::Math;

TEST(TrainGemmMatchesNaive) {
  const std::vector<const Math*> maths = AllMath();
  std::vector<double> worst(maths.size());
  for (const int m : {0, 1, 2, 3, 5, 6, 7, 8, 9, 12, 13, 16, 17}) {
    for (const int n : {16, 32, 48, 80, 144}) {
      for (const int depth : {0, 1, 2, 7, 16, 33, 255, 256, 257, 513}) {
        for (const bool transposed : {false, true}) {
          if (n == 144 && !transposed) continue;  // wide and transposed uses GemmCopied
          Padded a(transposed ? depth : m, transposed ? m : depth, 1), b(depth, n, 2);
          // Computed once for all instruction sets.
          std::vector<double> product(static_cast<size_t>(m) * n), size(product.size());
          for (int i = 0; i < m; ++i) {
            double* sum = product.data() + static_cast<size_t>(i) * n;
            double* magnitude = size.data() + static_cast<size_t>(i) * n;
            for (int p = 0; p < depth; ++p) {
              const double factor = transposed ? a.at(p, i) : a.at(i, p);
              const float* row = &b.at(p, 0);
              for (int j = 0; j < n; ++j) {
                sum[j] += factor * row[j];
                magnitude[j] += std::fabs(factor * row[j]);
              }
            }
          }
          for (size_t at = 0; at < maths.size(); ++at) {
            for (const int addend : {0, 1, 2}) {  // none, in place, elsewhere
              Padded c(m, n, 3), other(m, n, 4);
              const Padded before = addend == 1 ? c : other;
              train::Gemm g{m, n, depth, a.p(), transposed ? 1 : a.ld, transposed ? a.ld : 1, b.p(), b.ld, kPad, nullptr, c.p(), c.ld};
              if (addend == 1) g.addend = c.p();
              if (addend == 2) g.addend = other.p();
              std::vector<float> packed(static_cast<size_t>(depth) * n + 1);
              if (addend == 0) {  // also through the packed form
                maths[at]->packing->columns(b.p(), depth, b.ld, 0, n / kPad, packed.data());
                g.b = packed.data();
                g.b_depth = kPad;
                g.b_panel = static_cast<ptrdiff_t>(kPad) * depth;
              }
              maths[at]->gemm(g);
              for (int i = 0; i < m; ++i) {
                for (int j = 0; j < n; ++j) {
                  const size_t element = static_cast<size_t>(i) * n + j;
                  const double added = addend ? before.data[i * before.ld + j] : 0.0;
                  // gamma_n times the sum of magnitudes (Higham, Accuracy and Stability of Numerical
                  // Algorithms, 3.1).
                  const double bound = 0x1p-24 * (depth + 2) * (size[element] + std::fabs(added)) + 1e-30;
                  const double ratio = std::fabs(product[element] + added - c.at(i, j)) / bound;
                  if (!(ratio <= worst[at])) worst[at] = ratio == ratio ? ratio : INFINITY;
                }
              }
            }
          }
        }
      }
    }
  }
  for (size_t at = 0; at < maths.size(); ++at)
    CHECK_MSG(worst[at] < 1, maths[at]->isa << ": worst error is " << worst[at] << " of the bound");
}

TEST(TrainPackTransposed) {
  Padded w(37, 21, 5);
  const int depth = 32;
  std::vector<float> out(static_cast<size_t>(48) * depth, 9.0f);
  train::kExactPacking.transposed(w.p(), 37, depth, w.ld, 0, 3, out.data());
  for (int j = 0; j < 48; ++j) {
    for (int p = 0; p < depth; ++p) {
      const float want = j < 37 && p < 21 ? w.at(j, p) : 0.0f;
      CHECK(out[static_cast<size_t>(j / 16) * 16 * depth + p * 16 + j % 16] == want);
    }
  }
}

}  // namespace
}  // namespace edgefront::testing
