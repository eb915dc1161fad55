// Gradients against central differences.
#pragma once

#include <cmath>
#include <functional>

#include "tests/test.h"
#include "tests/train_matrix.h"

namespace edgefront::testing {

// Checks `analytic` (d loss / d x at the elements x walks over) against central differences of `loss`, which is evaluated in double from
// float inputs. Error of the difference: O(h^2 f''') + rounding of x + h (exactly representable steps remove that); h = 2^-10.
inline void CompareWithDifferences(const char* isa, const char* what, Padded& x, Padded& analytic, const std::function<double()>& loss) {
  const float h = 0x1p-10f;
  double scale = 0.05;  // inputs are of size 1, so gradients that cancel to less are rounding
  for (int i = 0; i < x.rows; ++i) {
    for (int j = 0; j < x.cols; ++j) scale = std::fmax(scale, std::fabs(static_cast<double>(analytic.at(i, j))));
  }
  double worst = 0;
  int at_i = 0, at_j = 0;
  for (int i = 0; i < x.rows; ++i) {
    for (int j = 0; j < x.cols; ++j) {
      const float saved = x.at(i, j);
      const float up = saved + h, down = saved - h;
      x.at(i, j) = up;
      const double f1 = loss();
      x.at(i, j) = down;
      const double f0 = loss();
      x.at(i, j) = saved;
      const double difference = (f1 - f0) / (static_cast<double>(up) - static_cast<double>(down));
      const double error = std::fabs(difference - static_cast<double>(analytic.at(i, j)));
      if (error > worst) {
        worst = error;
        at_i = i;
        at_j = j;
      }
    }
  }
  // Curvature of these functions is of the size of their gradients: h^2 = 1e-6, times a margin of 20; fp32 rounding is below that.
  CHECK_MSG(worst <= 2e-5 * scale,
            isa << " " << what << ": error " << worst << " at (" << at_i << ", " << at_j << "), gradients up to " << scale);
}

}  // namespace edgefront::testing
