// Compares a run of the trainer with golden loss curves and first gradients from PyTorch
// (test/golden/make_train_golden.py).
#pragma once

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "infer/mixer_kind.h"
#include "infer/seeded_weights.h"
#include "tests/test.h"
#include "tests/train_layouts.h"
#include "train/session.h"

namespace edgefront::testing {

struct GoldenCase {
  std::string name;
  int d, vocab, length, batch, steps, warmup;
  uint64_t seed;
  double rate, min_rate, decay, clip;
  std::vector<LayerSpec> layers;
  // Tensor -> (norm, dot product with the seeded direction).
  std::map<std::string, std::pair<double, double>> gradients;
  std::vector<double> losses;
};

inline std::vector<GoldenCase> ReadGolden(const std::string& name) {
  std::ifstream file;
  for (const char* root : {"test/golden", "../test/golden", ""}) {
    const std::filesystem::path folder =
        *root ? std::filesystem::path(root) : std::filesystem::path(__FILE__).parent_path() / "../../test/golden";
    file.open(folder / name);
    if (file) break;
    file.clear();
  }
  std::vector<GoldenCase> cases;
  for (std::string line; std::getline(file, line);) {
    std::istringstream in(line);
    std::string word;
    in >> word;
    if (word == "case") {
      GoldenCase c;
      in >> c.name >> c.d >> c.vocab >> c.length >> c.batch >> c.steps >> c.seed >> c.rate >> c.min_rate >> c.warmup >> c.decay >> c.clip;
      cases.push_back(c);
    } else if (word == "layer" || word == "beside") {
      const bool beside = word == "beside";  // parallel to the layer before
      in >> word;
      int a, b, hd, window, norm, ffn;
      double base;
      if (word == "conv") {
        in >> a >> ffn;
        cases.back().layers.push_back(ConvLayer(a, ffn));
      } else if (word == "attention") {
        in >> a >> b >> hd >> window >> norm >> base >> ffn;
        cases.back().layers.push_back(AttentionLayer(a, b, hd, ffn, window, norm != 0, static_cast<float>(base)));
      } else if (word == "m2") {
        int heads, states, groups, taps;
        in >> a >> heads >> states >> groups >> taps >> ffn;
        cases.back().layers.push_back(heads > 0 ? Mamba2Layer(heads, a / heads, states, groups, taps, ffn)
                                                : Mamba2ConvLayer(a, taps, ffn, groups));
      } else if (word == "gdn") {
        int key_dim, value_dim, taps;
        in >> a >> b >> key_dim >> value_dim >> taps >> ffn;
        cases.back().layers.push_back(a > 0 ? GdnLayer(a, b, key_dim, value_dim, taps, ffn) : GdnConvLayer(b, value_dim, taps, ffn));
      } else if (word == "m1") {
        int states, rank, taps;
        in >> a >> states >> rank >> taps >> ffn;
        cases.back().layers.push_back(states > 0 ? MambaLayer(a, states, rank, taps, ffn) : MambaConvLayer(a, taps, ffn));
      } else if (word == "cfc") {
        in >> ffn;
        cases.back().layers.push_back(CfcLayer(ffn));
      } else if (word == "s4d" || word == "ls4" || word == "rtf") {
        in >> a >> ffn;
        cases.back().layers.push_back(word == "rtf" ? RtfLayer(a, ffn) : word == "s4d" ? S4dLayer(a, ffn) : Ls4Layer(a, ffn));
      } else if (const MixerKind* kind = FindMixer(word); kind != nullptr) {
        int key_dim, value_dim, taps;
        in >> a >> key_dim >> value_dim >> taps >> ffn;
        cases.back().layers.push_back(LinearLayer(kind->id, a, key_dim, value_dim, taps, ffn));
      } else {
        CHECK_MSG(false, name << " has a layer of an unknown kind, " << word);
      }
      LayerSpec& l = cases.back().layers.back();
      l.beside = beside;
      for (uint32_t value; in >> word >> value;) {
        if (word == "rotated") l.attention.rotated = value;
        if (word == "gate") l.attention.gate = value != 0;
        if (word == "sandwich") l.sandwich = value != 0;
      }
    } else if (word == "experts") {  // of the last layer, instead of its FFN
      MoeSpec& moe = cases.back().layers.back().moe;
      in >> moe.experts >> moe.used >> moe.width;
    } else if (word == "weights_from" || word == "kv_from") {
      const auto source = word == "kv_from" ? &LayerSpec::kv_from : &LayerSpec::weights_from;
      uint32_t from;
      for (uint32_t layer = 0; in >> from; ++layer) {
        if (from != layer) cases.back().layers[layer].*source = from;
      }
    } else if (word == "grad") {
      double norm, dot;
      in >> word >> norm >> dot;
      cases.back().gradients[word] = {norm, dot};
    } else if (word == "losses") {
      for (double x; in >> x;) cases.back().losses.push_back(x);
    }
  }
  return cases;
}

// The distance of each tensor's gradient in the last step from the golden one, relative to the golden norm.
// Norms and products with the seeded direction are compared. `worst` is over all tensors, `rms` their root
// mean square.
struct GradientsOff {
  double worst = 0, rms = 0;
  std::string where;
};

inline GradientsOff CompareGradients(const GoldenCase& c, const train::Session& session) {
  GradientsOff off;
  std::map<std::string, std::pair<double, double>> found;  // the matrices of experts are one tensor
  for (const train::Param& p : session.params().all()) {
    const uint64_t base = SplitMix64(99) ^ Fnv1a64(p.name);
    auto& [squares, dot] = found[p.name];
    for (int r = 0; r < p.rows; ++r) {
      for (int i = 0; i < p.cols; ++i) {
        const double g = session.gradient()[p.At(r, i)];
        squares += g * g;
        dot += g * (static_cast<double>(SplitMix64(base + static_cast<uint64_t>(p.first_row + r) * p.cols + i) >> 40) * 0x1p-23 - 1.0);
      }
    }
  }
  for (const auto& [name, both] : found) {
    const auto [squares, dot] = both;
    const auto golden = c.gradients.find(name);
    CHECK_MSG(golden != c.gradients.end(), c.name << " has no golden gradient of " << name);
    if (golden == c.gradients.end()) continue;
    const auto [norm, direction] = golden->second;
    // The dot product of a gradient of norm n with a uniform direction is about n / sqrt(3). The error is
    // relative to n, because the dot product itself may be near 0. A window of one key has no gradient for
    // its scores: there the comparison is to float32 rounding.
    const double error = std::fmax(std::fabs(std::sqrt(squares) - norm), std::fabs(dot - direction)) / (norm + 1e-2);
    off.rms += error * error;
    if (error > off.worst) off = {error, off.rms, name};
  }
  off.rms = std::sqrt(off.rms / static_cast<double>(found.size()));
  return off;
}

// Runs the case. Returns, for each step, the distance of the loss from PyTorch's. `gradients` receives the
// comparison of the first step.
inline std::vector<double> CompareWithGolden(const GoldenCase& c, train::Session* session, GradientsOff* gradients) {
  std::vector<double> off;
  for (int step = 1; step <= c.steps; ++step) {
    const double done = static_cast<double>(step - c.warmup) / (c.steps - c.warmup);
    const double rate = step <= c.warmup ? c.rate * step / c.warmup
                                         : c.min_rate + 0.5 * (c.rate - c.min_rate) * (1 + std::cos(3.14159265358979323846 * done));
    const TokenBatch b = CountedBatch(step - 1, c.batch, c.length, c.vocab);
    const train::StepResult r = session->Step(b.tokens.data(), b.targets.data(), b.scored, {rate, 0.9, 0.95, 1e-8, c.decay, c.clip});
    off.push_back(std::fabs(r.loss - c.losses[step - 1]));
    if (step == 1) *gradients = CompareGradients(c, *session);
  }
  return off;
}

}  // namespace edgefront::testing
