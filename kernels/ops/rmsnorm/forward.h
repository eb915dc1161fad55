// RMSNorm (Zhang and Sennrich, 2019): out = x / sqrt(mean(x^2) + eps) * weight.
#ifndef EDGEFRONT_OPS_RMSNORM_FORWARD_H_
#define EDGEFRONT_OPS_RMSNORM_FORWARD_H_

#include <cmath>
#include <cstddef>

namespace edgefront {
namespace {

// Computes out [n]. Squares are floats and their sum a double, as in ggml, so that both engines round the
// scale alike. Compilers vectorise the sixteen partial sums.
inline void RmsNorm(const float* x, const float* weight, size_t n, float eps, float* out) {
  double part[16] = {};
  size_t i = 0;
  for (; i + 16 <= n; i += 16)
    for (size_t j = 0; j < 16; ++j) part[j] += x[i + j] * x[i + j];
  for (size_t j = 0; i + j < n; ++j) part[j] += x[i + j] * x[i + j];
  double sum = 0;
  for (size_t j = 0; j < 16; ++j) sum += part[j];
  const float mean = static_cast<float>(sum / static_cast<double>(n));
  const float scale = 1.0f / std::sqrt(mean + eps);
  for (i = 0; i < n; ++i) out[i] = x[i] * scale * weight[i];
}

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_OPS_RMSNORM_FORWARD_H_
