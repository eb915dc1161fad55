// The whole engine: golden logits computed elsewhere, and invariants that hold whatever the weights: chunk size, prefill or
// decode, batch, threads, instruction set and the cache's wrapping must not change what a model says.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include "infer/seeded_weights.h"
#include "infer/session.h"
#include "tests/isas.h"
#include "tests/models.h"
#include "tests/test.h"

namespace edgefront::testing {
namespace {

std::vector<uint8_t> ReadGolden(const std::string& name) {
  const std::string here = __FILE__;
  for (const std::string& root : {std::string("test/golden/"), std::string("../test/golden/"), here.substr(0, here.rfind("kernels/")) + "test/golden/"}) {
    std::ifstream in(root + name, std::ios::binary);
    if (in) return {std::istreambuf_iterator<char>(in), {}};
  }
  return {};
}

std::vector<uint32_t> Tokens(size_t n, uint32_t vocab) {
  std::vector<uint32_t> t(n);
  for (size_t i = 0; i < n; ++i) t[i] = FixedToken(i, vocab);
  return t;
}

// Logits of every position: the first `prefill` tokens in chunks, the rest decoded. Empty on failure.
std::vector<float> AllLogits(const std::shared_ptr<const Model>& model, const SessionOptions& o, const std::vector<uint32_t>& tokens, size_t prefill) {
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

// max |a - b| / max |b|
double RelativeError(const std::vector<float>& a, const std::vector<float>& b) {
  double worst = 0, largest = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    const double e = std::fabs(static_cast<double>(a[i]) - b[i]);
    worst = e <= worst ? worst : e;
    largest = std::max(largest, std::fabs(static_cast<double>(b[i])));
    if (e != e) return 1e30;
  }
  return worst / largest;
}

SessionOptions Options(uint32_t context, uint32_t chunk, Isa isa = Isa::kAuto, KvType kv = KvType::kF16, int threads = 2) {
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

// Each operator alone and at its extremes, then all of them; dim 64 unless said.
std::vector<Layout> Layouts(uint32_t ffn) {
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
       {AttentionLayer(4, 2, 40, ffn), AttentionLayer(4, 4, 48, 2 * ffn), AttentionLayer(2, 1, 80, ffn), AttentionLayer(1, 1, 128, 3 * ffn)}},
      {"hd 256", {AttentionLayer(1, 1, 256, ffn)}},
      {"no QK-norm", {AttentionLayer(4, 2, 32, ffn, 0, false)}},
      {"window 1", {AttentionLayer(4, 2, 32, ffn, 1)}},
      {"window 7", {AttentionLayer(4, 2, 32, ffn, 7), AttentionLayer(4, 2, 32, ffn, 7)}},
      {"window 64", {AttentionLayer(4, 2, 32, ffn, 64)}},
      {"hybrid", {ConvLayer(3, ffn), AttentionLayer(4, 2, 32, ffn, 0, true, 1e6f), ConvLayer(5, 2 * ffn), AttentionLayer(8, 2, 64, ffn, 33)}},
  };
}

void ChunksAndDecodeAgree(DType matrices, DType embedding, uint32_t dim, uint32_t ffn, KvType kv, double tolerance) {
  const uint32_t vocab = 96, count = 150;
  const std::vector<uint32_t> tokens = Tokens(count, vocab);
  for (const Layout& layout : Layouts(ffn)) {
    const auto plan = MakePlan("edgefront", dim, vocab, layout.layers, {matrices, embedding, 3});
    auto model = Model::FromBytes(plan, 2);
    REQUIRE(model.ok());
    const std::vector<float> want = AllLogits(*model, Options(count, count, Isa::kAuto, kv), tokens, count);
    REQUIRE(!want.empty());
    const struct {
      uint32_t chunk;
      size_t prefill;
      int threads;
    } ways[] = {{1, count, 1}, {7, count, 2}, {64, count, 3}, {149, count, 2}, {32, 100, 2}, {512, 149, 1}, {16, 1, 2}};
    for (const auto& way : ways) {
      const std::vector<float> got = AllLogits(*model, Options(count, way.chunk, Isa::kAuto, kv, way.threads), tokens, way.prefill);
      REQUIRE(got.size() == want.size());
      const double error = RelativeError(got, want);
      CHECK_MSG(error <= tolerance, layout.name << ", " << DTypeName(matrices) << ", chunk " << way.chunk << ", prefill " << way.prefill << ": " << error);
    }
  }
}

}  // namespace

TEST(GoldenLogits) {
  for (const char* name : {"lfm2", "llama", "qwen3", "edgefront"}) {
    const std::vector<uint8_t> plan = ReadGolden(std::string(name) + ".plan"), data = ReadGolden(std::string(name) + ".logits");
    REQUIRE(!plan.empty() && data.size() > 8);
    auto model = Model::FromBytes(plan, 1);
    REQUIRE(model.ok());
    uint32_t rows, vocab;
    std::memcpy(&rows, data.data(), 4);
    std::memcpy(&vocab, data.data() + 4, 4);
    REQUIRE(vocab == (*model)->spec().vocab && data.size() == 8 + 4 * size_t{rows} * (1 + vocab));
    std::vector<uint32_t> at(rows);
    std::vector<float> want(size_t{rows} * vocab);
    std::memcpy(at.data(), data.data() + 8, 4 * rows);
    std::memcpy(want.data(), data.data() + 8 + 4 * rows, 4 * want.size());
    const std::vector<uint32_t> tokens = Tokens(at.back() + 1, vocab);
    for (Isa isa : TestedIsas()) {
      for (const auto& [kv, tolerance] : {std::pair{KvType::kF32, 1e-5}, {KvType::kF16, 2e-3}, {KvType::kQ8_0, 3e-2}}) {
        const std::vector<float> all = AllLogits(*model, Options(256, 64, isa, kv), tokens, 100);
        REQUIRE(all.size() == tokens.size() * vocab);
        std::vector<float> got;
        for (uint32_t p : at) got.insert(got.end(), all.begin() + size_t{p} * vocab, all.begin() + size_t{p + 1} * vocab);
        const double error = RelativeError(got, want);
        CHECK_MSG(error <= tolerance, name << " on " << IsaName(isa) << ", cache " << static_cast<int>(kv) << ": relative error " << error);
      }
    }
  }
}

// On one instruction set a token's arithmetic does not depend on its company, so these hold exactly.
TEST(ChunkAndDecodeInvariantF32) { ChunksAndDecodeAgree(DType::kF32, DType::kF32, 60, 52, KvType::kF32, 0); }
TEST(ChunkAndDecodeInvariantF16) { ChunksAndDecodeAgree(DType::kF16, DType::kF16, 64, 96, KvType::kF16, 0); }
TEST(ChunkAndDecodeInvariantQ4) { ChunksAndDecodeAgree(DType::kQ4_0, DType::kQ8_0, 64, 96, KvType::kF16, 0); }
TEST(ChunkAndDecodeInvariantQ8Cache) { ChunksAndDecodeAgree(DType::kQ8_0, DType::kF16, 64, 96, KvType::kQ8_0, 0); }

// Contexts of several segments of keys (kAttendSegment): shared among workers in decode, summed in turn in prefill.
TEST(SegmentsOfKeysAgree) {
  const uint32_t vocab = 96, count = 1100, prefills[] = {count, 515, 1090}, chunks[] = {256, 100, 512};
  const std::vector<uint32_t> tokens = Tokens(count, vocab);
  const std::vector<Layout> layouts = {{"MQA", {AttentionLayer(3, 1, 32, 64)}},
                                       {"GQA after a window", {AttentionLayer(2, 1, 32, 64, 600), AttentionLayer(4, 2, 32, 64)}}};
  for (const Layout& layout : layouts) {
    const auto plan = MakePlan("edgefront", 64, vocab, layout.layers, {DType::kF32, DType::kF32, 3});
    auto model = Model::FromBytes(plan, 2);
    REQUIRE(model.ok());
    const std::vector<float> want = AllLogits(*model, Options(count, count, Isa::kAuto, KvType::kF16, 1), tokens, count);
    REQUIRE(!want.empty());
    if (layout.layers.size() == 1) {  // in F32: rounding to half makes last bits larger ones
      const std::vector<float> fast = AllLogits(*model, Options(count, count, Isa::kAuto, KvType::kF32, 1), tokens, count);
      const std::vector<float> scalar = AllLogits(*model, Options(count, count, Isa::kScalar, KvType::kF32, 2), tokens, count);
      CHECK_MSG(RelativeError(fast, scalar) <= 1e-4, layout.name << " against scalar: " << RelativeError(fast, scalar));
    }
    for (int way = 0; way < 3; ++way) {
      const std::vector<float> got = AllLogits(*model, Options(count, chunks[way], Isa::kAuto, KvType::kF16, way + 1), tokens, prefills[way]);
      CHECK_MSG(got == want, layout.name << ", prefill " << prefills[way] << ", " << way + 1 << " threads");
    }
  }
}

// Quantised activations turn rounding differences into steps of 1/127 of a block's largest value, hence the tolerance.
TEST(IsasAgreeOnMixedFile) {
  const auto plan = MakePlan("edgefront", 256, 300, Layouts(512).back().layers, {DType::kQ4_0, DType::kQ6_K, 5});
  auto model = Model::FromBytes(plan, 2);
  REQUIRE(model.ok());
  const std::vector<uint32_t> tokens = Tokens(90, 300);
  const std::vector<float> want = AllLogits(*model, Options(90, 32, Isa::kScalar), tokens, 80);
  REQUIRE(!want.empty());
  for (Isa isa : TestedIsas()) {
    const double error = RelativeError(AllLogits(*model, Options(90, 32, isa), tokens, 80), want);
    CHECK_MSG(error <= 3e-2, IsaName(isa) << ": relative error " << error);
  }
}

// Files as llama-quantize writes them: Q6_K with Q8_0 where rows are no multiple of 256; Q4_0 under a Q6_K table; and any mixture of types.
TEST(MixedFiles) {
  using Choice = std::function<DType(const TensorSpec&)>;
  const DType all[] = {DType::kQ4_0, DType::kQ6_K, DType::kF16, DType::kQ8_0, DType::kBF16, DType::kF32};
  const auto fits = [](DType type, const TensorSpec& t) { return t.ne0 % BlockOf(type).elements == 0; };
  size_t turn = 0;
  const std::pair<const char*, Choice> files[] = {
      {"Q6_K, else Q8_0", [&](const TensorSpec& t) { return fits(DType::kQ6_K, t) ? DType::kQ6_K : DType::kQ8_0; }},
      {"Q4_0 under Q6_K", [&](const TensorSpec& t) { return t.role == Role::kEmbedding ? DType::kQ6_K : DType::kQ4_0; }},
      {"BF16", [](const TensorSpec&) { return DType::kBF16; }},
      {"each type in turn", [&](const TensorSpec& t) {
         while (!fits(all[turn % 6], t)) ++turn;
         return all[turn++ % 6];
       }}};
  const std::vector<uint32_t> tokens = Tokens(50, 77);
  for (const auto& [name, type_of] : files) {
    PlanOptions options;
    options.type_of = type_of;
    auto model = Model::FromBytes(MakePlan("edgefront", 256, 77, Layouts(96).back().layers, options), 2);
    REQUIRE(model.ok());
    const std::vector<float> scalar = AllLogits(*model, Options(50, 50, Isa::kScalar), tokens, 50);
    for (Isa isa : TestedIsas()) {
      const std::vector<float> whole = AllLogits(*model, Options(50, 50, isa), tokens, 50);
      REQUIRE(!whole.empty());
      CHECK_MSG(whole == AllLogits(*model, Options(50, 9, isa, KvType::kF16, 3), tokens, 31), name << " on " << IsaName(isa));
      const double error = RelativeError(whole, scalar);
      CHECK_MSG(error <= 3e-2, name << " on " << IsaName(isa) << ": relative error " << error);
    }
  }
}

// A window of w forgets exactly the token w positions back.
TEST(WindowEdge) {
  const uint32_t vocab = 64, w = 10;
  const auto plan = MakePlan("edgefront", 64, vocab, {AttentionLayer(2, 1, 32, 64, w)}, {});
  auto model = Model::FromBytes(plan, 1);
  REQUIRE(model.ok());
  std::vector<uint32_t> a = Tokens(30, vocab), b = a;
  const size_t last = a.size() - 1;
  const auto last_logits = [&](const std::vector<uint32_t>& t) {
    const std::vector<float> all = AllLogits(*model, Options(40, 8), t, 25);
    return std::vector<float>(all.end() - vocab, all.end());
  };
  b[last - w] = (b[last - w] + 1) % vocab;  // just outside
  CHECK(last_logits(a) == last_logits(b));
  b = a;
  b[last - w + 1] = (b[last - w + 1] + 1) % vocab;  // the oldest inside
  CHECK(last_logits(a) != last_logits(b));
}

// A ring far smaller than the context gives the same answers as one that never wraps.
TEST(WindowCacheWraps) {
  const uint32_t vocab = 64, count = 700;
  const auto plan = MakePlan("edgefront", 64, vocab, {AttentionLayer(4, 2, 32, 64, 50), ConvLayer(4, 64), AttentionLayer(4, 1, 32, 64, 20)}, {});
  auto model = Model::FromBytes(plan, 2);
  REQUIRE(model.ok());
  const std::vector<uint32_t> tokens = Tokens(count, vocab);
  const auto small = (*model)->Plan(Options(count, 5)), large = (*model)->Plan(Options(count, count));
  REQUIRE(small.ok() && large.ok());
  CHECK(small->cache_bytes * 3 < large->cache_bytes);
  CHECK(AllLogits(*model, Options(count, 5), tokens, 650) == AllLogits(*model, Options(count, count), tokens, count));
}

// What a batch says of each sequence is, bit for bit, what that sequence alone would hear; whichever slot it has, and whatever the
// others' lengths. Sequences are prefilled in another order than they lie in.
static void BatchEqualsEachAlone(DType matrices, DType embedding, KvType kv, Isa isa, uint32_t batch) {
  const uint32_t vocab = 80, dim = 256, steps = 2;
  const auto plan = MakePlan("edgefront", dim, vocab, Layouts(96).back().layers, {matrices, embedding, 2});
  auto model = Model::FromBytes(plan, 2);
  REQUIRE(model.ok());
  SessionOptions o = Options(48, 16, isa, kv);
  o.batch = batch;
  auto batched = Session::Create(*model, o);
  REQUIRE(batched.ok());
  std::vector<std::vector<uint32_t>> streams;
  std::vector<size_t> lengths;
  for (uint32_t s = 0; s < batch; ++s) {
    lengths.push_back(1 + (11 * s + 19) % 21);
    std::vector<uint32_t> t(lengths[s] + steps);
    for (size_t i = 0; i < t.size(); ++i) t[i] = FixedToken(1000 * s + i, vocab);
    streams.push_back(t);
  }
  for (uint32_t s = batch; s-- > 0;) CHECK((*batched)->Prefill({streams[s].data(), lengths[s]}, s).ok());
  for (size_t step = 0; step < steps; ++step) {
    std::vector<uint32_t> now;
    for (uint32_t s = 0; s < batch; ++s) now.push_back(streams[s][lengths[s] + step]);
    CHECK((*batched)->DecodeBatch(now).ok());
  }
  for (uint32_t s = 0; s < batch; s += batch > 8 ? 7 : 1) {
    const std::vector<float> alone = AllLogits(*model, Options(48, 16, isa, kv), streams[s], lengths[s]);
    REQUIRE(alone.size() >= vocab);
    CHECK_MSG(std::equal(alone.end() - vocab, alone.end(), (*batched)->Logits(s).begin()),
              IsaName(isa) << ", " << DTypeName(matrices) << ", batch " << batch << ", sequence " << s);
    CHECK((*batched)->Position(s) == streams[s].size());
  }
}

TEST(BatchedSequencesAreIndependent) {
  const struct {
    DType matrices, embedding;
    KvType kv;
  } ways[] = {{DType::kF32, DType::kF32, KvType::kF32},    {DType::kF16, DType::kF16, KvType::kF16},
              {DType::kBF16, DType::kBF16, KvType::kF16},  {DType::kQ8_0, DType::kF16, KvType::kQ8_0},
              {DType::kQ4_0, DType::kQ6_K, KvType::kQ8_0}};
  for (const auto& way : ways) BatchEqualsEachAlone(way.matrices, way.embedding, way.kv, Isa::kAuto, 3);
  for (Isa isa : TestedIsas()) BatchEqualsEachAlone(DType::kQ4_0, DType::kQ6_K, KvType::kF16, isa, isa == Isa::kScalar ? 2 : 5);
  for (uint32_t batch : {2u, 35u}) BatchEqualsEachAlone(DType::kQ4_0, DType::kQ6_K, KvType::kF16, Isa::kAuto, batch);
}

// A batch's caches are planned for all its sequences; a token missing is refused, and nothing moves.
TEST(BatchIsPlannedAndChecked) {
  const auto plan = MakePlan("edgefront", 64, 80, Layouts(64).back().layers, {});
  auto model = Model::FromBytes(plan, 1);
  REQUIRE(model.ok());
  SessionOptions o = Options(64, 16);
  const auto one = (*model)->Plan(o);
  o.batch = 3;
  const auto three = (*model)->Plan(o);
  REQUIRE(one.ok() && three.ok());
  CHECK(three->cache_bytes == 3 * one->cache_bytes);
  CHECK(three->weight_bytes == one->weight_bytes);
  CHECK(three->activation_bytes >= one->activation_bytes + 2 * 80 * sizeof(float));
  auto session = Session::Create(*model, o);
  REQUIRE(session.ok());
  const uint32_t tokens[] = {1, 2, 3};
  CHECK((*session)->DecodeBatch(tokens).ok());
  CHECK(!(*session)->DecodeBatch({tokens, 2}).ok());
  CHECK(!(*session)->Prefill(tokens, 3).ok());
  for (uint32_t s = 0; s < 3; ++s) CHECK((*session)->Position(s) == 1);
}

TEST(ResetForgets) {
  const auto plan = MakePlan("edgefront", 64, 64, Layouts(64).back().layers, {});
  auto model = Model::FromBytes(plan, 1);
  REQUIRE(model.ok());
  auto session = Session::Create(*model, Options(40, 16));
  REQUIRE(session.ok());
  const std::vector<uint32_t> tokens = Tokens(30, 64);
  CHECK((*session)->Prefill(tokens).ok());
  const std::vector<float> first((*session)->Logits().begin(), (*session)->Logits().end());
  (*session)->Reset();
  CHECK((*session)->Position() == 0);
  CHECK((*session)->Prefill(tokens).ok());
  CHECK(std::equal(first.begin(), first.end(), (*session)->Logits().begin()));
  CHECK(!(*session)->Prefill(tokens).ok());  // 60 > 40
  const uint32_t outside[] = {64};
  CHECK(!(*session)->Prefill(outside).ok());
  CHECK((*session)->Position() == 30);
}

TEST(MaterializedFileSaysTheSame) {
  const auto plan = MakePlan("edgefront", 256, 70, Layouts(256).back().layers, {DType::kQ4_0, DType::kQ6_K, 9});
  const std::string path = "/tmp/edgefront-materialize-" + std::to_string(reinterpret_cast<uintptr_t>(&plan) ^ SplitMix64(time(nullptr))) + ".gguf";
  const auto written = Materialize(plan, path);
  REQUIRE(written.ok());
  auto seeded = Model::FromBytes(plan, 2), read = Model::FromFile(path, 2);
  std::remove(path.c_str());
  REQUIRE(seeded.ok() && read.ok());
  CHECK((*seeded)->seeded() && !(*read)->seeded());
  const std::vector<uint32_t> tokens = Tokens(20, 70);
  const std::vector<float> a = AllLogits(*seeded, Options(20, 20), tokens, 20);
  CHECK(!a.empty() && a == AllLogits(*read, Options(20, 20), tokens, 20));
  CHECK(!Materialize(plan, "/nonexistent-directory/x.gguf").ok());
}

TEST(BadOptionsAreRefused) {
  const auto plan = MakePlan("edgefront", 64, 64, Layouts(64).back().layers, {});
  auto model = Model::FromBytes(plan, 1);
  REQUIRE(model.ok());
  SessionOptions o = Options(0, 16);
  CHECK(!Session::Create(*model, o).ok());
  o = Options(16, 0);
  CHECK(!Session::Create(*model, o).ok());
  o = Options(16, 16, Isa::kAuto, KvType::kF16, 1000);
  CHECK(!Session::Create(*model, o).ok());
  o = Options(16, 16);
  o.batch = 0;
  CHECK(!Session::Create(*model, o).ok());
}

}  // namespace edgefront::testing
