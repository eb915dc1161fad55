// Tables of names and the refusals that use them. Ids and block sizes are those of ggml.h and docs/gguf.md in
// ggml.
#include "infer/foreign_file.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <optional>
#include <utility>

#include "infer/rope_factors.h"

namespace edgefront {
namespace {

// clang-format off
constexpr GgmlType kTypes[] = {
    {"F32", 1, 4}, {"F16", 1, 2}, {"Q4_0", 32, 18}, {"Q4_1", 32, 20}, {"Q4_2", 0, 0}, {"Q4_3", 0, 0}, {"Q5_0", 32, 22},
    {"Q5_1", 32, 24}, {"Q8_0", 32, 34}, {"Q8_1", 32, 36}, {"Q2_K", 256, 84}, {"Q3_K", 256, 110}, {"Q4_K", 256, 144},
    {"Q5_K", 256, 176}, {"Q6_K", 256, 210}, {"Q8_K", 256, 292}, {"IQ2_XXS", 256, 66}, {"IQ2_XS", 256, 74}, {"IQ3_XXS", 256, 98},
    {"IQ1_S", 256, 50}, {"IQ4_NL", 32, 18}, {"IQ3_S", 256, 110}, {"IQ2_S", 256, 82}, {"IQ4_XS", 256, 136}, {"I8", 1, 1},
    {"I16", 1, 2}, {"I32", 1, 4}, {"I64", 1, 8}, {"F64", 1, 8}, {"IQ1_M", 256, 56}, {"BF16", 1, 2}, {"Q4_0_4_4", 0, 0},
    {"Q4_0_4_8", 0, 0}, {"Q4_0_8_8", 0, 0}, {"TQ1_0", 256, 54}, {"TQ2_0", 256, 66}, {"IQ4_NL_4_4", 0, 0}, {"IQ4_NL_4_8", 0, 0},
    {"IQ4_NL_8_8", 0, 0}, {"MXFP4", 32, 17}, {"NVFP4", 0, 0}, {"Q1_0", 0, 0}, {"Q2_0", 0, 0},
};
// clang-format on

constexpr const char* kArchitectures[] = {"lfm2",          "lfm2moe", "lfm3",   "qwen3",      "llama",     "nanbeige",
                                          "granitehybrid", "mamba",   "mamba2", "nemotron_h", "falcon-h1", "edgefront"};

// First bytes of files that users pass instead of a GGUF.
struct Start {
  std::string_view bytes;
  const char* what;
};
constexpr Start kStarts[] = {
    {"lmgg", "a GGML file, the format before GGUF; convert the model again (convert_hf_to_gguf.py of llama.cpp)"},
    {"fmgg", "a GGMF file, a format before GGUF; convert the model again (convert_hf_to_gguf.py of llama.cpp)"},
    {"tjgg", "a GGJT file, a format before GGUF; convert the model again (convert_hf_to_gguf.py of llama.cpp)"},
    {"algg", "a GGLA adapter (LoRA), not a model; give the file of the model"},
    {"version https://git-lfs", "a Git LFS pointer, not the file itself; fetch it with: git lfs pull"},
    {"PK\x03\x04", "a zip archive, as PyTorch saves models, not a GGUF; convert it with convert_hf_to_gguf.py of llama.cpp"},
    {"\x89HDF", "an HDF5 file, not a GGUF; convert the model with convert_hf_to_gguf.py of llama.cpp"},
    {"\x1f\x8b", "compressed with gzip; unpack it first (gunzip)"},
    {"\x28\xb5\x2f\xfd", "compressed with zstd; unpack it first (unzstd)"},
    {"BZh", "compressed with bzip2; unpack it first (bunzip2)"},
    {"\xfd"
     "7zXZ",
     "compressed with xz; unpack it first (unxz)"},
    {"<!", "a web page, not a model; the download went wrong, fetch the file again"},
    {"<html", "a web page, not a model; the download went wrong, fetch the file again"},
};

bool StartsWith(std::span<const uint8_t> bytes, std::string_view start) {
  return bytes.size() >= start.size() && std::memcmp(bytes.data(), start.data(), start.size()) == 0;
}

Status NoGguf(std::span<const uint8_t> bytes) {
  if (bytes.empty()) return BadModel("the file is empty; fetch it again");
  for (const Start& s : kStarts) {
    if (StartsWith(bytes, s.bytes)) return BadModel(std::string("not a GGUF file: it is ") + s.what);
  }
  // A safetensors file is a length followed by JSON.
  if (bytes.size() > 9 && bytes[8] == '{' && bytes[7] == 0 && bytes[6] == 0) {
    return BadModel("not a GGUF file: it is a safetensors file; convert the model with convert_hf_to_gguf.py of llama.cpp");
  }
  return BadModel("GGUF: bad magic, this is not a GGUF file (a GGUF begins with the letters GGUF)");
}

Status BigEndian() {
  return Unsupported(
      "GGUF: the file is big-endian, edgefront reads little-endian only; convert it (pip install gguf): gguf-convert-endian FILE little");
}

std::optional<std::string_view> Text(const GgufFile& gguf, const std::string& key) {
  const GgufValue* v = gguf.Find(key);
  if (v == nullptr || v->is_array) return {};
  const auto s = v->Strings(1);
  if (!s) return {};
  return (*s)[0];
}

std::optional<int64_t> Whole(const GgufFile& gguf, const char* key) {
  const GgufValue* v = gguf.Find(key);
  return v == nullptr || v->is_array ? std::nullopt : v->Int(0);
}

std::optional<double> Number(const GgufFile& gguf, const std::string& key) {
  const GgufValue* v = gguf.Find(key);
  if (v == nullptr || v->is_array) return {};
  if (const auto x = v->Float(0)) return x;
  if (const auto n = v->Int(0)) return static_cast<double>(*n);
  return {};
}

}  // namespace

const GgmlType* FindGgmlType(uint32_t id) { return id < std::size(kTypes) ? &kTypes[id] : nullptr; }

std::string UnreadType(uint32_t id) {
  const GgmlType* type = FindGgmlType(id);
  const std::string name = type != nullptr ? type->name : "of type " + std::to_string(id) + " (newer than this edgefront, or damaged)";
  return "is " + name +
         ", which edgefront does not read (it reads F32, F16, BF16, Q8_0, Q6_K, Q4_0); get the model in one of these, or convert it with "
         "llama.cpp: llama-quantize --allow-requantize FILE OUT.gguf Q8_0";
}

std::string Printable(std::string_view s) {
  std::string out;
  for (char c : s.substr(0, 64)) out += (c >= 32 && c < 127) ? c : '?';
  return out;
}

Status CheckGgufStart(std::span<const uint8_t> bytes) {
  if (StartsWith(bytes, "FUGG")) return BigEndian();
  if (!StartsWith(bytes, "GGUF")) return NoGguf(bytes);
  uint32_t version;
  if (bytes.size() < 8) return BadModel("GGUF: truncated or malformed header");
  std::memcpy(&version, bytes.data() + 4, sizeof(version));
  // The magic is the same in both byte orders. Versions are small, so empty low bytes mean a swapped number.
  if (version != 0 && (version & 0xFFFF) == 0) return BigEndian();
  const std::string is = "GGUF: the file is of version " + std::to_string(version) + ", edgefront reads version 3 only; ";
  if (version == 2) return Unsupported(is + "rewrite it with llama.cpp: llama-quantize FILE OUT.gguf COPY");
  if (version == 0 || version == 1) return Unsupported(is + "convert the model again from its source (convert_hf_to_gguf.py of llama.cpp)");
  if (version != 3) return Unsupported(is + "use a newer edgefront, or fetch the file again");
  return Status::Ok();
}

Status CheckModelKind(const GgufFile& gguf) {
  if (const auto count = Whole(gguf, "split.count"); count && *count > 1) {
    const auto number = Whole(gguf, "split.no");
    const std::string part =
        number ? "part " + std::to_string(*number + 1) + " of " + std::to_string(*count) : "one of " + std::to_string(*count) + " parts";
    return Unsupported("the file is " + part +
                       " of a split model; join the parts with llama.cpp: llama-gguf-split --merge FIRST-PART OUT.gguf");
  }
  if (const auto type = Text(gguf, "general.type"); type && *type != "model") {
    return Unsupported("the file holds a thing of type '" + Printable(*type) + "' (general.type), not a model; give the file of the model");
  }
  const auto arch = Text(gguf, "general.architecture");
  if (!arch)
    return BadModel("the file names no architecture (general.architecture is missing): it is no language model, or only a part of one");
  std::string all;
  for (const char* known : kArchitectures) {
    if (*arch == known) return Status::Ok();
    all += (all.empty() ? "" : ", ") + std::string(known);
  }
  return Unsupported("general.architecture is '" + Printable(*arch) + "', which edgefront does not run (it runs " + all +
                     "); run this file with llama.cpp: llama-bench -m FILE");
}

Status CheckRopeScaling(const GgufFile& gguf, const std::string& arch) {
  const std::string prefix = arch + ".rope.";
  const auto refuse = [](const std::string& what) {
    return Unsupported(what +
                       ": edgefront computes RoPE without scaling. Speed and memory are those of the same layout without it: give the "
                       "layout in place of the file, or run the file with llama.cpp: llama-bench -m FILE");
  };
  for (const char* name : {"rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"}) {
    if (arch == "lfm3" && std::string_view(name) == kRopeFactors) continue;  // RotatedChannels reads it
    if (gguf.FindTensor(name) != nullptr) return refuse(std::string("the file scales RoPE by tensor '") + name + "'");
  }
  for (size_t i = 0; i < 1024; ++i) {  // llama.cpp also reads one such tensor in each layer
    const std::string layer = "blk." + std::to_string(i);
    if (gguf.FindTensor(layer + ".attn_norm.weight") == nullptr) break;
    if (gguf.FindTensor(layer + ".rope_freqs.weight") != nullptr)
      return refuse("the file scales RoPE by tensor '" + layer + ".rope_freqs.weight'");
  }
  const std::string type_key = prefix + "scaling.type";
  const auto type = Text(gguf, type_key);
  if (type && *type == "none") return Status::Ok();
  if (!type && gguf.Find(type_key) != nullptr) return BadModel(type_key + " is not a string");
  // A factor without a type means linear. A linear factor of 1 (or 0, which some converters write) changes
  // nothing.
  for (const char* key : {"scaling.factor", "scale_linear", "scaling.attn_factor"}) {
    if (gguf.Find(prefix + key) == nullptr) continue;
    const auto factor = Number(gguf, prefix + key);
    if (!factor) return BadModel(prefix + key + " is not a number");
    if (*factor == 1 || (*factor == 0 && std::string_view(key) != "scaling.attn_factor")) continue;
    char value[32];
    std::snprintf(value, sizeof(value), "%g", *factor);
    return refuse(prefix + key + " is " + value + (type ? " (rope.scaling.type '" + Printable(*type) + "')" : ""));
  }
  if (type && *type != "linear") return refuse(type_key + " is '" + Printable(*type) + "'");
  return Status::Ok();
}

Status CheckFactors(const GgufFile& gguf, const std::string& arch) {
  if (arch != "granitehybrid") return Status::Ok();
  const auto refuse = [](const std::string& what) {
    return Unsupported(what +
                       ", which edgefront does not compute. Speed and memory are those of the same layout without it: give the layout in "
                       "place of the file, or run the file with llama.cpp: llama-bench -m FILE");
  };
  const GgufValue* positions = gguf.Find(arch + ".rope.scaling.finetuned");
  if (positions != nullptr && !positions->is_array && positions->Int(0) == 0) return refuse("the file's attention has no positions (NoPE)");
  const double heads = Number(gguf, arch + ".attention.head_count").value_or(1);
  const double head_dim =
      Number(gguf, arch + ".attention.key_length").value_or(Number(gguf, arch + ".embedding_length").value_or(0) / heads);
  const std::pair<const char*, double> factors[] = {
      {"embedding_scale", 1}, {"residual_scale", 1}, {"logit_scale", 1}, {"attention.scale", 1 / std::sqrt(head_dim)}};
  for (const auto& [key, neutral] : factors) {
    const std::string name = arch + "." + key;
    if (gguf.Find(name) == nullptr) continue;
    const auto factor = Number(gguf, name);
    if (!factor) return BadModel(name + " is not a number");
    // Zero means that the factor is not applied.
    if (*factor == 0 || std::fabs(*factor - neutral) < 1e-6 * neutral) continue;
    char value[32];
    std::snprintf(value, sizeof(value), "%g", *factor);
    return refuse(name + " is " + value);
  }
  return Status::Ok();
}

}  // namespace edgefront
