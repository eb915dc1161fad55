// The table of FFNs for tests of inference and training, as layers.h has one of mixers. A new FFN needs a row in
// TestFfns(). The test EveryFfnIsListed fails if an FFN has none.
#ifndef EDGEFRONT_TESTS_FFNS_H_
#define EDGEFRONT_TESTS_FFNS_H_

#include <cstdint>
#include <vector>

#include "tests/layers.h"

namespace edgefront::testing {

// Replaces the layer's FFN by experts.
inline LayerSpec WithExperts(LayerSpec l, uint32_t experts, uint32_t used, uint32_t width) {
  l.ffn = 0;
  l.moe = {experts, used, width};
  return l;
}

// One kind of FFN, as the tests use it.
struct TestFfn {
  Ffn ffn;
  std::vector<LayerKey> keys;
  std::vector<Layout> (*alone)(uint32_t ffn);  // layouts without other FFNs, with the extremes
  // Returns a layer of the engine's layout with all mixers, which runs on several instruction sets, with this FFN. A
  // token uses all experts, because differences of rounding must not change the choice.
  LayerSpec (*in_hybrid)(LayerSpec l, uint32_t ffn);
  std::vector<LayerSpec> trained;  // layers for training, of sizes that need padding
};

inline const std::vector<TestFfn>& TestFfns() {
  static const std::vector<TestFfn> ffns = {
      {.ffn = Ffn::kAbsent,
       .keys = {},
       .alone = [](uint32_t) -> std::vector<Layout> {
         return {{"no FFN", {ConvLayer(3, 0), AttentionLayer(4, 2, 32, 0)}},
                 {"norms after mixers alone", {Sandwich(ConvLayer(3, 0)), ConvLayer(3, 0), Sandwich(AttentionLayer(4, 2, 32, 0))}}};
       },
       .in_hybrid = [](LayerSpec l, uint32_t) -> LayerSpec { return (l.ffn = 0, l); },
       .trained = {ConvLayer(3, 0), Sandwich(AttentionLayer(2, 1, 10, 0))}},
      {.ffn = Ffn::kSwiglu,
       .keys = {{"feed_forward_length", LayerKey::kInt, 0, [](const LayerSpec& l) -> double { return l.ffn; }}},
       .alone = [](uint32_t ffn) -> std::vector<Layout> { return {{"SwiGLU of two widths", {ConvLayer(3, ffn), ConvLayer(3, 3 * ffn)}}}; },
       .in_hybrid = [](LayerSpec l, uint32_t) -> LayerSpec { return l; },
       .trained = {ConvLayer(3, 33), AttentionLayer(2, 1, 10, 20)}},
      {.ffn = Ffn::kMoe,
       .keys = {{"expert_count", LayerKey::kInt, 0, [](const LayerSpec& l) -> double { return l.moe.experts; }},
                {"expert_used_count", LayerKey::kInt, 0, [](const LayerSpec& l) -> double { return l.moe.used; }},
                {"expert_feed_forward_length", LayerKey::kInt, 0, [](const LayerSpec& l) -> double { return l.moe.width; }}},
       .alone = [](uint32_t ffn) -> std::vector<Layout> {
         return {
             {"2 of 5 experts", {WithExperts(ConvLayer(3, 0), 5, 2, ffn), WithExperts(AttentionLayer(4, 2, 32, 0), 5, 2, ffn)}},
             {"1 of 40 experts", {WithExperts(ConvLayer(3, 0), 40, 1, ffn)}},
             {"norms after experts",
              {Sandwich(WithExperts(ConvLayer(3, 0), 5, 2, ffn)), Sandwich(WithExperts(ConvLayer(2, 0), 3, 3, ffn))}},
             {"one expert, and all of 3", {WithExperts(ConvLayer(3, 0), 1, 1, 2 * ffn), WithExperts(ConvLayer(2, 0), 3, 3, ffn)}},
         };
       },
       .in_hybrid = [](LayerSpec l, uint32_t ffn) -> LayerSpec { return WithExperts(l, 3, 3, ffn); },
       .trained = {WithExperts(ConvLayer(3, 0), 4, 2, 20), Sandwich(WithExperts(ConvLayer(2, 0), 3, 2, 9)),
                   WithExperts(AttentionLayer(2, 1, 10, 0), 3, 1, 33)}},
  };
  return ffns;
}

}  // namespace edgefront::testing

#endif  // EDGEFRONT_TESTS_FFNS_H_
