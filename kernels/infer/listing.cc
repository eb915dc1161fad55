// The program as text, in 80 columns: one line for each operation, with its cost in one decode step of the
// whole batch at the longest context.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

#include "infer/mixer_kind.h"
#include "infer/program.h"
#include "quant/panel.h"

namespace edgefront {
namespace {

class Listing {
 public:
  Listing(uint32_t context, uint32_t batch) : batch_(batch) {
    text_ = "one decoding step after " + std::to_string(context) + " tokens";
    if (batch > 1) text_ += ", batch " + std::to_string(batch);
    text_ += "\n";
    Line("layer", "op", "shape", "type", "bytes", "FLOP");
  }

  // `bytes` are of the step, `flops` of one sequence.
  void Add(int layer, const char* op, uint64_t ne0, uint64_t ne1, DType type, double bytes, double flops) {
    flops *= batch_;
    bytes_ += bytes;
    flops_ += flops;
    Line(layer < 0 ? "" : std::to_string(layer), op, std::to_string(ne0) + " x " + std::to_string(ne1), DTypeName(type), Whole(bytes),
         Whole(flops));
  }

  std::string Finish(const MemoryPlan& m) {
    Line("", "total", "", "", Whole(bytes_), Whole(flops_));
    const std::pair<const char*, uint64_t> parts[] = {{"weights", m.weight_bytes},
                                                      {"cache", m.cache_bytes},
                                                      {"activations", m.activation_bytes},
                                                      {"process", m.overhead_bytes},
                                                      {"predicted peak", m.predicted_peak_bytes}};
    text_ += "\n";
    for (const auto& [name, bytes] : parts) {
      char line[96];
      std::snprintf(line, sizeof(line), "%-16s%16llu bytes\n", name, static_cast<unsigned long long>(bytes));
      text_ += line;
    }
    return std::move(text_);
  }

 private:
  static std::string Whole(double x) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.0f", x);
    return text;
  }
  void Line(const std::string& layer, const char* op, const std::string& shape, const char* type, const std::string& bytes,
            const std::string& flops) {
    char line[160];
    std::snprintf(line, sizeof(line), "%5s  %-26s%14s  %-4s%13s%14s\n", layer.c_str(), op, shape.c_str(), type, bytes.c_str(),
                  flops.c_str());
    text_ += line;
  }

  uint32_t batch_;
  double bytes_ = 0, flops_ = 0;
  std::string text_;
};

}  // namespace

Result<std::string> ListProgram(const GgufFile& gguf, const SessionOptions& options) {
  auto spec = ModelSpec::FromGguf(gguf);
  if (!spec.ok()) return spec.status();
  auto types = TensorTypes(*spec, gguf);
  if (!types.ok()) return types.status();
  auto program = BuildProgram(*spec, *types, options);
  if (!program.ok()) return program.status();

  Listing listing(options.max_context, options.batch);
  const std::vector<TensorSpec> tensors = ExpectedTensors(*spec);
  const auto add = [&](int layer, const TensorSpec& t, DType type) {
    const int block = layer < 0 ? layer : static_cast<int>(spec->BlockOf(layer));
    if (t.kind != WeightKind::kMatrix || t.role == Role::kOutput) return;
    const double panel_bytes = static_cast<double>(PanelCount(t.ne1) * PanelBytes(type, t.ne0));
    if (t.role == Role::kEmbedding) {
      listing.Add(-1, "embed", t.ne0, t.ne1, type, static_cast<double>(options.batch) * panel_bytes / static_cast<double>(t.ne1), 0);
      return;
    }
    if (t.role == Role::kMixerOut) {
      const LayerSpec& l = spec->layers[layer];
      const ListedWork w = KindOf(l.mixer).listed(l, program->layers[layer], *spec, options);
      listing.Add(block, w.op, w.ne0, w.ne1, w.type, w.bytes, w.flops);
    }
    // The experts that the step is expected to use, if the router prefers none.
    const double idle = 1 - static_cast<double>(t.used) / t.stack, distinct = t.stack * (1 - std::pow(idle, options.batch));
    listing.Add(block, t.op, t.ne0, t.ne1, type, distinct * panel_bytes,
                2.0 * t.used * static_cast<double>(t.ne0) * static_cast<double>(t.ne1));
  };
  // Layers that share weights list the same tensors.
  for (int layer = -1; layer < static_cast<int>(spec->layers.size()); ++layer) {
    const int owner = layer < 0 ? layer : static_cast<int>(spec->WeightsOf(layer));
    for (size_t i = 0; i < tensors.size(); ++i) {
      if (tensors[i].layer == owner) add(layer, tensors[i], (*types)[i]);
    }
  }
  size_t o = 0;
  while (tensors[o].role != (spec->tied ? Role::kEmbedding : Role::kOutput)) ++o;
  const TensorSpec& w = tensors[o];
  listing.Add(-1, "rmsnorm+quantise+logits", w.ne0, w.ne1, (*types)[o],
              static_cast<double>(PanelCount(w.ne1) * PanelBytes((*types)[o], w.ne0)),
              2.0 * static_cast<double>(w.ne0) * static_cast<double>(w.ne1));
  return listing.Finish(PlanOf(*spec, *types, *program));
}

}  // namespace edgefront
