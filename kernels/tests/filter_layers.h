// Rows of the table in tests/layers.h: recursive filters between two gates, Mamba and CfC.
#ifndef EDGEFRONT_TESTS_FILTER_LAYERS_H_
#define EDGEFRONT_TESTS_FILTER_LAYERS_H_

#include <vector>

#include "tests/test_mixer.h"

namespace edgefront::testing {

inline LayerSpec S4dLayer(uint32_t state, uint32_t ffn) {
  LayerSpec l;
  l.mixer = Mixer::kS4d;
  l.modal.state = state;
  l.ffn = ffn;
  return l;
}

inline LayerSpec Ls4Layer(uint32_t state, uint32_t ffn) {
  LayerSpec l = S4dLayer(state, ffn);
  l.mixer = Mixer::kLs4;
  return l;
}

inline LayerSpec RtfLayer(uint32_t order, uint32_t ffn) {
  LayerSpec l;
  l.mixer = Mixer::kRtf;
  l.rational.order = order;
  l.ffn = ffn;
  return l;
}

inline LayerSpec MambaLayer(uint32_t inner, uint32_t state, uint32_t rank, uint32_t taps, uint32_t ffn) {
  LayerSpec l;
  l.mixer = Mixer::kMamba;
  l.mamba = {inner, state, rank, taps};
  l.ffn = ffn;
  return l;
}

// Mamba's short convolution only.
inline LayerSpec MambaConvLayer(uint32_t inner, uint32_t taps, uint32_t ffn) {
  LayerSpec l = MambaLayer(inner, 0, 0, taps, ffn);
  l.mixer = Mixer::kMambaConv;
  return l;
}

inline LayerSpec CfcLayer(uint32_t ffn) {
  LayerSpec l;
  l.mixer = Mixer::kCfc;
  l.ffn = ffn;
  return l;
}

inline std::vector<LayerKey> ModalKeys() {
  return {SsmKey("ssm.state_size", [](const LayerSpec& l) -> double { return l.modal.state; })};
}

inline TestMixer S4dRow() {
  return {
      .mixer = Mixer::kS4d,
      .name = [](const LayerSpec&) { return "s4d"; },
      .keys = ModalKeys(),
      .alone = [](uint32_t ffn) -> std::vector<Layout> { return {{"s4d", {S4dLayer(64, ffn), S4dLayer(2, ffn)}}}; },
      .hybrid = [](uint32_t ffn) -> std::vector<LayerSpec> { return {S4dLayer(16, ffn)}; },
      .trained = {S4dLayer(8, 24), S4dLayer(2, 33)},
      .seeing = nullptr,
  };
}

inline TestMixer Ls4Row() {
  return {
      .mixer = Mixer::kLs4,
      .name = [](const LayerSpec&) { return "ls4"; },
      .keys = ModalKeys(),
      .alone = [](uint32_t ffn) -> std::vector<Layout> { return {{"ls4", {Ls4Layer(64, ffn), Ls4Layer(2, ffn)}}}; },
      .hybrid = [](uint32_t ffn) -> std::vector<LayerSpec> { return {Ls4Layer(16, ffn)}; },
      .trained = {Ls4Layer(8, 24), Ls4Layer(2, 33)},
      .seeing = nullptr,
  };
}

inline TestMixer RtfRow() {
  return {
      .mixer = Mixer::kRtf,
      .name = [](const LayerSpec&) { return "rtf"; },
      .keys = {SsmKey("ssm.state_size", [](const LayerSpec& l) -> double { return l.rational.order; })},
      .alone = [](uint32_t ffn) -> std::vector<Layout> {
        return {{"rtf", {RtfLayer(16, ffn), RtfLayer(1, ffn)}}, {"rtf of order 70", {RtfLayer(70, ffn)}}};
      },
      .hybrid = [](uint32_t ffn) -> std::vector<LayerSpec> { return {RtfLayer(20, ffn)}; },
      .trained = {RtfLayer(5, 24), RtfLayer(18, 33)},
      .seeing = [](uint32_t n) { return RtfLayer(n, 16); },
  };
}

inline std::vector<LayerKey> MambaKeys() {
  return {SsmKey("ssm.conv_kernel", [](const LayerSpec& l) -> double { return l.mamba.taps; }),
          SsmKey("ssm.inner_size", [](const LayerSpec& l) -> double { return l.mamba.inner; }),
          SsmKey("ssm.state_size", [](const LayerSpec& l) -> double { return l.mamba.state; }),
          SsmKey("ssm.time_step_rank", [](const LayerSpec& l) -> double { return l.mamba.rank; })};
}

inline TestMixer MambaRow() {
  return {
      .mixer = Mixer::kMamba,
      .name = [](const LayerSpec&) { return "m1"; },
      .keys = MambaKeys(),
      .alone = [](uint32_t ffn) -> std::vector<Layout> {
        return {{"m1", {MambaLayer(128, 16, 4, 4, ffn)}},
                {"m1 of odd sizes", {MambaLayer(96, 5, 7, 2, ffn), MambaLayer(32, 1, 1, 1, ffn)}}};
      },
      .hybrid = [](uint32_t ffn) -> std::vector<LayerSpec> { return {MambaLayer(64, 16, 4, 4, ffn)}; },
      .trained = {MambaLayer(24, 6, 3, 4, 24), MambaLayer(32, 16, 17, 2, 33)},
      .seeing = nullptr,
  };
}

inline TestMixer MambaConvRow() {
  return {
      .mixer = Mixer::kMambaConv,
      .name = [](const LayerSpec&) { return "m1.conv"; },
      .keys = MambaKeys(),
      .alone = [](uint32_t ffn) -> std::vector<Layout> { return {{"m1.conv", {MambaConvLayer(96, 4, ffn), MambaConvLayer(160, 1, ffn)}}}; },
      .hybrid = [](uint32_t ffn) -> std::vector<LayerSpec> { return {MambaConvLayer(64, 3, 2 * ffn)}; },
      .trained = {MambaConvLayer(22, 3, 24)},
      .seeing = [](uint32_t n) { return MambaConvLayer(20, n, 16); },
  };
}

inline TestMixer CfcRow() {
  return {
      .mixer = Mixer::kCfc,
      .name = [](const LayerSpec&) { return "cfc"; },
      .keys = {},
      .alone = [](uint32_t ffn) -> std::vector<Layout> { return {{"cfc", {CfcLayer(ffn), CfcLayer(2 * ffn)}}}; },
      .hybrid = [](uint32_t ffn) -> std::vector<LayerSpec> { return {CfcLayer(ffn)}; },
      .trained = {CfcLayer(24)},
      .seeing = nullptr,
  };
}

}  // namespace edgefront::testing

#endif  // EDGEFRONT_TESTS_FILTER_LAYERS_H_
