// The reader on files that it must accept and files that it must refuse: every truncation, named attacks, and
// deterministic random mutations. The test fails by a crash, or by undefined behaviour under a sanitizer.
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "include/edgefront/gguf.h"
#include "infer/session.h"
#include "tests/models.h"
#include "tests/test.h"

namespace edgefront::testing {
namespace {

std::vector<uint8_t> SmallPlan() { return MakePlan("edgefront", 32, 40, {ConvLayer(3, 48), AttentionLayer(2, 1, 16, 48, 8)}, {}); }

// Runs the parser, the layout's validation and the planner, all of which see hostile files.
bool Accepts(std::span<const uint8_t> bytes) {
  auto gguf = GgufFile::Parse(bytes);
  if (!gguf.ok()) return false;
  const bool spec_ok = ModelSpec::FromGguf(*gguf).ok();
  const auto plan = PlanMemory(*gguf, {});
  CHECK(spec_ok || !plan.ok());
  return plan.ok();
}

size_t Find(const std::vector<uint8_t>& bytes, const std::string& needle) {
  const std::string all(bytes.begin(), bytes.end());
  return all.find(needle);
}

template <class T>
void Poke(std::vector<uint8_t>& bytes, size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof(T));
}

}  // namespace

TEST(GgufReadsWhatWasWritten) {
  const std::vector<uint8_t> plan = SmallPlan();
  auto gguf = GgufFile::Parse(plan);
  REQUIRE(gguf.ok());
  CHECK(!gguf->has_data() && gguf->header_bytes() == plan.size());
  auto spec = ModelSpec::FromGguf(*gguf);
  REQUIRE(spec.ok());
  CHECK(spec->layers.size() == 2 && spec->dim == 32 && spec->vocab == 40 && spec->seed == 7u && spec->tied);
  CHECK(spec->layers[0].mixer == Mixer::kConv && spec->layers[0].conv.taps == 3 && spec->layers[0].ffn == 48);
  CHECK(spec->layers[1].mixer == Mixer::kAttention && spec->layers[1].attention.window == 8 && spec->layers[1].attention.kv_heads == 1 &&
        spec->layers[1].attention.qk_norm);
  // V d + d + for each layer 3 d F + 2 d; conv 4 d^2 + k d; attention 2 d H hd + 2 d KV hd + 2 hd.
  CHECK(spec->Parameters() == 40 * 32 + 32 + 2 * (3 * 32 * 48 + 2 * 32) + (4 * 32 * 32 + 3 * 32) + (2 * 32 * 32 + 2 * 32 * 16 + 2 * 16));
}

TEST(PublishedParameterCounts) {
  const struct {
    uint32_t d, ffn, heads;
    uint64_t parameters;
  } published[] = {{1024, 4608, 16, 354483968}, {1536, 6912, 24, 742489344}, {2048, 8192, 32, 1170340608}};
  for (const auto& p : published) {
    const auto plan = Lfm2Plan(p.d, p.ffn, p.heads, DType::kQ4_0, DType::kQ6_K);
    auto gguf = GgufFile::Parse(plan);
    REQUIRE(gguf.ok());
    auto spec = ModelSpec::FromGguf(*gguf);
    REQUIRE(spec.ok());
    CHECK_MSG(spec->Parameters() == p.parameters, spec->Parameters());
  }
}

TEST(GgufEveryTruncationIsRefused) {
  const std::vector<uint8_t> plan = SmallPlan();
  for (size_t n = 0; n < plan.size(); ++n) {
    // Address sanitizers detect a read beyond this copy of exactly n bytes.
    const std::vector<uint8_t> cut(plan.begin(), plan.begin() + n);
    CHECK_MSG(!Accepts(cut), "cut at " << n);
  }
  CHECK(Accepts(plan));
}

TEST(GgufDataMustBeWhole) {
  std::vector<uint8_t> file = SmallPlan();
  auto gguf = GgufFile::Parse(file);
  REQUIRE(gguf.ok());
  const size_t whole = gguf->data_offset() + gguf->data_bytes();
  file.resize(whole, 0);
  CHECK(GgufFile::Parse(file).ok());
  file.resize(whole - 1);
  CHECK(!GgufFile::Parse(file).ok());
  CHECK(!Model::FromBytes(file, 1).ok());
}

TEST(GgufHostileHeaders) {
  const std::vector<uint8_t> good = SmallPlan();
  std::vector<uint8_t> bad = good;
  Poke<uint32_t>(bad, 0, 0x12345678);
  CHECK(!Accepts(bad));
  for (uint32_t version : {0u, 1u, 2u, 4u, 0x03000000u}) {
    bad = good;
    Poke(bad, 4, version);
    CHECK(!Accepts(bad));
  }
  for (size_t at : {8, 16}) {  // counts of tensors and of metadata
    for (uint64_t count : {uint64_t{0}, uint64_t{1} << 20, uint64_t{1} << 40, ~uint64_t{0}, uint64_t{1} << 63}) {
      bad = good;
      Poke(bad, at, count);
      CHECK(!Accepts(bad));
    }
  }
  const size_t alignment = Find(good, "general.alignment") + 17 + 4;
  for (uint32_t a : {0u, 3u, 0x80000000u, ~0u}) {
    bad = good;
    Poke(bad, alignment, a);
    CHECK(!Accepts(bad));
  }
  const size_t tensor = Find(good, "token_embd.weight") + 17;  // n_dims, dims, type, offset
  for (uint64_t dim : {uint64_t{0}, uint64_t{1} << 63, ~uint64_t{0}, uint64_t{1} << 33}) {
    bad = good;
    Poke(bad, tensor + 4, dim);
    CHECK(!Accepts(bad));
  }
  for (uint32_t type : {3u, 4u, 31u, ~0u}) {
    bad = good;
    Poke(bad, tensor + 20, type);
    CHECK(!Accepts(bad));
  }
  bad = good;
  Poke<uint32_t>(bad, tensor, 5);
  CHECK(!Accepts(bad));
  bad = good;
  Poke<uint64_t>(bad, tensor + 24, 64);  // overlaps the next tensor
  CHECK(!Accepts(bad));
  bad = good;
  Poke<uint64_t>(bad, tensor + 24, ~uint64_t{31});
  CHECK(!Accepts(bad));
  // Trusting these sizes would overflow.
  for (const char* key : {"edgefront.block_count", "edgefront.embedding_length", "edgefront.vocab_size"}) {
    bad = good;
    Poke<uint32_t>(bad, Find(bad, key) + std::strlen(key) + 4, ~0u);
    CHECK(!Accepts(bad));
  }
}

TEST(GgufModelWithoutSeedOrData) {
  std::vector<uint8_t> plan = SmallPlan();
  std::memcpy(plan.data() + Find(plan, "edgefront.weights.seed"), "edgefront.weights.sood", 22);
  CHECK(Accepts(plan));
  const auto model = Model::FromBytes(plan, 1);
  CHECK(!model.ok() && model.status().code() == Code::kBadModel);
}

TEST(GgufMutationStorm) {
  const std::vector<uint8_t> plans[] = {SmallPlan(), MakePlan("lfm2", 32, 40, {ConvLayer(3, 48), AttentionLayer(2, 1, 16, 48)}, {}),
                                        MakePlan("llama", 32, 40, {AttentionLayer(2, 1, 16, 48, 0, false)}, {})};
  uint64_t state = 42;
  const auto next = [&] { return SplitMix64(state++); };
  int accepted = 0;
  for (int run = 0; run < 100000; ++run) {
    std::vector<uint8_t> m = plans[next() % 3];
    for (uint64_t edits = 1 + next() % 4; edits > 0; --edits) {
      const size_t at = next() % m.size();
      switch (next() % 6) {
        case 0: m[at] = static_cast<uint8_t>(next()); break;
        case 1: m[at] ^= static_cast<uint8_t>(1u << next() % 8); break;
        case 2:
          if (at + 8 <= m.size()) Poke<uint64_t>(m, at, uint64_t{1} << next() % 64);
          break;
        case 3:
          if (at + 4 <= m.size()) Poke<uint32_t>(m, at, static_cast<uint32_t>(next() % 3 ? ~0u : 0x7FFFFFFFu));
          break;
        case 4: m.resize(at + 1); break;
        case 5: {  // a copy of a run of bytes in another place
          const size_t from = next() % m.size(), n = std::min<size_t>(next() % 64, m.size() - from);
          const std::vector<uint8_t> run_of(m.begin() + from, m.begin() + from + n);
          m.insert(m.begin() + at, run_of.begin(), run_of.end());
          break;
        }
      }
    }
    accepted += Accepts(m);
  }
  CHECK(accepted > 0 && accepted < 100000);  // some mutations pass the first checks, and some are refused
}

}  // namespace edgefront::testing
