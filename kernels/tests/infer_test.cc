// The whole engine: golden logits computed elsewhere, and invariants for any weights. Chunk size, prefill or
// decode, threads and instruction set must not change the logits. Sessions: infer_session_test.cc.
#include <algorithm>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "infer/ffn_kind.h"
#include "infer/mixer_kind.h"
#include "tests/engine_runs.h"
#include "tests/isas.h"
#include "tests/test.h"

namespace edgefront::testing {
namespace {

std::vector<uint8_t> ReadGolden(const std::string& name) {
  const std::string here = __FILE__;
  for (const std::string& root :
       {std::string("test/golden/"), std::string("../test/golden/"), here.substr(0, here.rfind("kernels/")) + "test/golden/"}) {
    std::ifstream in(root + name, std::ios::binary);
    if (in) return {std::istreambuf_iterator<char>(in), {}};
  }
  return {};
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
      CHECK_MSG(error <= tolerance,
                layout.name << ", " << DTypeName(matrices) << ", chunk " << way.chunk << ", prefill " << way.prefill << ": " << error);
    }
  }
}

}  // namespace

// A mixer without a row in tests/layers.h would be missing in all tests that read the table.
TEST(EveryMixerIsListed) {
  for (const MixerKind* kind : MixerKinds()) {
    const TestMixer* row = FindTestMixer(kind->id);
    CHECK_MSG(row != nullptr, "kernels/tests/layers.h has no row for the mixer " << kind->names[0]);
    if (row == nullptr) continue;
    CHECK_MSG(!row->hybrid(64).empty() && !row->trained.empty(), kind->names[0] << " has no layers in kernels/tests/layers.h");
    std::set<std::string_view> seen;
    for (const Layout& layout : row->alone(64)) {
      auto model = Model::FromBytes(MakePlan("edgefront", 64, 80, layout.layers), 1);
      CHECK_MSG(model.ok(), layout.name << " of kernels/tests/layers.h: " << model.status().message());
      for (const LayerSpec& l : layout.layers) seen.insert(row->name(l));
    }
    for (const std::string_view name : kind->names) CHECK_MSG(seen.contains(name), "kernels/tests/layers.h has no layout of " << name);
  }
}

TEST(EveryFfnIsListed) {
  for (const FfnKind* kind : FfnKinds()) {
    const auto row = std::find_if(TestFfns().begin(), TestFfns().end(), [&](const TestFfn& f) { return f.ffn == kind->id; });
    CHECK_MSG(row != TestFfns().end(), "kernels/tests/ffns.h has no row for the FFN " << kind->name);
    if (row == TestFfns().end()) continue;
    CHECK_MSG(!row->trained.empty(), kind->name << " has no layers for training in kernels/tests/ffns.h");
    CHECK(row->in_hybrid(ConvLayer(3, 64), 64).ffn_kind() == kind->id);
    for (const Layout& layout : row->alone(64)) {
      auto model = Model::FromBytes(MakePlan("edgefront", 64, 80, layout.layers), 1);
      CHECK_MSG(model.ok(), layout.name << " of kernels/tests/ffns.h: " << model.status().message());
      for (const LayerSpec& l : layout.layers) CHECK(l.ffn_kind() == kind->id);
    }
  }
}

// The decay of a filter's mode is rounded to F32, and the error adds up over the tokens that the mode
// remembers.
TEST(GoldenLogits) {
  for (const char* name : {"lfm2", "llama", "qwen3", "edgefront", "m2", "gdn", "filters", "m1", "cfc", "lfm3", "lfm2moe", "moe", "linear",
                           "sharing", "parallel", "falcon-h1"}) {
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
      for (const auto& [kv, tolerance] : {std::pair{KvType::kF32, 2e-5}, {KvType::kF16, 2e-3}, {KvType::kQ8_0, 3e-2}}) {
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

// On one instruction set a token's arithmetic does not depend on other tokens, so equality is exact.
TEST(ChunkAndDecodeInvariantF32) { ChunksAndDecodeAgree(DType::kF32, DType::kF32, 60, 52, KvType::kF32, 0); }
TEST(ChunkAndDecodeInvariantF16) { ChunksAndDecodeAgree(DType::kF16, DType::kF16, 64, 96, KvType::kF16, 0); }
TEST(ChunkAndDecodeInvariantQ4) { ChunksAndDecodeAgree(DType::kQ4_0, DType::kQ8_0, 64, 96, KvType::kF16, 0); }
TEST(ChunkAndDecodeInvariantQ8Cache) { ChunksAndDecodeAgree(DType::kQ8_0, DType::kF16, 64, 96, KvType::kQ8_0, 0); }

// Contexts with several segments of keys (kAttendSegment): workers share them in decode; prefill sums them in
// turn.
TEST(SegmentsOfKeysAgree) {
  const uint32_t vocab = 96, count = 1100, prefills[] = {count, 515, 1090}, chunks[] = {256, 100, 512};
  const std::vector<uint32_t> tokens = Tokens(count, vocab);
  const std::vector<Layout> layouts = {
      {"MQA", {AttentionLayer(3, 1, 32, 64)}},
      {"GQA after a window", {AttentionLayer(2, 1, 32, 64, 600), Rotating(AttentionLayer(4, 2, 32, 64), 12, true)}}};
  for (const Layout& layout : layouts) {
    const auto plan = MakePlan("edgefront", 64, vocab, layout.layers, {DType::kF32, DType::kF32, 3});
    auto model = Model::FromBytes(plan, 2);
    REQUIRE(model.ok());
    const std::vector<float> want = AllLogits(*model, Options(count, count, Isa::kAuto, KvType::kF16, 1), tokens, count);
    REQUIRE(!want.empty());
    if (layout.layers.size() == 1) {  // in F32, because rounding to F16 enlarges differences in the last bits
      const std::vector<float> fast = AllLogits(*model, Options(count, count, Isa::kAuto, KvType::kF32, 1), tokens, count);
      const std::vector<float> scalar = AllLogits(*model, Options(count, count, Isa::kScalar, KvType::kF32, 2), tokens, count);
      CHECK_MSG(RelativeError(fast, scalar) <= 1e-4, layout.name << " against scalar: " << RelativeError(fast, scalar));
    }
    for (int way = 0; way < 3; ++way) {
      const std::vector<float> got =
          AllLogits(*model, Options(count, chunks[way], Isa::kAuto, KvType::kF16, way + 1), tokens, prefills[way]);
      CHECK_MSG(got == want, layout.name << ", prefill " << prefills[way] << ", " << way + 1 << " threads");
    }
  }
}

// Quantised activations turn rounding differences into steps of 1/127 of a block's largest value. The layout
// has a layer or two of every mixer, and each adds to the difference.
constexpr double kMixedTolerance = 6e-2;

TEST(IsasAgreeOnMixedFile) {
  const auto plan = MakePlan("edgefront", 256, 300, Layouts(512).back().layers, {DType::kQ4_0, DType::kQ6_K, 5});
  auto model = Model::FromBytes(plan, 2);
  REQUIRE(model.ok());
  const std::vector<uint32_t> tokens = Tokens(90, 300);
  const std::vector<float> want = AllLogits(*model, Options(90, 32, Isa::kScalar), tokens, 80);
  REQUIRE(!want.empty());
  for (Isa isa : TestedIsas()) {
    const double error = RelativeError(AllLogits(*model, Options(90, 32, isa), tokens, 80), want);
    CHECK_MSG(error <= kMixedTolerance, IsaName(isa) << ": relative error " << error);
  }
}

// Files as llama-quantize writes them (Q6_K, with Q8_0 for rows that are not a multiple of 256; Q4_0 with a
// Q6_K table), and mixtures of all types.
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
      CHECK_MSG(error <= kMixedTolerance, name << " on " << IsaName(isa) << ": relative error " << error);
    }
  }
}

}  // namespace edgefront::testing
