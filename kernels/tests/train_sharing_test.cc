// build: x86_64:
// build: aarch64: -fno-tree-vectorize
// Gradients of layers that share weights, keys or values: against central differences of the loss, and
// against a model whose layers have copies of the weights. (Flags: see train_math_test.cc.)
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "tests/parallel_layers.h"
#include "tests/train_differences.h"
#include "tests/train_layouts.h"
#include "train/session.h"

namespace edgefront::testing {
namespace {

using train::Param;
using train::Session;

constexpr train::StepSettings kNoChange{0, 0.9, 0.95, 1e-8, 0, 1.0};  // the gradient without an update

// Rounding of a whole model's loss needs a larger step than that of one mixer.
constexpr DifferenceBounds kModelLoss{0x1p-7f, 2e-3, true};

// Keys and values that one, two and repeated layers read; weights of convolutions and of both sides of shared
// keys, one with output gates.
std::vector<LayerSpec> Sharing() {
  const LayerSpec conv = ConvLayer(3, 16), own = AttentionLayer(2, 1, 10, 16);
  const LayerSpec reader = WithKvOf(Rotating(AttentionLayer(3, 1, 10, 12), 10, true), 1);
  const LayerSpec window = AttentionLayer(2, 2, 6, 12, 5, false);
  return {
      conv, own, Again(conv, 0), reader, Again(own, 1), Again(WithKvOf(reader, 4), 3), window, WithKvOf(window, 6), WithKvOf(window, 6)};
}

// Parallel layers, one with the weights of another, and one with keys and values of another. Attention stands beside
// convolutions, because they are smooth; PyTorch's gradients cover other mixers, and norms after both.
std::vector<LayerSpec> SharingParallel() {
  const LayerSpec own = AttentionLayer(2, 1, 10, 16), window = AttentionLayer(2, 2, 6, 12, 5, false), conv = ConvLayer(3, 16);
  return Joined({Parallel(own, conv), Parallel(window, ConvLayer(4, 12)), Parallel(Again(own, 0), Again(conv, 1)),
                 Parallel(WithKvOf(window, 2), ConvLayer(2, 16))});
}

// A tensor as in a file, and its elements' places in the trainer's array.
struct Tensor {
  const Param& param;
  Padded value, gradient;

  Tensor(const Param& p, const float* weights, const float* gradients, double scale) : param(p), value(p.rows, p.cols, 0), gradient(value) {
    for (int r = 0; r < p.rows; ++r) {
      for (int c = 0; c < p.cols; ++c) {
        value.at(r, c) = weights[p.At(r, c)];
        gradient.at(r, c) = static_cast<float>(gradients[p.At(r, c)] * scale);
      }
    }
  }
};

void CheckDifferences(const std::vector<LayerSpec>& layers) {
  const int vocab = 11, length = 9, batch = 2;
  const TokenBatch b = CountedBatch(0, batch, length, vocab);
  for (const train::Math* math : AllMath()) {
    auto session = Session::Create(ProxySpec(12, vocab, layers), 4, length, batch, 1, math->isa);
    REQUIRE(session.ok());
    (*session)->Step(b.tokens.data(), b.targets.data(), b.scored, kNoChange);
    for (const Param& p : (*session)->params().all()) {
      if (p.layer < 0) continue;  // the layers are under test
      Tensor t(p, (*session)->weights(), (*session)->gradient(), static_cast<double>(b.scored));
      const auto loss = [&] {
        for (int r = 0; r < p.rows; ++r) {
          for (int c = 0; c < p.cols; ++c) (*session)->weights()[p.At(r, c)] = t.value.at(r, c);
        }
        (*session)->Repack();
        return (*session)->Evaluate(b.tokens.data(), b.targets.data(), batch).loss;
      };
      CompareWithDifferences(math->isa, p.name.c_str(), t.value, t.gradient, loss, kModelLoss);
      loss();  // restores the weights
    }
  }
}

TEST(TrainSharingMatchesDifferences) { CheckDifferences(Sharing()); }
TEST(TrainParallelLayersMatchDifferences) { CheckDifferences(SharingParallel()); }

// Batches are larger than a microbatch, so that gradients are also added to those of an earlier one.
TEST(TrainSharingAddsTheGradientsOfCopies) {
  const int vocab = 50, length = 37, batch = 40;
  const TokenBatch b = CountedBatch(0, batch, length, vocab);
  std::vector<LayerSpec> layers = Sharing();
  for (LayerSpec l : SharingParallel()) {
    for (std::optional<uint32_t>* source : {&l.weights_from, &l.kv_from})
      if (*source) **source += static_cast<uint32_t>(Sharing().size());
    layers.push_back(l);
  }
  const LayerSpec experts = Sandwich(WithExperts(ConvLayer(2, 0), 4, 2, 20));
  layers.push_back(experts);
  layers.push_back(Again(experts, static_cast<uint32_t>(layers.size() - 1)));
  std::vector<LayerSpec> copied = layers;
  for (LayerSpec& l : copied) l.weights_from.reset();
  auto shared = Session::Create(ProxySpec(24, vocab, layers), 4, length, batch, 2, "auto");
  auto copies = Session::Create(ProxySpec(24, vocab, copied), 4, length, batch, 2, "auto");
  REQUIRE(shared.ok() && copies.ok());
  const auto owner = [&](const Param& p) -> const Param& { return (*shared)->params().Get(p.role, p.layer, p.slot); };
  for (const Param& p : (*copies)->params().all())
    std::copy_n((*shared)->weights() + owner(p).offset, p.size(), (*copies)->weights() + p.offset);
  (*copies)->Repack();
  const double loss = (*shared)->Step(b.tokens.data(), b.targets.data(), b.scored, kNoChange).loss;
  CHECK_NEAR((*copies)->Step(b.tokens.data(), b.targets.data(), b.scored, kNoChange).loss, loss, 1e-6);
  std::vector<double> sums((*shared)->params().size());
  for (const Param& p : (*copies)->params().all()) {
    for (size_t i = 0; i < p.size(); ++i) sums[owner(p).offset + i] += (*copies)->gradient()[p.offset + i];
  }
  for (const Param& p : (*shared)->params().all()) {
    double worst = 0, largest = 1e-3;
    for (size_t i = p.offset; i < p.offset + p.size(); ++i) {
      worst = std::fmax(worst, std::fabs(sums[i] - (*shared)->gradient()[i]));
      largest = std::fmax(largest, std::fabs(sums[i]));
    }
    CHECK_MSG(worst <= 1e-5 * largest, p.name << ": gradient off by " << worst << " of " << largest);
  }
}

}  // namespace
}  // namespace edgefront::testing
