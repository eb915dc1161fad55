// Mixtures of experts: the choice of experts, and steps in which tokens share experts or leave experts unused.
// infer_test.cc has the invariants of every layout.
#include <cmath>
#include <limits>
#include <vector>

#include "ops/moe/choose.h"
#include "tests/engine_runs.h"
#include "tests/isas.h"
#include "tests/test.h"

namespace edgefront::testing {
namespace {

std::vector<uint32_t> Chosen(const std::vector<float>& scores, const std::vector<float>& bias, uint32_t used) {
  std::vector<uint32_t> chosen(used, 1000);
  ChooseExperts(scores.data(), bias.data(), static_cast<uint32_t>(scores.size()), used,
                [&](uint32_t rank, uint32_t expert) { chosen[rank] = expert; });
  return chosen;
}

using Experts = std::vector<uint32_t>;

TEST(MoeChoosesTheLargestThenTheFirst) {
  const std::vector<float> none(5, 0.0f);
  CHECK(Chosen({0.1f, 0.9f, 0.5f, 0.7f, 0.2f}, none, 3) == Experts({1, 3, 2}));
  CHECK(Chosen({0.5f, 0.5f, 0.5f, 0.5f, 0.5f}, none, 3) == Experts({0, 1, 2}));
  CHECK(Chosen({0.5f, 0.7f, 0.5f, 0.7f, 0.5f}, none, 4) == Experts({1, 3, 0, 2}));
  CHECK(Chosen({0.5f, 0.7f, 0.5f, 0.7f, 0.5f}, none, 5) == Experts({1, 3, 0, 2, 4}));
  // A bias decides, and also makes ties.
  CHECK(Chosen({0.5f, 0.75f, 0.5f, 0.75f, 0.25f}, {0.25f, 0, 0, 0, 1}, 3) == Experts({4, 0, 1}));
}

// A diverged model must not make the engine read outside its arrays.
TEST(MoeChoosesExpertsThatExistAmongNaNs) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const uint32_t expert : Chosen({nan, 0.5f, nan, nan}, {0, 0, 0, 0}, 4)) CHECK(expert < 4);
  for (const uint32_t expert : Chosen({nan, nan, nan}, {0, 0, 0}, 2)) CHECK(expert < 3);
}

// One tap mixes no tokens, so equal tokens are equal rows: all choose the same experts, and others are unused.
TEST(MoeRunsAllTokensOnOneExpert) {
  const uint32_t vocab = 40, count = 70;
  const std::vector<LayerSpec> layers = {WithExperts(ConvLayer(1, 0), 6, 1, 64), WithExperts(ConvLayer(1, 0), 6, 2, 96)};
  const auto plan = MakePlan("edgefront", 64, vocab, layers, {DType::kQ4_0, DType::kQ8_0, 3});
  auto model = Model::FromBytes(plan, 2);
  REQUIRE(model.ok());
  for (const Isa isa : TestedIsas()) {
    const std::vector<float> together = AllLogits(*model, Options(count, count, isa), std::vector<uint32_t>(count, 7), count);
    const std::vector<float> alone = AllLogits(*model, Options(count, 1, isa), {7}, 1);
    REQUIRE(together.size() == size_t{count} * vocab && alone.size() == vocab);
    for (uint32_t i = 0; i < count; ++i) CHECK(std::equal(alone.begin(), alone.end(), together.begin() + size_t{i} * vocab));
  }
}

// Sequences of a batch choose experts of their own, in one step.
TEST(MoeBatchEqualsSequencesAlone) {
  const uint32_t vocab = 60, batch = 7, steps = 9;
  const std::vector<LayerSpec> layers = {WithExperts(ConvLayer(3, 0), 8, 2, 32), WithExperts(AttentionLayer(4, 2, 16, 0), 5, 3, 32)};
  const auto plan = MakePlan("edgefront", 64, vocab, layers, {DType::kQ8_0, DType::kF16, 9});
  auto model = Model::FromBytes(plan, 2);
  REQUIRE(model.ok());
  SessionOptions o = Options(32, 16);
  o.batch = batch;
  auto together = Session::Create(*model, o);
  REQUIRE(together.ok());
  std::vector<std::vector<uint32_t>> fed(batch);
  for (uint32_t step = 0; step < steps; ++step) {
    std::vector<uint32_t> tokens;
    for (uint32_t s = 0; s < batch; ++s) {
      fed[s].push_back(FixedToken(step * batch + s, vocab));
      tokens.push_back(fed[s].back());
    }
    REQUIRE((*together)->DecodeBatch(tokens).ok());
  }
  for (uint32_t s = 0; s < batch; ++s) {
    const std::vector<float> alone = AllLogits(*model, Options(32, 16), fed[s], 4);
    REQUIRE(alone.size() == size_t{steps} * vocab);
    const auto got = (*together)->Logits(s);
    CHECK(std::equal(got.begin(), got.end(), alone.end() - vocab));
  }
}

TEST(MoeRefusesWhatItCannotRun) {
  const std::vector<LayerSpec> layers = {ConvLayer(3, 64), WithExperts(AttentionLayer(2, 1, 32, 0), 4, 2, 64)};
  CHECK(Model::FromBytes(MakePlan("lfm2moe", 64, 60, layers), 1).ok());
  std::vector<LayerSpec> wrong = layers;
  wrong[1].moe.used = 5;
  const auto refused = Model::FromBytes(MakePlan("lfm2moe", 64, 60, wrong), 1);
  CHECK(!refused.ok() && refused.status().message().find("expert_used_count is 5, outside 1..4") != std::string::npos);
}

}  // namespace
}  // namespace edgefront::testing
