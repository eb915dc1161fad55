// Layouts and runs of the whole engine, shared by its tests.
#ifndef EDGEFRONT_TESTS_ENGINE_RUNS_H_
#define EDGEFRONT_TESTS_ENGINE_RUNS_H_

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "infer/seeded_weights.h"
#include "infer/session.h"
#include "tests/models.h"
#include "tests/temporary_file.h"
#include "tests/test.h"
#include "tests/parallel_layers.h"

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

// Returns the whole file of a plan, with its weights.
inline std::vector<uint8_t> FileOf(const std::vector<uint8_t>& plan) {
  const std::string path = TemporaryPath();
  CHECK(Materialize(plan, path).ok());
  std::ifstream in(path, std::ios::binary);
  std::vector<uint8_t> file{std::istreambuf_iterator<char>(in), {}};
  std::remove(path.c_str());
  return file;
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

// Returns the layouts of each mixer and of each FFN alone, those of parallel layers, then the hybrid with all
// mixers and FFNs, and a parallel layer before them.
inline std::vector<Layout> Layouts(uint32_t ffn) {
  std::vector<Layout> out;
  for (const TestMixer& m : TestMixers())
    for (Layout& layout : m.alone(ffn)) out.push_back(std::move(layout));
  for (const TestFfn& f : TestFfns())
    for (Layout& layout : f.alone(ffn)) out.push_back(std::move(layout));
  for (Layout& layout : ParallelLayouts(ffn)) out.push_back(std::move(layout));
  Layout hybrid{"hybrid", InRounds([ffn](const TestMixer& m) { return m.hybrid(ffn); })};
  auto layer = hybrid.layers.begin();
  for (const TestFfn& f : TestFfns()) *layer = f.in_hybrid(*layer, ffn), ++layer;
  const std::vector<LayerSpec> pair = Parallel(AttentionLayer(4, 2, 32, ffn, 0, false), Mamba2Layer(4, 32, 24, 2, 3, ffn));
  hybrid.layers.insert(hybrid.layers.begin(), pair.begin(), pair.end());
  out.push_back(std::move(hybrid));
  return out;
}

}  // namespace edgefront::testing

#endif  // EDGEFRONT_TESTS_ENGINE_RUNS_H_
