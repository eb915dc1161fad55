// Sessions: windows, rings that wrap, batches, reset, options out of bounds, and a materialised file.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "tests/engine_runs.h"
#include "tests/isas.h"
#include "tests/test.h"

namespace edgefront::testing {

// A window of w drops exactly the token w positions back.
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
  b[last - w] = (b[last - w] + 1) % vocab;  // just outside the window
  CHECK(last_logits(a) == last_logits(b));
  b = a;
  b[last - w + 1] = (b[last - w + 1] + 1) % vocab;  // the oldest token inside
  CHECK(last_logits(a) != last_logits(b));
}

// A ring far smaller than the context gives the same results as one that never wraps.
TEST(WindowCacheWraps) {
  const uint32_t vocab = 64, count = 700;
  const auto plan =
      MakePlan("edgefront", 64, vocab, {AttentionLayer(4, 2, 32, 64, 50), ConvLayer(4, 64), AttentionLayer(4, 1, 32, 64, 20)}, {});
  auto model = Model::FromBytes(plan, 2);
  REQUIRE(model.ok());
  const std::vector<uint32_t> tokens = Tokens(count, vocab);
  const auto small = (*model)->Plan(Options(count, 5)), large = (*model)->Plan(Options(count, count));
  REQUIRE(small.ok() && large.ok());
  CHECK(small->cache_bytes * 3 < large->cache_bytes);
  CHECK(AllLogits(*model, Options(count, 5), tokens, 650) == AllLogits(*model, Options(count, count), tokens, count));
}

// Each sequence of a batch has exactly the logits that it has alone, for every slot and all lengths of the
// others. Sequences are prefilled in another order than their slots.
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
  } ways[] = {{DType::kF32, DType::kF32, KvType::kF32},
              {DType::kF16, DType::kF16, KvType::kF16},
              {DType::kBF16, DType::kBF16, KvType::kF16},
              {DType::kQ8_0, DType::kF16, KvType::kQ8_0},
              {DType::kQ4_0, DType::kQ6_K, KvType::kQ8_0}};
  for (const auto& way : ways) BatchEqualsEachAlone(way.matrices, way.embedding, way.kv, Isa::kAuto, 3);
  for (Isa isa : TestedIsas()) BatchEqualsEachAlone(DType::kQ4_0, DType::kQ6_K, KvType::kF16, isa, isa == Isa::kScalar ? 2 : 5);
  for (uint32_t batch : {2u, 35u}) BatchEqualsEachAlone(DType::kQ4_0, DType::kQ6_K, KvType::kF16, Isa::kAuto, batch);
}

// The caches of a batch are planned for all its sequences. A step with a missing token is refused and changes
// nothing.
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
  const std::string path =
      "/tmp/edgefront-materialize-" + std::to_string(reinterpret_cast<uintptr_t>(&plan) ^ SplitMix64(time(nullptr))) + ".gguf";
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
