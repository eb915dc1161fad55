// Writes one position of one KV head into the cache, in its layout and precision. Values for F16 are clamped
// to the largest finite number, so that masked slots never hold infinities.
#ifndef EDGEFRONT_OPS_ATTENTION_STORE_KV_H_
#define EDGEFRONT_OPS_ATTENTION_STORE_KV_H_

#include <cstddef>

#include "quant/half.h"
#include "targets/kernels.h"

namespace edgefront {
namespace {

// Quantises x [n], n <= 32, to 32 int8 values that lie `stride` apart in q. Values from n on count as 0.
// Returns the scale.
inline float StoreBlock(const float* x, size_t n, int8_t* q, size_t stride) {
  float largest = 0;
  for (size_t i = 0; i < n; ++i) {
    const float a = x[i] < 0 ? -x[i] : x[i];
    largest = a > largest ? a : largest;
  }
  const float scale = F16ToF32(FiniteF16(largest / 127.0f));
  const float inverse = scale > 0 ? 1.0f / scale : 0.0f;
  for (size_t i = 0; i < 32; ++i) {
    const float r = i < n ? x[i] * inverse : 0.0f;
    const float low = r < 127.0f ? r : 127.0f;  // NaN becomes 127
    const float c = low > -127.0f ? low : -127.0f;
    q[i * stride] = static_cast<int8_t>(c < 0 ? c - 0.5f : c + 0.5f);
  }
  return scale;
}

// Writes k [head_dim] and v [head_dim] into slot `slot`.
inline void StoreKv(const KvHead& kv, size_t slot, const float* k, const float* v, size_t head_dim) {
  const size_t panel = slot / 16, lane = slot % 16;
  if (kv.format == KvFormat::kF16) {
    uint16_t* ks = static_cast<uint16_t*>(kv.k) + panel * kv.hd * 16 + lane;
    uint16_t* vs = static_cast<uint16_t*>(kv.v) + slot * kv.hd;
    for (size_t i = 0; i < head_dim; ++i) ks[16 * i] = FiniteF16(k[i]);
    for (size_t i = 0; i < head_dim; ++i) vs[i] = FiniteF16(v[i]);
    return;
  }
  if (kv.format == KvFormat::kF32) {
    float* ks = static_cast<float*>(kv.k) + panel * kv.hd * 16 + lane;
    float* vs = static_cast<float*>(kv.v) + slot * kv.hd;
    for (size_t i = 0; i < head_dim; ++i) ks[16 * i] = k[i];
    for (size_t i = 0; i < head_dim; ++i) vs[i] = v[i];
    return;
  }
  int8_t* ks = static_cast<int8_t*>(kv.k) + panel * kv.hd * 16 + lane;
  int8_t* vs = static_cast<int8_t*>(kv.v) + slot * kv.hd;
  for (size_t b = 0; b < kv.hd / 32; ++b) {
    const size_t n = head_dim - 32 * b < 32 ? head_dim - 32 * b : 32;
    kv.k_scale[(panel * (kv.hd / 32) + b) * 16 + lane] = FiniteF16(StoreBlock(k + 32 * b, n, ks + 512 * b, 16));
    kv.v_scale[slot * (kv.hd / 32) + b] = FiniteF16(StoreBlock(v + 32 * b, n, vs + 32 * b, 1));
  }
}

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_OPS_ATTENTION_STORE_KV_H_
