// Files that other programs write. Those that can run do so in every spelling; the others are refused with a
// message that names their format.
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "include/edgefront/gguf.h"
#include "infer/foreign_file.h"
#include "infer/session.h"
#include "tests/models.h"
#include "tests/test.h"

namespace edgefront::testing {
namespace {

std::vector<uint8_t> Lfm2(const PlanOptions& o = {}) {
  return MakePlan("lfm2", 32, 40, {ConvLayer(3, 48), AttentionLayer(2, 1, 16, 48)}, o);
}

std::vector<uint8_t> With(std::function<void(GgufWriter&)> more, const std::string& arch = "lfm2") {
  PlanOptions o;
  o.more = std::move(more);
  return arch == "lfm2" ? Lfm2(o) : MakePlan(arch, 32, 40, {AttentionLayer(2, 1, 16, 48, 0, arch != "llama")}, o);
}

// Returns the reason why the bytes do not describe a model that runs, or an empty string.
std::string Refusal(std::span<const uint8_t> bytes) {
  auto gguf = GgufFile::Parse(bytes);
  if (!gguf.ok()) return gguf.status().message();
  auto plan = PlanMemory(*gguf, {});
  return plan.ok() ? "" : plan.status().message();
}

bool Says(const std::string& message, std::initializer_list<const char*> parts) {
  return std::all_of(parts.begin(), parts.end(), [&](const char* part) { return message.find(part) != std::string::npos; });
}

#define CHECK_SAYS(bytes, ...)                                \
  do {                                                        \
    const std::string said_ = Refusal(bytes);                 \
    CHECK_MSG(Says(said_, {__VA_ARGS__}), "said: " << said_); \
  } while (0)

// Returns the logits of the last of a few tokens, or nothing if the model does not run.
std::vector<float> LogitsOf(const std::vector<uint8_t>& plan) {
  auto model = Model::FromBytes(plan, 1);
  if (!model.ok()) return {};
  SessionOptions options;
  options.max_context = 16;
  options.threads = 1;
  options.pin = false;
  auto session = Session::Create(*model, options);
  const std::vector<uint32_t> prompt = {1, 5, 9, 2};
  if (!session.ok() || !(*session)->Prefill(prompt).ok()) return {};
  return {(*session)->Logits().begin(), (*session)->Logits().end()};
}

std::vector<uint8_t> Bytes(std::string_view text) { return {text.begin(), text.end()}; }

void PokeU32(std::vector<uint8_t>& bytes, size_t at, uint32_t value) { std::memcpy(bytes.data() + at, &value, sizeof(value)); }

// Returns the offset of the type of a matrix. The type follows the name, the number of dimensions and two
// dimensions.
size_t TypeOfMatrix(const std::vector<uint8_t>& bytes, const std::string& name) {
  const auto at = std::search(bytes.begin(), bytes.end(), name.begin(), name.end());
  return static_cast<size_t>(at - bytes.begin()) + name.size() + 4 + 16;
}

}  // namespace

TEST(ForeignFinalNormOfOllama) {
  PlanOptions o;
  o.final_norm = "output_norm.weight";
  CHECK(Refusal(Lfm2(o)).empty());
  CHECK(LogitsOf(Lfm2(o)).size() == 40);
  // A file with both names has one tensor too many.
  o.final_norm = "";
  o.more = [](GgufWriter& w) { w.AddTensor("output_norm.weight", {32}, DType::kF32); };
  CHECK_SAYS(Lfm2(o), "describes more than this engine runs");
}

TEST(ForeignTapsOfThreeDimensionsAreTheSameTaps) {
  PlanOptions o;
  o.taps_3d = true;
  const std::vector<float> flat = LogitsOf(Lfm2());
  CHECK(flat.size() == 40 && flat == LogitsOf(Lfm2(o)));
  // A tensor with the same number of elements in another order of dimensions is refused.
  auto turned = Lfm2(o);
  const std::string name = "shortconv.conv.weight";
  const auto at = std::search(turned.begin(), turned.end(), name.begin(), name.end()) - turned.begin() + name.size() + 4;
  const uint64_t dims[] = {3, 16, 2};
  std::memcpy(turned.data() + at, dims, sizeof(dims));
  CHECK_SAYS(turned, "'blk.0.shortconv.conv.weight' is 3 x 32", "needs 3 x 32");
}

TEST(ForeignStringsUpTo64MiBAreRead) {
  const std::string longest(64u << 20, 'x');
  CHECK(Refusal(With([&](GgufWriter& w) { w.AddString("tokenizer.huggingface.json", longest); })).empty());
  CHECK(Refusal(With([&](GgufWriter& w) { w.AddStringArray("tokenizer.ggml.merges", {"a", longest, "b"}); })).empty());
  CHECK_SAYS(With([&](GgufWriter& w) { w.AddString("tokenizer.huggingface.json", longest + "x"); }), "tokenizer.huggingface.json",
             "67108865 bytes", "64 MiB", "--remove-metadata");
  CHECK_SAYS(With([&](GgufWriter& w) { w.AddStringArray("some.strings", {"a", longest + "x"}); }), "some.strings", "64 MiB");
  CHECK(Refusal(With([](GgufWriter& w) { w.AddU32(std::string(65535, 'k'), 1); })).empty());
}

TEST(ForeignStartsAreNamed) {
  auto file = Lfm2();
  const struct {
    uint32_t version;
    const char* says;
  } versions[] = {{0, "version 0"}, {1, "version 1"},           {2, "version 2"},
                  {4, "version 4"}, {0x03000000, "big-endian"}, {0x02000000, "big-endian"}};
  for (const auto& v : versions) {
    PokeU32(file, 4, v.version);
    CHECK_SAYS(file, v.says);
  }
  PokeU32(file, 4, 2);
  CHECK_SAYS(file, "llama-quantize", "COPY");
  file = Lfm2();
  std::memcpy(file.data(), "FUGG", 4);
  CHECK_SAYS(file, "big-endian", "gguf-convert-endian");
  std::string safetensors("\x40\x00\x00\x00\x00\x00\x00\x00{\"__metadata__\":{}}", 26);
  const struct {
    std::string start;
    const char* says;
  } starts[] = {{"", "empty"},
                {"lmgg....", "before GGUF"},
                {"fmgg....", "before GGUF"},
                {"tjgg....", "before GGUF"},
                {"algg....", "adapter"},
                {"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"},
                {"PK\x03\x04....", "zip"},
                {"<!DOCTYPE html>", "web page"},
                {"<html><body>", "web page"},
                {"\x1f\x8b......", "gzip"},
                {safetensors, "safetensors"},
                {"GGUX....", "bad magic"},
                {"G", "bad magic"}};
  for (const auto& s : starts) CHECK_SAYS(Bytes(s.start), s.says);
  CHECK_SAYS(Bytes("GGUF"), "truncated");
}

TEST(ForeignTypesAreNamed) {
  const char* names[] = {"F32",        "F16",        "Q4_0",       "Q4_1",  "Q4_2",     "Q4_3",     "Q5_0",     "Q5_1",    "Q8_0",
                         "Q8_1",       "Q2_K",       "Q3_K",       "Q4_K",  "Q5_K",     "Q6_K",     "Q8_K",     "IQ2_XXS", "IQ2_XS",
                         "IQ3_XXS",    "IQ1_S",      "IQ4_NL",     "IQ3_S", "IQ2_S",    "IQ4_XS",   "I8",       "I16",     "I32",
                         "I64",        "F64",        "IQ1_M",      "BF16",  "Q4_0_4_4", "Q4_0_4_8", "Q4_0_8_8", "TQ1_0",   "TQ2_0",
                         "IQ4_NL_4_4", "IQ4_NL_4_8", "IQ4_NL_8_8", "MXFP4", "NVFP4",    "Q1_0",     "Q2_0"};
  // Rows of 256 are divisible by the blocks of every type; rows of 32 are not.
  for (const uint32_t width : {256u, 32u}) {
    auto file = MakePlan("lfm2", width, 40, {ConvLayer(3, 256), AttentionLayer(width / 16, 1, 16, 256)}, {});
    const size_t at = TypeOfMatrix(file, "blk.0.ffn_gate.weight");
    for (uint32_t id = 0; id < std::size(names); ++id) {
      if (IsKnownDType(id)) continue;
      PokeU32(file, at, id);
      const std::string is = std::string("'blk.0.ffn_gate.weight' is ") + names[id] + ",";
      // A larger type makes the tensor overlap the next one, which is reported first.
      const std::string said = Refusal(file);
      CHECK_MSG(Says(said, {is.c_str(), "llama-quantize"}) || Says(said, {"overlaps"}), "type " << id << " of " << width << ": " << said);
    }
    PokeU32(file, at, 999);
    CHECK_SAYS(file, "type 999", "newer");
  }
  // Another format is reported before an unread tensor type, because changing the type would not help.
  auto file = With([](GgufWriter& w) { w.AddU32("split.count", 3); });
  PokeU32(file, TypeOfMatrix(file, "blk.0.ffn_gate.weight"), 20);
  CHECK_SAYS(file, "split model");
}

TEST(ForeignPartsOfAModelAreNamed) {
  CHECK_SAYS(With([](GgufWriter& w) {
               w.AddU32("split.no", 0);
               w.AddU32("split.count", 2);
             }),
             "part 1 of 2", "llama-gguf-split --merge");
  CHECK_SAYS(With([](GgufWriter& w) {
               w.AddU64("split.no", 11);
               w.AddU64("split.count", 12);
             }),
             "part 12 of 12");
  CHECK_SAYS(With([](GgufWriter& w) { w.AddU32("split.count", 5); }), "one of 5 parts");
  CHECK(Refusal(With([](GgufWriter& w) {
          w.AddU32("split.no", 0);
          w.AddU32("split.count", 1);
        })).empty());
  CHECK(Refusal(With([](GgufWriter& w) { w.AddString("general.type", "model"); })).empty());
  CHECK_SAYS(With([](GgufWriter& w) { w.AddString("general.type", "adapter"); }), "adapter", "not a model");
  GgufWriter later;  // later parts have no architecture
  later.AddU32("split.no", 1);
  later.AddU32("split.count", 2);
  later.AddTensor("blk.1.ffn_norm.weight", {32}, DType::kF32);
  CHECK_SAYS(later.Finish(), "part 2 of 2");
  GgufWriter nameless;
  nameless.AddTensor("blk.1.ffn_norm.weight", {32}, DType::kF32);
  CHECK_SAYS(nameless.Finish(), "general.architecture is missing");
}

TEST(ForeignArchitecturesAreNamed) {
  for (const char* name : {"lfm4", "qwen2", "jamba", "granite", "clip", "LFM2", ""}) {
    GgufWriter w;
    w.AddString("general.architecture", name);
    w.AddTensor("token_embd.weight", {32, 40}, DType::kF32);
    CHECK_SAYS(w.Finish(), (std::string("'") + name + "'").c_str(),
               "it runs lfm2, lfm2moe, lfm3, qwen3, llama, nanbeige, granitehybrid, mamba, mamba2, nemotron_h, falcon-h1, edgefront");
  }
  GgufWriter hostile;
  hostile.AddString("general.architecture", "a\n\x1b[31m" + std::string(500, 'b'));
  hostile.AddTensor("token_embd.weight", {32, 40}, DType::kF32);
  const std::string said = Refusal(hostile.Finish());
  CHECK(Says(said, {"'a??[31mb"}) && said.size() < 300);
}

TEST(GraniteFactorsAreNotIgnored) {
  const auto with = [](const std::function<void(GgufWriter&)>& more) {
    PlanOptions o;
    o.more = more;
    return Refusal(MakePlan("granitehybrid", 64, 40, {Mamba2Layer(4, 32, 8, 1, 4, 32), AttentionLayer(4, 2, 16, 32, 0, false)}, o));
  };
  const std::string a = "granitehybrid.";
  CHECK(with([](GgufWriter&) {}).empty());
  for (const char* key : {"embedding_scale", "residual_scale", "logit_scale"}) {
    CHECK(with([&](GgufWriter& w) { w.AddF32(a + key, 1); }).empty() && with([&](GgufWriter& w) { w.AddF32(a + key, 0); }).empty());
    CHECK(Says(with([&](GgufWriter& w) { w.AddF32(a + key, 12); }), {key, " is 12", "does not compute"}));
    CHECK(Says(with([&](GgufWriter& w) { w.AddString(a + key, "12"); }), {key, "is not a number"}));
  }
  CHECK(with([&](GgufWriter& w) { w.AddF32(a + "attention.scale", 0.25f); }).empty());  // 1 / sqrt(16)
  CHECK(Says(with([&](GgufWriter& w) { w.AddF32(a + "attention.scale", 0.0625f); }), {"attention.scale is 0.0625"}));
  CHECK(with([&](GgufWriter& w) { w.AddBool(a + "rope.scaling.finetuned", true); }).empty());
  CHECK(Says(with([&](GgufWriter& w) { w.AddBool(a + "rope.scaling.finetuned", false); }), {"no positions"}));
}

TEST(ForeignRopeScalingIsNotIgnored) {
  for (const std::string arch : {"lfm2", "qwen3", "llama"}) {
    const std::string rope = arch + ".rope.";
    const auto scaled = [&](const char* type, float factor) {
      return With(
          [&](GgufWriter& w) {
            w.AddString(rope + "scaling.type", type);
            w.AddF32(rope + "scaling.factor", factor);
          },
          arch);
    };
    CHECK(Refusal(scaled("none", 1)).empty() && Refusal(scaled("none", 4)).empty() && Refusal(scaled("linear", 1)).empty());
    for (const char* type : {"linear", "yarn", "longrope", "dynamic"})
      CHECK_SAYS(scaled(type, 4), "scaling.factor is 4", type, "without scaling");
    for (const char* type : {"yarn", "longrope", "llama3"}) CHECK_SAYS(scaled(type, 1), "scaling.type is", type);
    CHECK_SAYS(With([&](GgufWriter& w) { w.AddF32(rope + "scaling.factor", 2.5f); }, arch), "scaling.factor is 2.5");
    CHECK_SAYS(With([&](GgufWriter& w) { w.AddF32(rope + "scale_linear", 8); }, arch), "scale_linear is 8");
    CHECK_SAYS(With([&](GgufWriter& w) { w.AddF32(rope + "scaling.attn_factor", 1.2f); }, arch), "attn_factor is 1.2");
    CHECK_SAYS(With([&](GgufWriter& w) { w.AddU32(rope + "scaling.type", 1); }, arch), "is not a string");
    CHECK_SAYS(With([&](GgufWriter& w) { w.AddString(rope + "scaling.factor", "4"); }, arch), "is not a number");
    for (const char* name : {"rope_freqs.weight", "rope_factors_long.weight", "blk.0.rope_freqs.weight"})
      CHECK_SAYS(With([&](GgufWriter& w) { w.AddTensor(name, {8}, DType::kF32); }, arch), name, "without scaling");
  }
}

}  // namespace edgefront::testing
