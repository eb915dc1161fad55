// Loads vectors of a filter's weights, one value for each channel of a strip.
#ifndef EDGEFRONT_OPS_GATED_LOAD_STRIP_H_
#define EDGEFRONT_OPS_GATED_LOAD_STRIP_H_

#include "ops/gated/strips.h"

namespace edgefront {
namespace {

inline constexpr int kStripVectors = kFilterStrip / Simd::kLanes;

// Vector `v` of `row` [channels]. A strip at the edge is filled up with zeros, because the weights end there.
template <bool whole>
inline Simd::F LoadStrip(const float* row, int v, size_t channels) {
  const size_t first = v * Simd::kLanes;
  if constexpr (whole) return Simd::Load(row + first);
  float filled[Simd::kLanes] = {};
  for (size_t c = first; c < channels && c < first + Simd::kLanes; ++c) filled[c - first] = row[c];
  return Simd::Load(filled);
}

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_OPS_GATED_LOAD_STRIP_H_
