// The members of a row of the table in tests/layers.h.
#ifndef EDGEFRONT_TESTS_TEST_MIXER_H_
#define EDGEFRONT_TESTS_TEST_MIXER_H_

#include <cstdint>
#include <vector>

#include "infer/model_spec.h"

namespace edgefront::testing {

struct Layout {
  const char* name;
  std::vector<LayerSpec> layers;
};

// A metadata key with one value for each layer. Mixers may share a key.
struct LayerKey {
  enum Type { kInt, kFloat, kBool };

  const char* key;  // without "edgefront."
  Type type;
  double otherwise;  // value in layers of other mixers
  double (*of)(const LayerSpec& layer);
};

// One kind of mixer, as the tests use it. `ffn` is the width of a layer's FFN.
struct TestMixer {
  Mixer mixer;
  const char* (*name)(const LayerSpec& layer);  // value of edgefront.layer.mixer
  std::vector<LayerKey> keys;
  std::vector<Layout> (*alone)(uint32_t ffn);      // layouts without other mixers, with the extremes
  std::vector<LayerSpec> (*hybrid)(uint32_t ffn);  // layers for the engine's layout with all mixers
  std::vector<LayerSpec> trained;                  // layers for training, of sizes that need padding
  // A further layer for gradients, in which a token sees n positions; null if `trained` suffices, because a
  // token sees all.
  LayerSpec (*seeing)(uint32_t n);
};

// Returns a key with whole numbers, 0 in layers of other mixers.
inline LayerKey SsmKey(const char* key, double (*of)(const LayerSpec& layer)) { return {key, LayerKey::kInt, 0, of}; }

}  // namespace edgefront::testing

#endif  // EDGEFRONT_TESTS_TEST_MIXER_H_
