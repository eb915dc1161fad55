// Reference product: each row of the panel is unpacked to its exact float values and multiplied in double.
// Quantised weights use the same int8 activations, scale * q, as the fast path.
#ifndef EDGEFRONT_OPS_MATMUL_SCALAR_H_
#define EDGEFRONT_OPS_MATMUL_SCALAR_H_

#include "quant/panel.h"
#include "targets/kernels.h"

namespace edgefront {
namespace {

void ScalarPanelMul(DType type, size_t k, const uint8_t* panel, size_t panels, const Activations& a, size_t t0, size_t n, float* out) {
  constexpr size_t kStrip = 256;  // columns at a time, so that nothing is allocated
  const bool quantised = IsQuantised(type);
  for (size_t i = 0; i < n; ++i) {
    for (size_t r = 0; r < kPanelRows * panels; ++r) {
      double sum = 0;
      for (size_t c = 0; c < k; c += kStrip) {
        float w[kStrip];
        const size_t m = k - c < kStrip ? k - c : kStrip;
        UnpackColumns(type, panel + r / kPanelRows * PanelBytes(type, k), r % kPanelRows, c, m, w);
        for (size_t j = 0; j < m; ++j) {
          const size_t t = t0 + i, at = c + j;
          const float x = quantised ? a.scale[t * (k / 32) + at / 32] * static_cast<float>(a.q[t * k + at]) : a.f32[t * a.stride + at];
          sum += static_cast<double>(w[j]) * x;
        }
      }
      out[kPanelRows * panels * i + r] = static_cast<float>(sum);
    }
  }
}

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_OPS_MATMUL_SCALAR_H_
