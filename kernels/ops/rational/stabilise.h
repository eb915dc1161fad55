// The bound on the denominator of a rational transfer function, shared by inference and training.
#ifndef EDGEFRONT_OPS_RATIONAL_STABILISE_H_
#define EDGEFRONT_OPS_RATIONAL_STABILISE_H_

#include <cmath>
#include <cstddef>

namespace edgefront {

// Returns the number that divides a channel's `order` coefficients, `stride` floats apart. The absolute
// values of the quotients then sum to less than 1, so all poles lie within the unit circle (Montel's bound).
inline double DenominatorBound(const float* a, size_t order, size_t stride, float slack) {
  double sum = std::fabs(static_cast<double>(slack)) + 1e-6;
  for (size_t i = 0; i < order; ++i) sum += std::fabs(static_cast<double>(a[i * stride]));
  return sum;
}

}  // namespace edgefront

#endif  // EDGEFRONT_OPS_RATIONAL_STABILISE_H_
