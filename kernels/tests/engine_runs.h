// Layouts and runs of the whole engine, shared by its tests.
#ifndef EDGEFRONT_TESTS_ENGINE_RUNS_H_
#define EDGEFRONT_TESTS_ENGINE_RUNS_H_

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "infer/seeded_weights.h"
#include "infer/session.h"
#include "tests/models.h"

namespace edgefront::testing {

inline std::vector<uint32_t> Tokens(size_t n, uint32_t vocab) {
  std::vector<uint32_t> t(n);
  for (size_t i = 0; i < n; ++i) t[i] = FixedToken(i, vocab);
  return t;
}

// Returns the logits of every position: the first `prefill` tokens in chunks, the rest decoded. Empty on
// failure.
inline std::vector<float> AllLogits(const std::shared_ptr<const Model>& model, const SessionOptions& o, const std::vector<uint32_t>& tokens,
                                    size_t prefill) {
  auto session = Session::Create(model, o);
  if (!session.ok()) return {};
  const size_t vocab = model->spec().vocab;
  std::vector<float> out(tokens.size() * vocab);
  if (!(*session)->Prefill({tokens.data(), prefill}, 0, out.data()).ok()) return {};
  for (size_t i = prefill; i < tokens.size(); ++i) {
    if (!(*session)->Decode(tokens[i]).ok()) return {};
    std::copy_n((*session)->Logits().begin(), vocab, out.begin() + i * vocab);
  }
  return out;
}

// Returns max |a - b| / max |b|.
inline double RelativeError(const std::vector<float>& a, const std::vector<float>& b) {
  double worst = 0, largest = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    const double e = std::fabs(static_cast<double>(a[i]) - b[i]);
    worst = e <= worst ? worst : e;
    largest = std::max(largest, std::fabs(static_cast<double>(b[i])));
    if (e != e) return 1e30;
  }
  return worst / largest;
}

inline SessionOptions Options(uint32_t context, uint32_t chunk, Isa isa = Isa::kAuto, KvType kv = KvType::kF16, int threads = 2) {
  SessionOptions o;
  o.max_context = context;
  o.chunk = chunk;
  o.isa = isa;
  o.kv = kv;
  o.threads = threads;
  o.pin = false;
  return o;
}

struct Layout {
  const char* name;
  std::vector<LayerSpec> layers;
};

// Returns layouts with each operator alone and at its extremes, then with all of them.
inline std::vector<Layout> Layouts(uint32_t ffn) {
  return {
      {"conv k=1", {ConvLayer(1, ffn)}},
      {"conv k=2", {ConvLayer(2, ffn), ConvLayer(2, ffn)}},
      {"conv k=3", {ConvLayer(3, ffn)}},
      {"conv k=4 to 7", {ConvLayer(4, ffn), ConvLayer(5, ffn), ConvLayer(6, ffn), ConvLayer(7, ffn)}},
      {"conv k=8", {ConvLayer(8, ffn), ConvLayer(8, ffn)}},
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
      {"hybrid",
       {ConvLayer(3, ffn), AttentionLayer(4, 2, 32, ffn, 0, true, 1e6f), ConvLayer(5, 2 * ffn), AttentionLayer(8, 2, 64, ffn, 33)}},
  };
}

}  // namespace edgefront::testing

#endif  // EDGEFRONT_TESTS_ENGINE_RUNS_H_
