// Layers that share weights, keys or values, in the engine: against a file that holds shared weights once for
// each layer, and the memory that they save. The table of mixers has a layout with the keys and values of an
// earlier layer, which all tests of the table run.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "tests/engine_runs.h"
#include "tests/test.h"

namespace edgefront::testing {
namespace {

constexpr uint32_t kDim = 64, kVocab = 96, kTokens = 60;

// Returns every mixer, among them each FFN, twice in a row, then all of them once more, and attention with the
// keys and values of an earlier layer, twice.
std::vector<LayerSpec> Repeated() {
  std::vector<LayerSpec> blocks = InRounds([](const TestMixer& m) { return m.hybrid(64); });
  for (size_t i = 0; i < TestFfns().size(); ++i) blocks[i] = TestFfns()[i].in_hybrid(blocks[i], 64);
  std::vector<LayerSpec> layers;
  for (const LayerSpec& block : blocks) {
    layers.push_back(block);
    layers.push_back(Again(block, static_cast<uint32_t>(layers.size() - 1)));
  }
  for (size_t i = 0; i < blocks.size(); ++i) layers.push_back(Again(blocks[i], static_cast<uint32_t>(2 * i)));
  const auto last = std::find_if(layers.rbegin(), layers.rend(), [](const LayerSpec& l) { return l.mixer == Mixer::kAttention; });
  const uint32_t source = static_cast<uint32_t>(layers.rend() - last - 1);
  LayerSpec reader = WithKvOf(*last, source);
  reader.weights_from.reset();
  layers.push_back(reader);
  layers.push_back(Again(reader, static_cast<uint32_t>(layers.size() - 1)));
  return layers;
}

// Returns the name of the same tensor in the layer whose weights the tensor's layer uses.
std::string Stored(const std::string& name, const std::vector<LayerSpec>& layers) {
  if (!name.starts_with("blk.")) return name;
  const size_t end = name.find('.', 4);
  const uint32_t layer = static_cast<uint32_t>(std::atoi(name.c_str() + 4));
  return "blk." + std::to_string(layers[layer].weights_from.value_or(layer)) + name.substr(end);
}

// Returns the file in which each layer has a copy of its weights.
std::vector<uint8_t> WrittenOut(const std::vector<uint8_t>& shared, const std::vector<LayerSpec>& layers, const PlanOptions& options) {
  std::vector<LayerSpec> own = layers;
  for (LayerSpec& l : own) l.weights_from.reset();
  std::vector<uint8_t> file = FileOf(MakePlan("edgefront", kDim, kVocab, own, options));
  const auto from = GgufFile::Parse(shared), to = GgufFile::Parse(file);
  for (const GgufTensor& t : to->tensors()) {
    const GgufTensor* source = from->FindTensor(Stored(std::string(t.name), layers));
    std::memcpy(file.data() + to->data_offset() + t.offset, shared.data() + from->data_offset() + source->offset,
                RowBytes(t.type, t.dims[0]) * t.rows());
  }
  return file;
}

TEST(SharedWeightsEqualWeightsWrittenTwice) {
  const std::vector<LayerSpec> layers = Repeated();
  const std::vector<uint32_t> tokens = Tokens(kTokens, kVocab);
  for (const DType type : {DType::kF32, DType::kQ4_0}) {
    const PlanOptions options{type, DType::kF32, 3};
    const std::vector<uint8_t> shared = FileOf(MakePlan("edgefront", kDim, kVocab, layers, options));
    const auto once = Model::FromBytes(shared, 1), each = Model::FromBytes(WrittenOut(shared, layers, options), 1);
    CHECK_MSG(once.ok() && each.ok(), once.status().message() << each.status().message());
    if (!once.ok() || !each.ok()) continue;
    CHECK(2 * (*once)->weight_bytes() < (*each)->weight_bytes());
    CHECK(2 * (*once)->spec().Parameters() < (*each)->spec().Parameters());
    const auto plan = (*once)->Plan(Options(kTokens, 16)), whole = (*each)->Plan(Options(kTokens, 16));
    CHECK(plan->cache_bytes == whole->cache_bytes && plan->activation_bytes == whole->activation_bytes);
    CHECK(plan->weight_bytes == (*once)->weight_bytes());
    const std::vector<float> want = AllLogits(*each, Options(kTokens, 16), tokens, 40);
    CHECK(!want.empty() && AllLogits(*once, Options(kTokens, 16), tokens, 40) == want);
  }
}

TEST(KvOfAnEarlierLayerTakesNoCache) {
  const LayerSpec own = AttentionLayer(4, 2, 32, 64);
  const auto plan_of = [](const std::vector<LayerSpec>& layers) {
    return *(*Model::FromBytes(MakePlan("edgefront", kDim, kVocab, layers), 1))->Plan(Options(1000, 16));
  };
  const MemoryPlan one = plan_of({own}), two = plan_of({own, own}), shared = plan_of({own, WithKvOf(own, 0)});
  CHECK(shared.cache_bytes == one.cache_bytes && two.cache_bytes == 2 * one.cache_bytes);
  CHECK(two.weight_bytes - shared.weight_bytes == 4 * (2 * kDim * own.attention.kv_width() + own.attention.head_dim));
}

TEST(LayersThatCannotShareAreRefused) {
  const LayerSpec conv = ConvLayer(3, 64), attention = AttentionLayer(4, 2, 32, 64);
  const std::pair<const char*, std::vector<LayerSpec>> refused[] = {
      {"layer 1 cannot use the weights of layer 0", {conv, Again(ConvLayer(4, 64), 0)}},
      {"layer 1 cannot use the weights of layer 0", {conv, Again(ConvLayer(3, 32), 0)}},
      {"layer 1 cannot use the weights of layer 0", {conv, Again(WithExperts(conv, 3, 2, 16), 0)}},
      {"layer 2 cannot use the weights of layer 1", {conv, Again(conv, 0), Again(conv, 1)}},
      {"layer 1 cannot use the weights of layer 0", Joined({Parallel(attention, conv), {Again(AttentionLayer(4, 2, 32, 0), 0)}})},
      {"layer 1 cannot use the weights of layer 0", Joined({{attention}, Parallel(Again(attention, 0), Again(conv, 0))})},
      {"layer 1 cannot read the keys and values of layer 0", Joined({Parallel(conv, attention), {WithKvOf(attention, 1)}})},
      {"edgefront.layer.weights_from is 1, outside 0..0", {Again(conv, 1), conv}},
      {"layer 1 cannot read the keys and values of layer 0", {conv, WithKvOf(attention, 0)}},
      {"layer 1 cannot read the keys and values of layer 0", {attention, WithKvOf(AttentionLayer(4, 1, 32, 64), 0)}},
      {"layer 1 cannot read the keys and values of layer 0", {attention, WithKvOf(AttentionLayer(4, 2, 32, 64, 9), 0)}},
      {"layer 1 cannot read the keys and values of layer 0", {attention, WithKvOf(Rotating(attention, 8, false), 0)}},
      {"layer 2 cannot read the keys and values of layer 1", {attention, WithKvOf(attention, 0), WithKvOf(attention, 1)}},
  };
  for (const auto& [message, layers] : refused) {
    const auto model = Model::FromBytes(MakePlan("edgefront", kDim, kVocab, layers), 1);
    CHECK_MSG(!model.ok() && model.status().message() == message, message << ": " << model.status().message());
  }
}

}  // namespace
}  // namespace edgefront::testing
