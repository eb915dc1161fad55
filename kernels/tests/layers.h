// Layers for the models in tests of inference and training: one function for each kind of mixer.
#ifndef EDGEFRONT_TESTS_LAYERS_H_
#define EDGEFRONT_TESTS_LAYERS_H_

#include <cstdint>

#include "infer/model_spec.h"

namespace edgefront::testing {

inline LayerSpec ConvLayer(uint32_t taps, uint32_t ffn) {
  LayerSpec l;
  l.mixer = Mixer::kConv;
  l.conv.taps = taps;
  l.ffn = ffn;
  return l;
}

// `window` is the number of positions that a query sees; 0: all.
inline LayerSpec AttentionLayer(uint32_t heads, uint32_t kv_heads, uint32_t head_dim, uint32_t ffn, uint32_t window = 0,
                                bool qk_norm = true, float rope_base = 1e4f) {
  LayerSpec l;
  l.mixer = Mixer::kAttention;
  l.attention = {heads, kv_heads, head_dim, window, qk_norm, rope_base};
  l.ffn = ffn;
  return l;
}

}  // namespace edgefront::testing

#endif  // EDGEFRONT_TESTS_LAYERS_H_
