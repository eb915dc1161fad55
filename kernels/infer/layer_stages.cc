// Stages that all layouts have, around those of the mixers and FFNs: embedding, norms, the product of a mixer's
// output, logits. Options of layers belong here.
#include <cmath>
#include <string_view>

#include "infer/engine.h"
#include "infer/mixer_kind.h"
#include "quant/half.h"

namespace edgefront {
namespace {

void Embed(const StageRun& r) {
  const Engine& e = r.engine;
  const Matrix& table = e.weights->embedding;
  const Part part = PartOf(e.n, r.worker, r.workers);
  for (uint32_t i = part.begin; i < part.end; ++i) {
    UnpackColumns(table.type, table.panel(e.tokens[i] / kPanelRows), e.tokens[i] % kPanelRows, 0, table.k,
                  e.Buffer(e.program.x) + i * table.k);
    // The last norm of a step reads the rows with logits alone, so others may still hold the step's last product.
    if (e.program.branch > 0) std::fill_n(e.Buffer(e.program.branch) + i * table.k, table.k, 0.0f);
    const uint32_t position = e.PositionOf(i);
    for (const RopeTable& t : e.program.ropes) {
      float* cs = e.Buffer(t.offset) + size_t{i} * t.head_dim;
      // With an F16 cache the angles equal ggml's to the last bit: floats, each the previous one times a
      // constant.
      float theta = static_cast<float>(position);
      const float step = std::pow(t.base, -2.0f / static_cast<float>(t.head_dim));
      for (uint32_t j = 0; j < t.head_dim / 2; ++j, theta *= step) {
        if (2 * j >= t.rotated) {
          cs[2 * j] = 1;
          cs[2 * j + 1] = 0;
          continue;
        }
        if (e.options.kv == KvType::kF16) {
          cs[2 * j] = std::cos(theta);
          cs[2 * j + 1] = std::sin(theta);
          continue;
        }
        const double angle = position * std::pow(static_cast<double>(t.base), -2.0 * j / t.head_dim);
        cs[2 * j] = static_cast<float>(std::cos(angle));
        cs[2 * j + 1] = static_cast<float>(std::sin(angle));
      }
    }
  }
}

// Returns the norm of the last product before layer `layer`, or null.
const float* PendingBefore(const Engine& e, size_t layer) {
  if (layer == 0) return nullptr;
  const LayerWeights& w = e.weights->layers[layer - 1];
  return w.ffn_norm != nullptr ? w.ffn_post_norm : w.mixer_post_norm;
}

// Normalises the residual stream itself, as nanbeige does between two loops.
void LoopNorm(const StageRun& r) {
  const Engine& e = r.engine;
  const size_t d = e.spec->dim;
  const Part part = PartOf(e.n, r.worker, r.workers);
  for (uint32_t i = part.begin; i < part.end; ++i) {
    float* x = e.Buffer(e.program.x) + i * d;
    e.kernels->rmsnorm(x, e.weights->final_norm, d, e.spec->eps, x);
  }
}

void MixerNorm(const StageRun& r) {
  Engine& e = r.engine;
  e.NormRows(PendingBefore(e, r.layer), e.weights->layers[r.layer].mixer_norm, 0, e.n, e.program.layers[r.layer].normed, r.worker,
             r.workers);
}

void MixerOut(const StageRun& r) {
  const Engine& e = r.engine;
  const Matrix& w = e.weights->layers[r.layer].mixer_out;
  const LayerPlan& plan = e.program.layers[r.layer];
  Activations in = e.View(e.program.mid, w.k);
  in.f32 = e.Buffer(e.program.proj) + plan.mixed;
  in.stride = plan.width;
  e.MatMul(w, in, e.n, r.worker, r.tickets[0], e.AddToX(r.layer));
}

OpCost MixerOutCost(const Engine& e, size_t layer) { return e.ProductCost(e.weights->layers[layer].mixer_out, e.n); }

void FfnNorm(const StageRun& r) {
  Engine& e = r.engine;
  const LayerWeights& w = e.weights->layers[r.layer];
  e.NormRows(w.mixer_post_norm, w.ffn_norm, 0, e.n, e.program.layers[r.layer].ffn_in, r.worker, r.workers);
}

void FinalNorm(const StageRun& r) {
  Engine& e = r.engine;
  e.NormRows(PendingBefore(e, e.weights->layers.size()), e.weights->final_norm, e.first_logit, e.logit_rows, e.program.logits_in, r.worker,
             r.workers);
}

void Logits(const StageRun& r) {
  const Engine& e = r.engine;
  float* out = e.logits_out;
  const size_t vocab = e.spec->vocab;
  e.MatMul(e.weights->output, e.Normed(), e.logit_rows, r.worker, r.tickets[0],
           [=](uint32_t t, size_t row, const float* v, size_t count) { std::memcpy(out + t * vocab + row, v, 4 * count); });
}

OpCost LogitsCost(const Engine& e, size_t) { return e.ProductCost(e.weights->output, e.logit_rows); }

}  // namespace

const Stage kEmbedStage = {"embed", 0, Embed};
const Stage kLoopNormStage = {"norm", 0, LoopNorm};
const Stage kMixerNormStage = {"norm", 0, MixerNorm};
const Stage kFfnNormStage = {"norm", 0, FfnNorm};
const Stage kFinalNormStage = {"norm", 0, FinalNorm};
const Stage kLogitsStage = {"logits", 1, Logits, LogitsCost};

Stage MixerOutStage(const MixerKind& kind) { return {kind.out_stage, 1, MixerOut, MixerOutCost}; }

}  // namespace edgefront
