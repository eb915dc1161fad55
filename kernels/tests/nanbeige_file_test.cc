// Files of llama.cpp's nanbeige, which apply one stack of layers several times: against files of llama that
// write out each application, and against one run for each loop where the final norm stands between loops.
#include <cstring>
#include <string>
#include <vector>

#include "tests/engine_runs.h"
#include "tests/test.h"
#include "train/session.h"

namespace edgefront::testing {
namespace {

// As many tokens as channels, so that the output matrix can be the identity.
constexpr uint32_t kDim = 64, kTokens = 40;

LayerSpec Block(uint32_t ffn) { return AttentionLayer(4, 2, 16, ffn, 0, false); }

// Returns a plan with an output matrix of its own. `loops` 0: without the keys of loops.
std::vector<uint8_t> Plan(const std::string& arch, const std::vector<LayerSpec>& layers, uint32_t loops = 0, bool skip_norm = true) {
  PlanOptions o;
  o.more = [=](GgufWriter& w) {
    w.AddTensor("output.weight", {kDim, kDim}, DType::kF32);
    if (loops == 0) return;
    w.AddU32("nanbeige.num_loops", loops);
    if (skip_norm) w.AddBool("nanbeige.skip_loop_final_norm", true);
  };
  return MakePlan(arch, kDim, kDim, layers, o);
}

float* Values(std::vector<uint8_t>& file, const std::string& name) {
  const auto gguf = GgufFile::Parse(file);
  return reinterpret_cast<float*>(file.data() + gguf->data_offset() + gguf->FindTensor(name)->offset);
}

std::vector<float> LogitsOf(const std::vector<uint8_t>& file, const std::vector<uint32_t>& tokens) {
  const auto model = Model::FromBytes(file, 1);
  CHECK_MSG(model.ok(), model.status().message());
  return model.ok() ? AllLogits(*model, Options(kTokens, 16, Isa::kAuto, KvType::kF32), tokens, 30) : std::vector<float>();
}

}  // namespace

TEST(NanbeigeRunsAsItsLayersWrittenOutDo) {
  const LayerSpec a = Block(96), b = Block(48);
  std::vector<uint8_t> out = FileOf(Plan("llama", {a, b, a, b, a, b}));
  const auto gguf = GgufFile::Parse(out);
  for (const GgufTensor& t : gguf->tensors()) {
    const std::string name(t.name);
    if (!name.starts_with("blk.") || name[4] < '2') continue;
    const GgufTensor* owner = gguf->FindTensor("blk." + std::to_string((name[4] - '0') % 2) + name.substr(5));
    uint8_t* data = out.data() + gguf->data_offset();
    std::memcpy(data + t.offset, data + owner->offset, RowBytes(t.type, t.dims[0]) * t.rows());
  }
  const std::vector<uint32_t> tokens = Tokens(kTokens, kDim);
  const std::vector<float> want = LogitsOf(out, tokens), got = LogitsOf(FileOf(Plan("nanbeige", {a, b}, 3)), tokens);
  CHECK(!want.empty() && got == want);
  CHECK(LogitsOf(FileOf(Plan("nanbeige", {a, b})), tokens) == LogitsOf(FileOf(Plan("llama", {a, b})), tokens));
}

TEST(NanbeigeNormalisesBetweenLoopsUnlessTheFileSkipsIt) {
  const LayerSpec a = Block(96), b = Block(48);
  const std::vector<uint32_t> tokens = Tokens(kTokens, kDim);
  // The first loop ends with the final norm. Its logits are these vectors, because the output matrix is the
  // identity, and become the embeddings of the second loop.
  std::vector<uint8_t> first = FileOf(Plan("llama", {a, b})), second = first;
  float* identity = Values(first, "output.weight");
  for (uint32_t i = 0; i < kDim * kDim; ++i) identity[i] = i % (kDim + 1) == 0 ? 1.0f : 0.0f;
  const std::vector<float> between = LogitsOf(first, tokens);
  REQUIRE(between.size() == kTokens * kDim);
  std::memcpy(Values(second, "token_embd.weight"), between.data(), 4 * between.size());
  std::vector<uint32_t> rows(kTokens);
  for (uint32_t i = 0; i < kTokens; ++i) rows[i] = i;
  const std::vector<float> want = LogitsOf(second, rows), got = LogitsOf(FileOf(Plan("nanbeige", {a, b}, 2, false)), tokens);
  CHECK(!want.empty() && RelativeError(got, want) < 1e-6);
  CHECK(RelativeError(LogitsOf(FileOf(Plan("nanbeige", {a, b}, 2)), tokens), want) > 1e-2);
}

TEST(NanbeigeFilesThatCannotRunAreRefused) {
  const LayerSpec a = Block(96);
  const auto many = Model::FromBytes(Plan("nanbeige", {a, a}, 513), 1);
  CHECK_MSG(!many.ok() && many.status().message() == "nanbeige.num_loops is 513, outside 1..512", many.status().message());
  const auto between = Model::FromBytes(Plan("nanbeige", {a}, 2, false), 1);
  REQUIRE(between.ok());
  const auto session = train::Session::Create((*between)->spec(), 1, 8, 1, 1, "auto", {});
  CHECK(!session.ok() && session.status().message() == "the trainer runs no model with its final norm between loops of its layers");
}

}  // namespace edgefront::testing
