// Attention over the cache in blocks of 64 keys. Keys and values are read once for all query rows of a call.
// Uses the vector interface and the float tile.
#ifndef EDGEFRONT_OPS_ATTENTION_FORWARD_H_
#define EDGEFRONT_OPS_ATTENTION_FORWARD_H_

#include "ops/matmul/forward.h"
#include "quant/half.h"
#include "simd/plain_loops.h"
#include "targets/kernels.h"

namespace edgefront {
namespace {

constexpr size_t kBlock = kAttendBlock;
constexpr float kMasked = -3.0e38f;

// Computes scores [rows][64] = q . k for 64 slots from `slot`. scratch: [rows][64].
inline void Scores(const AttendArgs& g, size_t slot, float* scores, float* scratch) {
  const size_t hd = g.kv.hd, rows = g.rows;
  if (g.kv.format == KvFormat::kF16) {
    const uint16_t* k = static_cast<const uint16_t*>(g.kv.k) + slot * hd;
    return FloatMul<AsF16>(g.q, hd, rows, k, 16, kBlock / 16, hd * 16, hd, scores, kBlock, 16, false);
  }
  if (g.kv.format == KvFormat::kF32) {
    const float* k = static_cast<const float*>(g.kv.k) + slot * hd;
    return FloatMul<AsF32>(g.q, hd, rows, k, 16, kBlock / 16, hd * 16, hd, scores, kBlock, 16, false);
  }
  const int8_t* k = static_cast<const int8_t*>(g.kv.k) + slot * hd;
  const size_t blocks = hd / 32;
  for (size_t b = 0; b < blocks; ++b) {
    FloatMul<AsI8>(g.q + 32 * b, hd, rows, k + 512 * b, 16, kBlock / 16, hd * 16, 32, scratch, kBlock, 16, false);
    float scale[kBlock];
    for (size_t j = 0; j < kBlock; j += Simd::kLanes)
      Simd::Store(scale + j, Simd::LoadF16(g.kv.k_scale + ((slot + j) / 16 * blocks + b) * 16 + j % 16));
    for (size_t r = 0; r < rows; ++r)
      for (size_t j = 0; j < kBlock; ++j)
        scores[r * kBlock + j] = (b == 0 ? 0.0f : scores[r * kBlock + j]) + scratch[r * kBlock + j] * scale[j];
  }
}

// Adds p . v over n slots from `slot` to g.out [rows][hd]. p: [rows][64]; scratch: [rows][64].
inline void AddValues(const AttendArgs& g, size_t slot, size_t n, const float* p, float* scratch) {
  const size_t hd = g.kv.hd, rows = g.rows;
  if (g.kv.format == KvFormat::kF16) {
    const uint16_t* v = static_cast<const uint16_t*>(g.kv.v) + slot * hd;
    return FloatMul<AsF16>(p, kBlock, rows, v, hd, hd / 16, 16, n, g.out, hd, 16, true);
  }
  if (g.kv.format == KvFormat::kF32) {
    const float* v = static_cast<const float*>(g.kv.v) + slot * hd;
    return FloatMul<AsF32>(p, kBlock, rows, v, hd, hd / 16, 16, n, g.out, hd, 16, true);
  }
  const int8_t* v = static_cast<const int8_t*>(g.kv.v) + slot * hd;
  const size_t blocks = hd / 32;
  for (size_t b = 0; b < blocks; ++b) {
    for (size_t j = 0; j < n; ++j) {
      const float scale = F16ToF32(g.kv.v_scale[(slot + j) * blocks + b]);
      for (size_t r = 0; r < rows; ++r) scratch[r * kBlock + j] = p[r * kBlock + j] * scale;
    }
    FloatMul<AsI8>(scratch, kBlock, rows, v + 32 * b, hd, 2, 16, n, g.out + 32 * b, hd, 16, true);
  }
}

template <class T, class Op>
inline T Fold64(const T* x, Op op) {  // a tree, for short chains of dependent operations
  T lanes[16];
  for (int j = 0; j < 16; ++j) lanes[j] = op(op(x[j], x[j + 16]), op(x[j + 32], x[j + 48]));
  for (int j = 0; j < 8; ++j) lanes[j] = op(lanes[j], lanes[j + 8]);
  for (int j = 0; j < 4; ++j) lanes[j] = op(lanes[j], lanes[j + 4]);
  return op(op(lanes[0], lanes[2]), op(lanes[1], lanes[3]));
}

// The two functions of the kernel table; targets/kernels.h has the contract of AttendArgs.
inline void AttendWeights(const AttendArgs& g) {
  const size_t rows = g.rows;
  for (size_t r = 0; r < rows; ++r) g.max[r] = kMasked, g.sum[r] = 0;
  float* s = g.weights;
  for (uint32_t at = g.begin; at < g.end; at += kBlock) {
    Scores(g, at % g.kv.ring, s, g.scratch);
    for (size_t r = 0; r < rows; ++r, s += kBlock) {
      for (size_t j = 0; j < kBlock; ++j) s[j] *= g.scale;
      const uint32_t from = g.first[r] > at ? g.first[r] - at : 0;
      const uint32_t to = g.last[r] < at ? 0 : g.last[r] - at + 1;
      if (from > 0 || to < kBlock)
        for (uint32_t j = 0; j < kBlock; ++j) s[j] = j >= from && j < to ? s[j] : kMasked;
      const float largest = Fold64(s, [](float a, float b) { return a > b ? a : b; });
      if (largest > g.max[r]) g.max[r] = largest;
    }
  }
  s = g.weights;
  for (uint32_t at = g.begin; at < g.end; at += kBlock)
    for (size_t r = 0; r < rows; ++r, s += kBlock) {
      const float largest = g.max[r] > kMasked ? g.max[r] : 0;  // if no key is visible, all weights become 0
      for (size_t j = 0; j < kBlock; ++j) s[j] = FastExp(s[j] - largest);
      g.sum[r] += Fold64(s, [](float a, float b) { return a + b; });
    }
}

inline void AttendValues(const AttendArgs& g) {
  const size_t hd = g.kv.hd, rows = g.rows;
  for (size_t i = 0; i < rows * hd; ++i) g.out[i] = 0;
  float* w = g.weights;
  for (uint32_t at = g.begin; at < g.end; at += kBlock, w += rows * kBlock) {
    for (size_t r = 0; r < rows; ++r) {
      const float factor = g.factor[r];
      float* row = w + r * kBlock;
      if (g.kv.format == KvFormat::kF16) {
        for (size_t j = 0; j < kBlock; ++j) row[j] = RoundToF16(row[j] * factor);
      } else {
        for (size_t j = 0; j < kBlock; ++j) row[j] *= factor;
      }
    }
    AddValues(g, at % g.kv.ring, g.end - at < kBlock ? g.end - at : kBlock, w, g.scratch);
  }
}

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_OPS_ATTENTION_FORWARD_H_
