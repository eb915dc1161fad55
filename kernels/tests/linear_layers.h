// Rows of the table of mixers (tests/layers.h): linear attention, gated linear attention, Kimi Delta Attention.
#ifndef EDGEFRONT_TESTS_LINEAR_LAYERS_H_
#define EDGEFRONT_TESTS_LINEAR_LAYERS_H_

#include <vector>

#include "tests/test_mixer.h"

namespace edgefront::testing {

inline LayerSpec LinearLayer(Mixer mixer, uint32_t heads, uint32_t key_dim, uint32_t value_dim, uint32_t taps, uint32_t ffn) {
  LayerSpec l;
  l.mixer = mixer;
  l.linear = {heads, key_dim, value_dim, taps};
  l.ffn = ffn;
  return l;
}
inline LayerSpec LinLayer(uint32_t heads, uint32_t dim, uint32_t ffn) { return LinearLayer(Mixer::kLin, heads, dim, dim, 0, ffn); }
inline LayerSpec GlaLayer(uint32_t heads, uint32_t key_dim, uint32_t value_dim, uint32_t ffn) {
  return LinearLayer(Mixer::kGla, heads, key_dim, value_dim, 0, ffn);
}
inline LayerSpec KdaLayer(uint32_t heads, uint32_t dim, uint32_t taps, uint32_t ffn) {
  return LinearLayer(Mixer::kKda, heads, dim, dim, taps, ffn);
}
inline LayerSpec KdaConvLayer(uint32_t heads, uint32_t dim, uint32_t taps, uint32_t ffn) {
  return LinearLayer(Mixer::kKdaConv, heads, 0, dim, taps, ffn);
}

// The keys of all kinds with LinearSpec, the first two; of those with a convolution or other keys, one more.
inline std::vector<LayerKey> LinearKeys() {
  return {SsmKey("ssm.inner_size", [](const LayerSpec& l) -> double { return static_cast<double>(l.linear.value_width()); }),
          SsmKey("ssm.time_step_rank", [](const LayerSpec& l) -> double { return l.linear.heads; })};
}
inline std::vector<LayerKey> GlaKeys() {
  std::vector<LayerKey> keys = LinearKeys();
  keys.push_back(SsmKey("ssm.state_size", [](const LayerSpec& l) -> double { return l.linear.key_dim; }));
  return keys;
}
inline std::vector<LayerKey> KdaKeys() {
  std::vector<LayerKey> keys = LinearKeys();
  keys.push_back(SsmKey("ssm.conv_kernel", [](const LayerSpec& l) -> double { return l.linear.taps; }));
  return keys;
}

inline TestMixer LinRow() {
  return {
      .mixer = Mixer::kLin,
      .name = [](const LayerSpec&) { return "lin"; },
      .keys = LinearKeys(),
      .alone = [](uint32_t ffn) -> std::vector<Layout> {
        return {
            {"linear attention, 2 heads of 32", {LinLayer(2, 32, ffn)}},
            {"linear attention, heads of 1 and 160", {LinLayer(32, 1, ffn), LinLayer(1, 160, 2 * ffn)}},
        };
      },
      .hybrid = [](uint32_t ffn) -> std::vector<LayerSpec> { return {LinLayer(4, 24, ffn)}; },
      .trained = {LinLayer(2, 16, 40), LinLayer(3, 10, 24)},
      .seeing = [](uint32_t n) { return LinLayer(1 + n % 3, 5 + n, 16); },
  };
}

inline TestMixer GlaRow() {
  return {
      .mixer = Mixer::kGla,
      .name = [](const LayerSpec&) { return "gla"; },
      .keys = GlaKeys(),
      .alone = [](uint32_t ffn) -> std::vector<Layout> {
        return {
            {"gated attention, 2 heads of 32", {GlaLayer(2, 32, 32, ffn)}},
            {"gated attention, heads of 1 x 32 and 96 x 160", {GlaLayer(3, 1, 32, ffn), GlaLayer(1, 96, 160, 2 * ffn)}},
        };
      },
      .hybrid = [](uint32_t ffn) -> std::vector<LayerSpec> { return {GlaLayer(4, 16, 40, ffn)}; },
      .trained = {GlaLayer(2, 16, 8, 40), GlaLayer(3, 10, 20, 24)},
      .seeing = nullptr,
  };
}

inline TestMixer KdaRow() {
  return {
      .mixer = Mixer::kKda,
      .name = [](const LayerSpec&) { return "kda"; },
      .keys = KdaKeys(),
      .alone = [](uint32_t ffn) -> std::vector<Layout> {
        return {
            {"delta rule by channel, 2 heads of 32", {KdaLayer(2, 32, 4, ffn)}},
            {"delta rule by channel, one tap, small and wide heads", {KdaLayer(32, 1, 1, ffn), KdaLayer(1, 160, 8, 2 * ffn)}},
        };
      },
      .hybrid = [](uint32_t ffn) -> std::vector<LayerSpec> { return {KdaLayer(2, 64, 4, ffn)}; },
      .trained = {KdaLayer(2, 16, 4, 40), KdaLayer(3, 10, 3, 24)},
      // Many taps make the first keys short, and their gradients steep.
      .seeing = [](uint32_t n) { return KdaLayer(1 + n % 2, 6 + n, 1 + n % 4, 16); },
  };
}

inline TestMixer KdaConvRow() {
  return {
      .mixer = Mixer::kKdaConv,
      .name = [](const LayerSpec&) { return "kda.conv"; },
      .keys = KdaKeys(),
      .alone = [](uint32_t ffn) -> std::vector<Layout> {
        return {{"convolution of the delta rule by channel", {KdaConvLayer(2, 32, 4, ffn), KdaConvLayer(1, 96, 1, ffn)}}};
      },
      .hybrid = [](uint32_t ffn) -> std::vector<LayerSpec> { return {KdaConvLayer(4, 64, 3, ffn)}; },
      .trained = {KdaConvLayer(2, 16, 4, 40), KdaConvLayer(3, 20, 2, 24)},
      .seeing = [](uint32_t n) { return KdaConvLayer(2, 6 + n, n, 16); },
  };
}

}  // namespace edgefront::testing

#endif  // EDGEFRONT_TESTS_LINEAR_LAYERS_H_
