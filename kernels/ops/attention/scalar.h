// Reference attention: one query row and one key at a time, scores and sums in double.
#ifndef EDGEFRONT_OPS_ATTENTION_SCALAR_H_
#define EDGEFRONT_OPS_ATTENTION_SCALAR_H_

#include <cmath>

#include "quant/half.h"
#include "targets/kernels.h"

namespace edgefront {
namespace {

inline float KeyAt(const KvHead& kv, size_t slot, size_t i) {
  const size_t at = (slot / 16 * kv.hd + i) * 16 + slot % 16;
  if (kv.format == KvFormat::kF16) return F16ToF32(static_cast<const uint16_t*>(kv.k)[at]);
  if (kv.format == KvFormat::kF32) return static_cast<const float*>(kv.k)[at];
  return static_cast<float>(static_cast<const int8_t*>(kv.k)[at]) *
         F16ToF32(kv.k_scale[(slot / 16 * (kv.hd / 32) + i / 32) * 16 + slot % 16]);
}

inline float ValueAt(const KvHead& kv, size_t slot, size_t i) {
  if (kv.format == KvFormat::kF16) return F16ToF32(static_cast<const uint16_t*>(kv.v)[slot * kv.hd + i]);
  if (kv.format == KvFormat::kF32) return static_cast<const float*>(kv.v)[slot * kv.hd + i];
  return static_cast<float>(static_cast<const int8_t*>(kv.v)[slot * kv.hd + i]) * F16ToF32(kv.v_scale[slot * (kv.hd / 32) + i / 32]);
}

inline double KeyScore(const AttendArgs& g, int r, uint32_t position) {
  double s = 0;
  for (size_t i = 0; i < g.kv.hd; ++i) s += static_cast<double>(g.q[r * g.kv.hd + i]) * KeyAt(g.kv, position % g.kv.ring, i);
  return s * g.scale;
}

float& WeightAt(const AttendArgs& g, int r, uint32_t position) {
  const size_t i = position - g.begin;
  return g.weights[(i / kAttendBlock * g.rows + r) * kAttendBlock + i % kAttendBlock];
}

// The two functions of the kernel table; targets/kernels.h has the contract of AttendArgs.
void ScalarAttendWeights(const AttendArgs& g) {
  for (int r = 0; r < g.rows; ++r) {
    const uint32_t from = g.first[r] > g.begin ? g.first[r] : g.begin;
    const uint32_t to = g.last[r] + 1 < g.end ? g.last[r] + 1 : g.end;
    const uint32_t stored = (g.end - g.begin + kAttendBlock - 1) / kAttendBlock * kAttendBlock;
    for (uint32_t p = g.begin; p < g.begin + stored; ++p) WeightAt(g, r, p) = 0;
    float largest = -3.0e38f;
    for (uint32_t p = from; p < to; ++p) {  // scores are computed twice: floats would lose precision
      const float s = static_cast<float>(KeyScore(g, r, p));
      largest = s > largest ? s : largest;
    }
    double sum = 0;
    for (uint32_t p = from; p < to; ++p) {
      const double e = std::exp(KeyScore(g, r, p) - largest);
      sum += e;
      WeightAt(g, r, p) = static_cast<float>(e);
    }
    g.max[r] = largest;
    g.sum[r] = static_cast<float>(sum);
  }
}

void ScalarAttendValues(const AttendArgs& g) {
  for (int r = 0; r < g.rows; ++r) {
    for (size_t i = 0; i < g.kv.hd; ++i) {
      double sum = 0;
      for (uint32_t p = g.begin; p < g.end; ++p) {
        const float w = WeightAt(g, r, p) * g.factor[r];
        sum += static_cast<double>(g.kv.format == KvFormat::kF16 ? F16ToF32(F32ToF16(w)) : w) * ValueAt(g.kv, p % g.kv.ring, i);
      }
      g.out[r * g.kv.hd + i] = static_cast<float>(sum);
    }
  }
}

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_OPS_ATTENTION_SCALAR_H_
