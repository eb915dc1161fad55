// Reference of the element-wise gates and features of linear attention, in double.
#ifndef EDGEFRONT_OPS_GATES_SCALAR_H_
#define EDGEFRONT_OPS_GATES_SCALAR_H_

#include <cmath>
#include <cstddef>

namespace edgefront {
namespace {

void ScalarSigmoidGate(const float* gate, const float* up, size_t n, float* out) {
  for (size_t i = 0; i < n; ++i) out[i] = static_cast<float>(up[i] / (1.0 + std::exp(-static_cast<double>(gate[i]))));
}

void ScalarEluPlusOne(float* x, size_t n) {
  for (size_t i = 0; i < n; ++i) x[i] = x[i] > 0 ? x[i] + 1.0f : static_cast<float>(std::exp(static_cast<double>(x[i])));
}

void ScalarDecays(const float* bias, float sign, float rate, size_t n, float* x) {
  for (size_t i = 0; i < n; ++i) {
    const double y = static_cast<double>(sign) * (x[i] + bias[i]), softplus = std::fmax(y, 0.0) + std::log1p(std::exp(-std::fabs(y)));
    x[i] = static_cast<float>(std::exp(rate * softplus));
  }
}

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_OPS_GATES_SCALAR_H_
