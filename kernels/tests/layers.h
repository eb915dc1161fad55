// The table of mixers for tests of inference and training. A new mixer needs a function that returns a layer,
// and a row in TestMixers(); test_mixer.h says what a row has. Tests of plans, the engine, whole training steps
// and gradients read the table. The test EveryMixerIsListed fails if a mixer has no row. FFNs: ffns.h.
#ifndef EDGEFRONT_TESTS_LAYERS_H_
#define EDGEFRONT_TESTS_LAYERS_H_

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "tests/filter_layers.h"
#include "tests/linear_layers.h"
#include "tests/test_mixer.h"

namespace edgefront::testing {

inline LayerSpec ConvLayer(uint32_t taps, uint32_t ffn) {
  LayerSpec l;
  l.mixer = Mixer::kConv;
  l.conv.taps = taps;
  l.ffn = ffn;
  return l;
}

// Returns the layer with norms after its mixer and its FFN.
inline LayerSpec Sandwich(LayerSpec l) {
  l.sandwich = true;
  return l;
}

// `window` is the number of positions that a query sees; 0: all.
inline LayerSpec AttentionLayer(uint32_t heads, uint32_t kv_heads, uint32_t head_dim, uint32_t ffn, uint32_t window = 0,
                                bool qk_norm = true, float rope_base = 1e4f) {
  LayerSpec l;
  l.mixer = Mixer::kAttention;
  l.attention = {heads, kv_heads, head_dim, window, qk_norm, rope_base, head_dim, false};
  l.ffn = ffn;
  return l;
}

// Returns the layer of attention with RoPE of `rotated` channels of each head, and optionally output gates.
inline LayerSpec Rotating(LayerSpec l, uint32_t rotated, bool gate) {
  l.attention.rotated = rotated;
  l.attention.gate = gate;
  return l;
}

inline LayerSpec Mamba2Layer(uint32_t heads, uint32_t head_dim, uint32_t state, uint32_t groups, uint32_t taps, uint32_t ffn) {
  LayerSpec l;
  l.mixer = Mixer::kMamba2;
  l.mamba2 = {heads * head_dim, heads, state, groups, taps};
  l.ffn = ffn;
  return l;
}

inline LayerSpec GdnLayer(uint32_t key_heads, uint32_t value_heads, uint32_t key_dim, uint32_t value_dim, uint32_t taps, uint32_t ffn) {
  LayerSpec l;
  l.mixer = Mixer::kGdn;
  l.gdn = {key_heads, value_heads, key_dim, value_dim, taps};
  l.ffn = ffn;
  return l;
}

// Mamba-2's short convolution only.
inline LayerSpec Mamba2ConvLayer(uint32_t inner, uint32_t taps, uint32_t ffn, uint32_t groups = 1) {
  LayerSpec l;
  l.mixer = Mixer::kMamba2Conv;
  l.mamba2 = {inner, 0, 0, groups, taps};
  l.ffn = ffn;
  return l;
}

inline LayerSpec GdnConvLayer(uint32_t heads, uint32_t head_dim, uint32_t taps, uint32_t ffn) {
  LayerSpec l;
  l.mixer = Mixer::kGdnConv;
  l.gdn = {0, heads, 0, head_dim, taps};
  l.ffn = ffn;
  return l;
}

// Applies the weights of layer `owner` again.
inline LayerSpec Again(LayerSpec layer, uint32_t owner) {
  layer.weights_from = owner;
  return layer;
}

// Reads the keys and values of layer `owner`.
inline LayerSpec WithKvOf(LayerSpec layer, uint32_t owner) {
  layer.kv_from = owner;
  return layer;
}

inline TestMixer ConvRow() {
  return {
      .mixer = Mixer::kConv,
      .name = [](const LayerSpec&) { return "conv"; },
      .keys = {{"shortconv.l_cache", LayerKey::kInt, 0, [](const LayerSpec& l) -> double { return l.conv.taps; }}},
      .alone = [](uint32_t ffn) -> std::vector<Layout> {
        return {
            {"conv k=1", {ConvLayer(1, ffn)}},
            {"conv k=2", {ConvLayer(2, ffn), ConvLayer(2, ffn)}},
            {"conv k=3", {ConvLayer(3, ffn)}},
            {"conv k=4 to 7", {ConvLayer(4, ffn), ConvLayer(5, ffn), ConvLayer(6, ffn), ConvLayer(7, ffn)}},
            {"conv k=8", {ConvLayer(8, ffn), ConvLayer(8, ffn)}},
            {"norms after convolutions", {Sandwich(ConvLayer(3, ffn)), ConvLayer(3, ffn), Sandwich(ConvLayer(7, ffn))}},
        };
      },
      .hybrid = [](uint32_t ffn) -> std::vector<LayerSpec> { return {ConvLayer(3, ffn), ConvLayer(5, 2 * ffn)}; },
      .trained = {ConvLayer(3, 40), ConvLayer(8, 33)},
      .seeing = [](uint32_t n) { return ConvLayer(n, 16); },
  };
}

inline TestMixer AttentionRow() {
  constexpr auto kHeadDim = [](const LayerSpec& l) -> double { return l.attention.head_dim; };
  return {
      .mixer = Mixer::kAttention,
      .name = [](const LayerSpec& l) { return l.attention.window > 0 ? "swa" : "gqa"; },
      .keys = {{"attention.head_count", LayerKey::kInt, 0, [](const LayerSpec& l) -> double { return l.attention.heads; }},
               {"attention.head_count_kv", LayerKey::kInt, 0, [](const LayerSpec& l) -> double { return l.attention.kv_heads; }},
               {"attention.key_length", LayerKey::kInt, 0, kHeadDim},
               {"attention.value_length", LayerKey::kInt, 0, kHeadDim},
               {"rope.dimension_count", LayerKey::kInt, 0, kHeadDim},
               {"rope.freq_base", LayerKey::kFloat, 1, [](const LayerSpec& l) -> double { return l.attention.rope_base; }},
               {"rope.rotated_count", LayerKey::kInt, 0, [](const LayerSpec& l) -> double { return l.attention.rotated; }},
               {"attention.sliding_window", LayerKey::kInt, 0, [](const LayerSpec& l) -> double { return l.attention.window; }},
               {"attention.qk_norm", LayerKey::kBool, 0, [](const LayerSpec& l) -> double { return l.attention.qk_norm; }},
               {"attention.output_gate", LayerKey::kBool, 0, [](const LayerSpec& l) -> double { return l.attention.gate; }}},
      .alone = [](uint32_t ffn) -> std::vector<Layout> {
        return {
            {"MHA", {AttentionLayer(4, 4, 32, ffn)}},
            {"GQA", {AttentionLayer(6, 2, 32, ffn)}},
            {"MQA, 12 heads", {AttentionLayer(12, 1, 32, ffn)}},
            {"heads of 40, 48, 80, 128, a width each",
             {AttentionLayer(4, 2, 40, ffn), AttentionLayer(4, 4, 48, 2 * ffn), AttentionLayer(2, 1, 80, ffn),
              AttentionLayer(1, 1, 128, 3 * ffn)}},
            {"hd 256", {AttentionLayer(1, 1, 256, ffn)}},
            {"no QK-norm", {AttentionLayer(4, 2, 32, ffn, 0, false)}},
            {"window 1", {AttentionLayer(4, 2, 32, ffn, 1)}},
            {"window 7", {AttentionLayer(4, 2, 32, ffn, 7), AttentionLayer(4, 2, 32, ffn, 7)}},
            {"window 64", {AttentionLayer(4, 2, 32, ffn, 64)}},
            {"output gates, RoPE of a part or of nothing",
             {Rotating(AttentionLayer(8, 2, 40, ffn), 12, true), Rotating(AttentionLayer(18, 18, 16, ffn, 9, false), 16, true),
              Rotating(AttentionLayer(4, 2, 32, ffn), 0, false)}},
            {"norms after mixers and FFNs", {Sandwich(AttentionLayer(2, 1, 48, 2 * ffn, 7, false)), AttentionLayer(4, 4, 16, ffn)}},
            {"KV of an earlier layer",
             {AttentionLayer(4, 2, 32, ffn, 7), AttentionLayer(4, 2, 32, ffn), WithKvOf(AttentionLayer(4, 2, 32, ffn, 7), 0),
              WithKvOf(Rotating(AttentionLayer(2, 2, 32, ffn), 32, true), 1)}},
        };
      },
      .hybrid = [](uint32_t ffn) -> std::vector<LayerSpec> {
        return {AttentionLayer(4, 2, 32, ffn, 0, true, 1e6f), AttentionLayer(8, 2, 64, ffn, 33),
                Sandwich(Rotating(AttentionLayer(4, 1, 32, ffn), 8, true))};
      },
      .trained = {AttentionLayer(4, 2, 16, 48, 0, true), AttentionLayer(2, 1, 24, 20, 9, false),
                  Sandwich(Rotating(AttentionLayer(3, 1, 10, 24), 6, true)), Rotating(AttentionLayer(2, 2, 12, 32, 0, false), 0, false)},
      .seeing = [](uint32_t n) { return AttentionLayer(2, 1, 10, 16, n, n % 2 == 0); },
  };
}

inline std::vector<LayerKey> Mamba2Keys() {
  return {SsmKey("ssm.conv_kernel", [](const LayerSpec& l) -> double { return l.mamba2.taps; }),
          SsmKey("ssm.inner_size", [](const LayerSpec& l) -> double { return l.mamba2.inner; }),
          SsmKey("ssm.state_size", [](const LayerSpec& l) -> double { return l.mamba2.state; }),
          SsmKey("ssm.time_step_rank", [](const LayerSpec& l) -> double { return l.mamba2.heads; }),
          SsmKey("ssm.group_count", [](const LayerSpec& l) -> double { return l.mamba2.groups; })};
}

inline TestMixer Mamba2Row() {
  return {
      .mixer = Mixer::kMamba2,
      .name = [](const LayerSpec&) { return "m2"; },
      .keys = Mamba2Keys(),
      .alone = [](uint32_t ffn) -> std::vector<Layout> {
        return {
            {"m2", {Mamba2Layer(4, 32, 16, 1, 4, ffn)}},
            {"m2 of odd sizes, with groups", {Mamba2Layer(6, 16, 33, 2, 3, ffn), Mamba2Layer(32, 5, 7, 4, 2, ffn)}},
            {"m2 of one head", {Mamba2Layer(1, 64, 128, 1, 1, ffn), Mamba2Layer(64, 1, 1, 1, 8, ffn)}},
        };
      },
      .hybrid = [](uint32_t ffn) -> std::vector<LayerSpec> { return {Mamba2Layer(4, 32, 24, 2, 4, ffn)}; },
      .trained = {Mamba2Layer(3, 6, 5, 1, 4, 40), Mamba2Layer(4, 5, 20, 2, 2, 33)},
      .seeing = nullptr,
  };
}

inline TestMixer Mamba2ConvRow() {
  return {
      .mixer = Mixer::kMamba2Conv,
      .name = [](const LayerSpec&) { return "m2.conv"; },
      .keys = Mamba2Keys(),
      .alone = [](uint32_t ffn) -> std::vector<Layout> {
        return {{"m2.conv", {Mamba2ConvLayer(96, 4, ffn), Mamba2ConvLayer(160, 1, ffn, 5)}}};
      },
      .hybrid = [](uint32_t ffn) -> std::vector<LayerSpec> { return {Mamba2ConvLayer(64, 3, 2 * ffn)}; },
      .trained = {Mamba2ConvLayer(22, 3, 24)},
      .seeing = [](uint32_t n) { return Mamba2ConvLayer(20, n, 16, 2); },
  };
}

// The keys of Gated DeltaNet; the last two are those of its state.
inline std::vector<LayerKey> GdnKeys() {
  return {SsmKey("ssm.conv_kernel", [](const LayerSpec& l) -> double { return l.gdn.taps; }),
          SsmKey("ssm.inner_size", [](const LayerSpec& l) -> double { return static_cast<double>(l.gdn.value_width()); }),
          SsmKey("ssm.time_step_rank", [](const LayerSpec& l) -> double { return l.gdn.value_heads; }),
          SsmKey("ssm.group_count", [](const LayerSpec& l) -> double { return l.gdn.key_heads; }),
          SsmKey("ssm.state_size", [](const LayerSpec& l) -> double { return l.gdn.key_dim; })};
}

inline TestMixer GdnRow() {
  return {
      .mixer = Mixer::kGdn,
      .name = [](const LayerSpec&) { return "gdn"; },
      .keys = GdnKeys(),
      .alone = [](uint32_t ffn) -> std::vector<Layout> {
        return {
            {"delta rule, 2 heads of 32", {GdnLayer(2, 2, 32, 32, 4, ffn)}},
            {"delta rule, shared keys", {GdnLayer(1, 4, 16, 32, 3, ffn), GdnLayer(2, 4, 8, 24, 2, 2 * ffn)}},
            {"delta rule, one tap, heads of 1 x 32", {GdnLayer(3, 3, 1, 32, 1, ffn)}},
            {"delta rule, wide heads", {GdnLayer(1, 1, 96, 160, 8, ffn)}},
        };
      },
      .hybrid = [](uint32_t ffn) -> std::vector<LayerSpec> { return {GdnLayer(2, 4, 32, 64, 4, ffn)}; },
      .trained = {GdnLayer(2, 4, 16, 8, 4, 40), GdnLayer(1, 3, 10, 20, 3, 24)},
      // A token sees all tokens, whatever n. Many taps make the first keys short, and their gradients steep.
      .seeing = [](uint32_t n) { return GdnLayer(1 + n % 2, 2 + n % 2 * 2, 8 + n % 3, 6 + n, 1 + n % 4, 16); },
  };
}

inline TestMixer GdnConvRow() {
  std::vector<LayerKey> keys = GdnKeys();
  keys.resize(3);
  return {
      .mixer = Mixer::kGdnConv,
      .name = [](const LayerSpec&) { return "gdn.conv"; },
      .keys = keys,
      .alone = [](uint32_t ffn) -> std::vector<Layout> {
        return {{"convolution of the delta rule", {GdnConvLayer(2, 32, 4, ffn), GdnConvLayer(1, 96, 1, ffn)}}};
      },
      .hybrid = [](uint32_t ffn) -> std::vector<LayerSpec> { return {GdnConvLayer(4, 64, 3, ffn)}; },
      .trained = {GdnConvLayer(2, 16, 4, 40), GdnConvLayer(3, 20, 2, 24)},
      .seeing = [](uint32_t n) { return GdnConvLayer(2, 6 + n, n, 16); },
  };
}

inline const std::vector<TestMixer>& TestMixers() {
  static const std::vector<TestMixer> mixers = {ConvRow(), AttentionRow(), Mamba2Row(), Mamba2ConvRow(), GdnRow(),       GdnConvRow(),
                                                S4dRow(),  RtfRow(),       Ls4Row(),    MambaRow(),      MambaConvRow(), CfcRow(),
                                                LinRow(),  GlaRow(),       KdaRow(),    KdaConvRow()};
  return mixers;
}

// Returns null if the table has no row for `mixer`.
inline const TestMixer* FindTestMixer(Mixer mixer) {
  for (const TestMixer& m : TestMixers())
    if (m.mixer == mixer) return &m;
  return nullptr;
}

// Ends the program if the table has no row for `mixer`, because the test would use a layer that nobody meant.
inline const TestMixer& TestMixerOf(Mixer mixer) {
  const TestMixer* found = FindTestMixer(mixer);
  if (found != nullptr) return *found;
  std::fprintf(stderr, "kernels/tests/layers.h has no row for mixer number %d of enum Mixer\n", static_cast<int>(mixer));
  std::abort();
}

// Returns the first layer of each mixer's `layers_of(TestMixer)`, then the second of each, and so on.
// Attention comes last in each round: it carries state that a reset has left from early tokens to the logits
// of the last one, where the test of Session::Reset sees it.
template <class LayersOf>
std::vector<LayerSpec> InRounds(const LayersOf& layers_of) {
  std::vector<LayerSpec> out;
  for (size_t round = 0, before = 1; out.size() != before; ++round) {
    before = out.size();
    for (const bool attention : {false, true}) {
      for (const TestMixer& m : TestMixers()) {
        const std::vector<LayerSpec> layers = layers_of(m);
        if ((m.mixer == Mixer::kAttention) == attention && round < layers.size()) out.push_back(layers[round]);
      }
    }
  }
  return out;
}

}  // namespace edgefront::testing

#endif  // EDGEFRONT_TESTS_LAYERS_H_
