// The reference table: the plainest correct version of every loop, with sums in double. It runs anywhere, and
// the other tables are tested against it. RoPE and cache stores are exact element-wise code, shared with the
// others.
#include <cmath>

#include "ops/attention/scalar.h"
#include "ops/attention/store_kv.h"
#include "ops/delta/scalar.h"
#include "ops/gates/scalar.h"
#include "ops/mamba/scalar.h"
#include "ops/matmul/scalar.h"
#include "ops/modal/scalar.h"
#include "ops/rational/scalar.h"
#include "ops/rope/forward.h"
#include "ops/ssm/scalar.h"
#include "targets/kernels.h"

namespace edgefront {
namespace {

void ScalarQuantise(const float* x, size_t k, size_t share, int8_t* q, float* scale, int32_t* sum8, int16_t* sum16) {
  for (size_t b = 0; b < k / 32; ++b) {
    const size_t from = 32 * b / share * share;
    float largest = 0;
    for (size_t i = from; i < from + share; ++i) largest = std::fmax(largest, std::fabs(x[i]));
    const float inverse = largest > 0 ? 127.0f / largest : 0.0f;
    scale[b] = share == 32 ? RoundTo11Bits(largest / 127.0f) : largest > 0 ? 1.0f / inverse : 0.0f;
    int sums[2] = {};
    for (size_t i = 0; i < 32; ++i) {
      q[32 * b + i] = static_cast<int8_t>(std::fmax(-127.0f, std::fmin(127.0f, std::nearbyint(x[32 * b + i] * inverse))));
      sums[i / 16] += q[32 * b + i];
    }
    sum16[2 * b] = static_cast<int16_t>(sums[0]);
    sum16[2 * b + 1] = static_cast<int16_t>(sums[1]);
    sum8[b] = -8 * (sums[0] + sums[1]);
  }
}

void ScalarRmsNorm(const float* x, const float* weight, size_t n, float eps, float* out) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * x[i];
  const double scale = 1.0 / std::sqrt(sum / static_cast<double>(n) + eps);
  for (size_t i = 0; i < n; ++i) out[i] = static_cast<float>(x[i] * scale * weight[i]);
}

void ScalarSwiGlu(const float* gate, const float* up, size_t n, float* out) {
  for (size_t i = 0; i < n; ++i) out[i] = static_cast<float>(gate[i] / (1.0 + std::exp(-static_cast<double>(gate[i]))) * up[i]);
}

void ScalarConv(const ConvArgs& g) {
  const size_t past = g.k - 1;
  for (size_t c = g.c0; c < g.c1; ++c) {
    for (size_t t = 0; t < g.n; ++t) {
      float* row = g.proj + 3 * g.d * t + c;
      const float y = row[0] * row[2 * g.d];
      double z = static_cast<double>(g.taps[past * g.d + c]) * y;
      for (size_t j = 0; j < past; ++j) z += static_cast<double>(g.taps[j * g.d + c]) * g.state[j * g.d + c];
      for (size_t j = 0; j + 1 < past; ++j) g.state[j * g.d + c] = g.state[(j + 1) * g.d + c];
      if (past > 0) g.state[(past - 1) * g.d + c] = y;
      row[g.d] = static_cast<float>(row[g.d] * z);
    }
  }
}

// Channel by channel: `window` is the state and the inputs in order of time.
void ScalarConvSilu(const ConvSiluArgs& g) {
  const size_t past = g.k - 1;
  for (size_t c = g.c0; c < g.c1; ++c) {
    float window[kMostConvTaps];
    for (size_t j = 0; j < past; ++j) window[j] = g.state[j * g.d + c];
    for (size_t t = 0; t < g.n; ++t) {
      float* x = g.x + t * g.stride + c;
      window[past] = *x;
      double z = g.bias != nullptr ? g.bias[c] : 0.0;
      for (size_t j = 0; j < g.k; ++j) z += static_cast<double>(g.taps[j * g.d + c]) * window[j];
      for (size_t j = 0; j < past; ++j) window[j] = window[j + 1];
      *x = static_cast<float>(z / (1.0 + std::exp(-z)));
    }
    for (size_t j = 0; j < past; ++j) g.state[j * g.d + c] = window[j];
  }
}

}  // namespace

const Kernels& ScalarKernels() {
  static constexpr Kernels kTable = {Isa::kScalar,      ScalarPanelMul, ScalarQuantise, ScalarRmsNorm, ScalarSwiGlu, ScalarSigmoidGate,
                                     ScalarEluPlusOne,  ScalarDecays,   Rope,           ScalarConv,    ScalarModal,  ScalarRational,
                                     ScalarConvSilu,    ScalarSsm,      ScalarMamba,    ScalarDelta,   StoreKv,      ScalarAttendWeights,
                                     ScalarAttendValues};
  return kTable;
}

}  // namespace edgefront
