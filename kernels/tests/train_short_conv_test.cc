// build: x86_64:
// build: aarch64: -fno-tree-vectorize
// The trainer's short convolution with SiLU against central differences of a naive version in double.
// (Flags: see train_math_test.cc.)
#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/train_differences.h"

namespace edgefront::testing {
namespace {

using train::Math;
using train::PadUp;

TEST(TrainConvSiluGradient) {
  for (const Math* math : AllMath()) {
    for (const int k : {1, 2, 4, 17}) {
      for (const int length : {1, 3, 13}) {
        for (const bool biased : {false, true}) {
          const int d = 19, width = PadUp(d);
          Padded x(length, d, 1, 2.0f), taps(k, d, 2), bias(1, d, 3), dy(length, d, 4), z(length, d, 5, 0), y(length, d, 6, 0);
          Padded dtaps(k, d, 7, 0), dbias(1, d, 8, 0), dx = dy;
          const auto flat = [&](const Padded& p) {  // taps have no gap between rows
            std::vector<float> out;
            for (int j = 0; j < k; ++j) out.insert(out.end(), p.data.begin() + j * p.ld, p.data.begin() + j * p.ld + width);
            return out;
          };
          const std::vector<float> flat_taps = flat(taps);
          std::vector<float> flat_dtaps(flat_taps.size());
          math->conv_silu(length, width, k, flat_taps.data(), biased ? bias.p() : nullptr, x.p(), z.p(), y.p(), x.ld);
          math->conv_silu_grad(length, width, k, flat_taps.data(), x.p(), z.p(), dx.p(), x.ld, flat_dtaps.data(),
                               biased ? dbias.p() : nullptr);
          for (int j = 0; j < k; ++j) std::copy_n(&flat_dtaps[static_cast<size_t>(j) * width], width, &dtaps.at(j, 0));
          const auto loss = [&] {
            double total = 0;
            for (int t = 0; t < length; ++t) {
              for (int i = 0; i < d; ++i) {
                double sum = biased ? bias.at(0, i) : 0.0f;
                for (int j = 0; j < k; ++j) {
                  const int s = t - (k - 1 - j);
                  if (s >= 0) sum += static_cast<double>(taps.at(j, i)) * x.at(s, i);
                }
                total += sum / (1 + std::exp(-sum)) * dy.at(t, i);
              }
            }
            return total;
          };
          double direct = 0;
          for (int t = 0; t < length; ++t) {
            for (int i = 0; i < d; ++i) direct += static_cast<double>(y.at(t, i)) * dy.at(t, i);
          }
          CHECK_NEAR(direct, loss(), 1e-5 * length * d);
          CompareWithDifferences(math->isa, "conv_silu dx", x, dx, loss);
          CompareWithDifferences(math->isa, "conv_silu dtaps", taps, dtaps, loss);
          if (biased) CompareWithDifferences(math->isa, "conv_silu dbias", bias, dbias, loss);
        }
      }
    }
  }
}

}  // namespace
}  // namespace edgefront::testing
