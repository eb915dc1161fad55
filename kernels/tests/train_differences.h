// Compares gradients with central differences.
#pragma once

#include <cmath>
#include <functional>

#include "tests/test.h"
#include "tests/train_matrix.h"

namespace edgefront::testing {

// The step h of central differences, and the largest error, relative to the largest gradient. The error of a
// difference is O(h^2 f''') plus the rounding of the loss divided by h.
struct DifferenceBounds {
  float step;
  double error;
  bool five_points = false;  // also uses the differences at 2h, so that the error is O(h^4 f''''')
  double least = 0.05;       // inputs have size 1, so gradients below this are mostly rounding
};
// For a loss in double. The third derivatives of the tested functions are as large as their gradients: h^2 =
// 1e-6, times a margin of 20. Float32 rounding of the analytic gradients is smaller.
inline constexpr DifferenceBounds kDoubleLoss{0x1p-10f, 2e-5};
// For a loss of float32 values, whose rounding needs a larger step. A norm of small values has large third
// derivatives.
inline constexpr DifferenceBounds kFloatLoss{0x1p-8f, 1e-3, true};

// For a parameter with small gradients and smaller further derivatives: a larger step leaves less rounding.
inline constexpr DifferenceBounds kFlatLoss{0x1p-5f, 1e-3, true};

// For parameters that act through decays near 1 only. Their gradients are small, and so are further derivatives.
inline constexpr DifferenceBounds kSlowLoss{0x1p-5f, 2e-3, true};

// Checks `analytic` (d loss / d x, for all elements of x) against central differences of `loss`. The exact
// step removes the rounding of x + h.
inline void CompareWithDifferences(const char* isa, const char* what, Padded& x, Padded& analytic, const std::function<double()>& loss,
                                   const DifferenceBounds& bounds = kDoubleLoss) {
  const float h = bounds.step;
  double scale = bounds.least;
  for (int i = 0; i < x.rows; ++i) {
    for (int j = 0; j < x.cols; ++j) scale = std::fmax(scale, std::fabs(static_cast<double>(analytic.at(i, j))));
  }
  double worst = 0;
  int at_i = 0, at_j = 0;
  for (int i = 0; i < x.rows; ++i) {
    for (int j = 0; j < x.cols; ++j) {
      const float saved = x.at(i, j);
      const auto slope = [&](float step) {
        const float up = saved + step, down = saved - step;
        x.at(i, j) = up;
        const double f1 = loss();
        x.at(i, j) = down;
        const double f0 = loss();
        x.at(i, j) = saved;
        return (f1 - f0) / (static_cast<double>(up) - static_cast<double>(down));
      };
      const double difference = bounds.five_points ? (4 * slope(h) - slope(2 * h)) / 3 : slope(h);
      const double error = std::fabs(difference - static_cast<double>(analytic.at(i, j)));
      if (!(error <= worst)) {
        worst = error == error ? error : INFINITY;  // NaN
        at_i = i;
        at_j = j;
      }
    }
  }
  CHECK_MSG(worst <= bounds.error * scale,
            isa << " " << what << ": error " << worst << " at (" << at_i << ", " << at_j << "), gradients up to " << scale);
}

}  // namespace edgefront::testing
