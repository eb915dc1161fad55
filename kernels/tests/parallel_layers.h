// Parallel layers: two mixers with one normalised input. An option of layers like shared weights, so tests of the
// engine, whole training steps and gradients read these lists beside the table of mixers (tests/layers.h).
#ifndef EDGEFRONT_TESTS_PARALLEL_LAYERS_H_
#define EDGEFRONT_TESTS_PARALLEL_LAYERS_H_

#include <vector>

#include "tests/ffns.h"
#include "tests/layers.h"

namespace edgefront::testing {

// A layer with two mixers, as the engine keeps it. FFN and norms are those of `second`.
inline std::vector<LayerSpec> Parallel(LayerSpec first, LayerSpec second) {
  first.ffn = 0;
  first.sandwich = second.sandwich;
  second.beside = true;
  return {first, second};
}

// Returns the layers in one list. Every item is a layer, or the two of a parallel layer.
inline std::vector<LayerSpec> Joined(const std::vector<std::vector<LayerSpec>>& parts) {
  std::vector<LayerSpec> all;
  for (const std::vector<LayerSpec>& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

// Layouts for the engine. The mixers of a layer read their input in different formats, because some sizes do not
// divide into blocks.
inline std::vector<Layout> ParallelLayouts(uint32_t ffn) {
  const std::vector<LayerSpec> pair = Parallel(AttentionLayer(4, 2, 32, ffn), Mamba2Layer(4, 32, 16, 1, 4, ffn));
  return {
      {"attention beside Mamba-2", Joined({pair, {ConvLayer(3, ffn)}, pair})},
      {"a window beside Gated DeltaNet, norms after both",
       Joined({Parallel(AttentionLayer(2, 1, 48, ffn, 7, false), Sandwich(GdnLayer(1, 4, 16, 32, 3, ffn))),
               {Sandwich(ConvLayer(3, ffn))},
               Parallel(AttentionLayer(4, 4, 16, ffn, 9), Sandwich(GdnLayer(2, 2, 32, 32, 4, 2 * ffn)))})},
      {"output gates beside a convolution, S4D and Mamba",
       Joined({Parallel(Rotating(AttentionLayer(4, 2, 32, ffn), 8, true), ConvLayer(3, ffn)),
               Parallel(Rotating(AttentionLayer(4, 1, 32, ffn), 32, true), S4dLayer(16, 2 * ffn)),
               Parallel(AttentionLayer(4, 1, 32, ffn, 5), MambaLayer(96, 16, 4, 4, ffn))})},
      {"keys and values of a parallel layer, and in one",
       Joined(
           {pair, Parallel(WithKvOf(AttentionLayer(4, 2, 32, ffn), 0), ConvLayer(2, ffn)), {WithKvOf(AttentionLayer(4, 2, 32, ffn), 0)}})},
      {"weights of a parallel layer, before experts",
       Joined({Parallel(AttentionLayer(4, 2, 32, 0), WithExperts(Mamba2Layer(2, 32, 8, 1, 4, 0), 3, 3, 64)),
               {ConvLayer(3, ffn)},
               Parallel(Again(AttentionLayer(4, 2, 32, 0), 0), Again(WithExperts(Mamba2Layer(2, 32, 8, 1, 4, 0), 3, 3, 64), 1))})},
  };
}

// Parallel layers for training, of sizes that need padding.
inline std::vector<LayerSpec> ParallelTrained() {
  return Joined({Parallel(Rotating(AttentionLayer(4, 2, 10, 0), 6, true), Mamba2Layer(3, 6, 5, 1, 4, 40)),
                 {ConvLayer(3, 40)},
                 Parallel(AttentionLayer(3, 1, 10, 0, 9, false), Sandwich(GdnLayer(1, 3, 10, 20, 3, 24)))});
}

}  // namespace edgefront::testing

#endif  // EDGEFRONT_TESTS_PARALLEL_LAYERS_H_
