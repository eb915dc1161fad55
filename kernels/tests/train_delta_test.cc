// build: x86_64:
// build: aarch64: -fno-tree-vectorize
// The trainer's states of linear attention, with and without decays and the delta rule, against a naive version in
// double: outputs, and gradients by central differences. (Flags: see train_math_test.cc.)
#include <cmath>
#include <string>
#include <vector>

#include "tests/train_differences.h"

namespace edgefront::testing {
namespace {

using train::Math;
using train::PadUp;

enum class Decay { kNone, kShared, kChannel };
struct Kind {
  const char* name;
  Decay decay;
  bool corrects;  // by the delta rule
};
constexpr Kind kKinds[] = {{"sum", Decay::kNone, false},
                           {"decayed sum", Decay::kShared, false},
                           {"decayed sum by channel", Decay::kChannel, false},
                           {"delta", Decay::kShared, true},
                           {"delta by channel", Decay::kChannel, true}};

// Heads with the same keys on one sequence, and a random factor for each of their outputs. More than one head has a
// multiple of 16 channels.
struct DeltaCase {
  Kind kind;
  int length, heads, key_dim, channels;
  Padded q, k, v, decay, rate, dout;

  DeltaCase(const Kind& of, int n, int many, int dim, int width)
      : kind(of),
        length(n),
        heads(many),
        key_dim(dim),
        channels(width),
        q(n, dim, 1, 0.5f),
        k(n, dim, 2, 1 / std::sqrt(static_cast<float>(dim))),
        v(n, many * width, 3),
        decay(n, of.decay == Decay::kChannel ? dim : many, 4, 0),
        rate(n, many, 5, 0),
        dout(n, many * width, 6) {
    constexpr float kDecays[] = {0.9f, 1.0f, 0.0f, 0.5f, 1e-30f}, kRates[] = {0.3f, 1.0f, 0.0f, 0.8f};
    for (int t = 0; t < n; ++t) {
      for (int i = 0; i < decay.cols; ++i) decay.at(t, i) = kDecays[(t + i) % 5];
      for (int h = 0; h < many; ++h) rate.at(t, h) = kRates[(t + h) % 4];
      for (int i = 0; t % 6 == 5 && i < dim; ++i) k.at(t, i) = 0;
    }
  }

  double Loss() {
    double total = 0;
    for (int h = 0; h < heads; ++h) total += HeadLoss(h);
    return total;
  }

 private:
  double HeadLoss(int h) {
    std::vector<double> state(static_cast<size_t>(key_dim) * channels);
    const auto at = [&](int i, int c) -> double& { return state[static_cast<size_t>(i) * channels + c]; };
    double total = 0;
    for (int t = 0; t < length; ++t) {
      for (int i = 0; kind.decay != Decay::kNone && i < key_dim; ++i) {
        for (int c = 0; c < channels; ++c) at(i, c) *= decay.at(t, kind.decay == Decay::kChannel ? i : h);
      }
      for (int c = 0; c < channels; ++c) {
        const int column = h * channels + c;
        double recalled = 0, out = 0;
        for (int i = 0; i < key_dim; ++i) recalled += at(i, c) * k.at(t, i);
        const double change = kind.corrects ? rate.at(t, h) * (v.at(t, column) - recalled) : v.at(t, column);
        for (int i = 0; i < key_dim; ++i) at(i, c) += k.at(t, i) * change;
        for (int i = 0; i < key_dim; ++i) out += at(i, c) * q.at(t, i);
        total += out * dout.at(t, column);
      }
    }
    return total;
  }
};

// The loss is a polynomial of low degree, so differences are almost exact. With the delta rule, gradients of decays
// and rates are float32 sums of key_dim * channels products that cancel in part.
constexpr DifferenceBounds kSumsInFloat{0x1p-10f, 1e-4};

void CheckDelta(const Math& math, const Kind& kind, int length, int heads, int key_dim, int channels) {
  DeltaCase c(kind, length, heads, key_dim, channels);
  Padded o(length, c.v.cols, 7), dq(length, key_dim, 8, 0), dk(length, key_dim, 9, 0), dv(length, c.v.cols, 10), error = o;
  Padded ddecay(length, c.decay.cols, 11), drate(length, heads, 12);
  const bool by_channel = kind.decay == Decay::kChannel;
  const int strips = PadUp(channels) / train::kPad;
  std::vector<float> kept(train::DeltaKept(length, heads, key_dim, strips));
  std::vector<float> scratch(by_channel ? train::DeltaChannelScratch(length, key_dim) : train::DeltaScratch(heads, key_dim, strips));
  const bool decays = kind.decay != Decay::kNone;
  const train::Delta d{length,
                       heads,
                       key_dim,
                       strips,
                       c.q.p(),
                       c.k.p(),
                       c.v.p(),
                       decays ? c.decay.p() : nullptr,
                       kind.corrects ? c.rate.p() : nullptr,
                       c.q.ld,
                       c.v.ld,
                       c.decay.ld,
                       c.rate.ld,
                       by_channel,
                       o.p(),
                       error.p(),
                       kept.data(),
                       scratch.data()};
  math.delta(d);
  double direct = 0;
  for (int t = 0; t < length; ++t) {
    for (int j = 0; j < o.cols; ++j) direct += static_cast<double>(o.at(t, j)) * c.dout.at(t, j);
  }
  CHECK_NEAR(direct, c.Loss(), 1e-5 * length * o.cols);

  // The gradients of q and k are added to, because value heads share them; the others are overwritten.
  for (int pass = 0; pass < 2; ++pass) {
    math.delta_grad(d, {c.dout.p(), dq.p(), dk.p(), dv.p(), decays ? ddecay.p() : nullptr, kind.corrects ? drate.p() : nullptr});
  }
  for (Padded* g : {&dq, &dk}) {
    for (float& x : g->data) x /= 2;
  }
  const std::string what = std::string(kind.name) + ", length " + std::to_string(length) + ", " + std::to_string(heads) + " x " +
                           std::to_string(key_dim) + " x " + std::to_string(channels);
  const auto loss = [&] { return c.Loss(); };
  const struct {
    const char* name;
    bool used;
    Padded &x, &gradient;
  } inputs[] = {{"q", true, c.q, dq},
                {"k", true, c.k, dk},
                {"v", true, c.v, dv},
                {"decay", decays, c.decay, ddecay},
                {"rate", kind.corrects, c.rate, drate}};
  for (const auto& input : inputs) {
    if (input.used)
      CompareWithDifferences(math.isa, (what + ", " + input.name).c_str(), input.x, input.gradient, loss,
                             kind.corrects ? kSumsInFloat : kDoubleLoss);
  }
}

// Lengths on both sides of a block's end, and several blocks.
TEST(TrainDeltaGradient) {
  for (const Math* math : AllMath()) {
    for (const Kind& kind : kKinds) {
      const int block = kind.decay == Decay::kChannel ? train::kDeltaStates : train::DeltaBlock(5);
      for (const int length : {1, 5, block, block + 1, 3 * block - 1}) CheckDelta(*math, kind, length, 1, 5, 3);
      CheckDelta(*math, kind, 7, 1, 1, 16);
      CheckDelta(*math, kind, 12, 1, 16, 37);
      if (kind.decay == Decay::kChannel) continue;
      CheckDelta(*math, kind, 37, 3, 17, 16);
      CheckDelta(*math, kind, 70, 2, 33, 16);
    }
  }
}

}  // namespace
}  // namespace edgefront::testing
