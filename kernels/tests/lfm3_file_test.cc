// Files of llama.cpp's lfm3: the divisors of RoPE frequencies tell which channels turn. Plans have no data,
// so there a key tells it.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/engine_runs.h"
#include "tests/temporary_file.h"
#include "tests/test.h"
#include "train/params.h"

namespace edgefront::testing {
namespace {

constexpr uint32_t kDim = 64, kVocab = 80, kHeadDim = 32, kRotated = 12;

std::vector<uint8_t> Plan(const std::string& arch, bool key, bool sandwich = true) {
  std::vector<LayerSpec> layers = {ConvLayer(7, 48), Rotating(AttentionLayer(4, 1, kHeadDim, 48, 0, true, 1e6f), kRotated, true),
                                   ConvLayer(7, 48), Rotating(AttentionLayer(4, 1, kHeadDim, 48, 9), kHeadDim, true)};
  for (LayerSpec& l : layers) l.sandwich = sandwich;
  PlanOptions o;
  if (key) o.more = [](GgufWriter& w) { w.AddU32("lfm3.rope.rotated_count", kRotated); };
  return MakePlan(arch, kDim, kVocab, layers, o);
}

std::vector<float> LogitsOf(const Result<std::shared_ptr<const Model>>& model) {
  return model.ok() ? AllLogits(*model, Options(40, 16, Isa::kAuto, KvType::kF32), Tokens(40, kVocab), 30) : std::vector<float>();
}

std::vector<uint8_t> ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Returns a file without the key, with the data of our own file.
std::vector<uint8_t> ForeignFile() {
  const std::string path = TemporaryPath();
  const auto with_key = Plan("lfm3", true);
  std::vector<uint8_t> file = Plan("lfm3", false);
  if (!Materialize(with_key, path).ok()) return {};
  const std::vector<uint8_t> whole = ReadFile(path);
  std::remove(path.c_str());
  const auto full = GgufFile::Parse(whole), header = GgufFile::Parse(file);
  if (!full.ok() || !header.ok()) return {};
  file.resize(header->data_offset());
  file.insert(file.end(), whole.begin() + static_cast<ptrdiff_t>(full->data_offset()), whole.end());
  return file;
}

float* Factors(std::vector<uint8_t>& file) {
  const auto gguf = GgufFile::Parse(file);
  return reinterpret_cast<float*>(file.data() + gguf->data_offset() + gguf->FindTensor("rope_freqs.weight")->offset);
}

}  // namespace

TEST(Lfm3RunsAsItsLayoutDoes) {
  for (const bool sandwich : {true, false}) {
    const std::vector<float> own = LogitsOf(Model::FromBytes(Plan("edgefront", false, sandwich), 1));
    CHECK(!own.empty() && LogitsOf(Model::FromBytes(Plan("lfm3", true, sandwich), 1)) == own);
  }
}

TEST(Lfm3FilesTellWhichChannelsTurn) {
  std::vector<uint8_t> file = ForeignFile();
  REQUIRE(!file.empty());
  const float *factors = Factors(file), still = factors[kHeadDim / 2 - 1];
  CHECK(factors[0] == 1 && factors[kRotated / 2 - 1] == 1 && factors[kRotated / 2] == still && still > 1e29f);
  const std::vector<float> want = LogitsOf(Model::FromBytes(Plan("lfm3", true), 1));
  CHECK(!want.empty() && LogitsOf(Model::FromBytes(file, 1)) == want);
  const std::string path = TemporaryPath();
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(file.data()), static_cast<std::streamsize>(file.size()));
  CHECK(LogitsOf(Model::FromFile(path, 1)) == want);
  std::remove(path.c_str());
  Factors(file)[kRotated / 2] = 1;  // two channels more turn
  const std::vector<float> other = LogitsOf(Model::FromBytes(file, 1));
  CHECK(!other.empty() && other != want);
}

TEST(Lfm3TrainedWeightsAreAWholeFile) {
  const auto plan = Plan("lfm3", true);
  const auto gguf = GgufFile::Parse(plan);
  const auto spec = ModelSpec::FromGguf(*gguf);
  REQUIRE(spec.ok());
  const train::Params params = train::Params::Of(*spec);
  CHECK(params.count() == spec->Parameters());
  const train::Floats flat = train::AllocateFloats(params.size());
  params.Initialise(7, flat.get());
  const std::string path = TemporaryPath();
  CHECK(params.Export(plan, flat.get(), path).ok());
  std::vector<uint8_t> file = ReadFile(path), like = ForeignFile();
  std::remove(path.c_str());
  REQUIRE(!file.empty() && !like.empty());
  CHECK(std::equal(Factors(file), Factors(file) + kHeadDim / 2, Factors(like)));
}

TEST(Lfm3OtherRotationsAreRefused) {
  for (const float factor : {8.0f, 0.0f, -1.0f, std::nanf("")}) {
    std::vector<uint8_t> file = ForeignFile();
    REQUIRE(!file.empty());
    Factors(file)[3] = factor;
    const auto model = Model::FromBytes(file, 1);
    CHECK_MSG(!model.ok() && model.status().message().find("scales RoPE") != std::string::npos, "divisor " << factor);
  }
  PlanOptions o;
  o.more = [](GgufWriter& w) { w.AddBool("lfm3.attention.causal", false); };
  const auto both =
      Model::FromBytes(MakePlan("lfm3", kDim, kVocab, {ConvLayer(7, 48), Rotating(AttentionLayer(4, 1, 32, 48, 9), 32, true)}, o), 1);
  CHECK(!both.ok() && both.status().message().find("both directions") != std::string::npos);
}

}  // namespace edgefront::testing
