// Small functions and constants of linear attention and the delta rule: rates, decays, and vectors of unit length.
// Inference and training share the formulas. Mamba-2's are in ops/ssm/.
#ifndef EDGEFRONT_OPS_DELTA_RATES_H_
#define EDGEFRONT_OPS_DELTA_RATES_H_

#include <cmath>
#include <cstddef>

namespace edgefront {

inline constexpr double kUnitEpsilon = 1e-6;  // added to the squared length, so that a zero vector stays zero

// Added to the divisors of linear attention, as in the code of arXiv 2006.16236, because features may underflow to 0.
inline constexpr float kDivisorEpsilon = 1e-6f;
// The rate of gated linear attention (arXiv 2312.06635): its decay sigmoid(y)^(1/16) is e^(-softplus(-y) / 16).
inline constexpr float kGlaRate = -1.0f / 16.0f;

// Returns 1 / (1 + e^-x); 0 and 1 where the exponential overflows.
inline float Sigmoid(float x) { return static_cast<float>(1.0 / (1.0 + std::exp(-static_cast<double>(x)))); }

// Returns ln(1 + e^x), without overflow and to full precision for any x.
inline double Softplus(double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }

// Returns the factor e^(a softplus(x)) by which a state with the decay rate a <= 0 decays in one token.
inline float DecayOf(float a, float x) { return static_cast<float>(std::exp(a * Softplus(x))); }

// Returns 1 / |x|, or almost that for vectors near zero. x: [n].
inline double InverseLength(const float* x, size_t n) {
  double sum = kUnitEpsilon;
  for (size_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * x[i];
  return 1.0 / std::sqrt(sum);
}

// Gives x [n] the length `scale`.
inline void UnitLength(float* x, size_t n, double scale) {
  const float factor = static_cast<float>(scale * InverseLength(x, n));
  for (size_t i = 0; i < n; ++i) x[i] *= factor;
}

inline float DotProduct(const float* x, const float* y, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * y[i];
  return static_cast<float>(sum);
}

}  // namespace edgefront

#endif  // EDGEFRONT_OPS_DELTA_RATES_H_
