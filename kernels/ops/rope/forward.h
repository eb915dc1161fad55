// Rotary position embedding (Su et al., 2021) of one head: pair i is rotated by position * base^(-2i/hd).
#ifndef EDGEFRONT_OPS_ROPE_FORWARD_H_
#define EDGEFRONT_OPS_ROPE_FORWARD_H_

#include <cstddef>

namespace edgefront {
namespace {

// Rotates x [head_dim] in place by cos_sin [hd/2][2]. Pairs are (2i, 2i+1) if interleaved, else (i, i +
// hd/2).
inline void Rope(float* x, const float* cos_sin, size_t head_dim, bool interleaved) {
  const size_t half = head_dim / 2, step = interleaved ? 2 : 1, other = interleaved ? 1 : half;
  for (size_t i = 0; i < half; ++i) {
    const float a = x[i * step], b = x[i * step + other], c = cos_sin[2 * i], s = cos_sin[2 * i + 1];
    x[i * step] = a * c - b * s;
    x[i * step + other] = a * s + b * c;
  }
}

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_OPS_ROPE_FORWARD_H_
