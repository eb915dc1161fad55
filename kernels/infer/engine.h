// The state of a running session, private to the engine. step.cc runs the stages, layer_stages.cc and mixers/
// define them, and session.cc is the public interface.
#ifndef EDGEFRONT_INFER_ENGINE_H_
#define EDGEFRONT_INFER_ENGINE_H_

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <vector>

#include "include/edgefront/thread_pool.h"
#include "infer/program.h"
#include "infer/stage.h"
#include "targets/kernels.h"

namespace edgefront {

struct MixerKind;

// A stage at its place in the step: its layer, its first ticket, and its line in the profile.
struct PlannedStage {
  Stage stage;
  size_t layer;
  size_t ticket;
  int profiled;
};

// The pieces of work [begin, end) that one worker takes out of `jobs` equal ones.
struct Part {
  uint64_t begin, end;
};
// Returns the even share of worker `worker` out of `workers`.
inline Part PartOf(uint64_t jobs, int worker, int workers) { return {jobs * worker / workers, jobs * (worker + 1) / workers}; }

// A session's plan, memory and current step. All pointers outlive the engine.
struct Engine {
  const ModelSpec* spec = nullptr;
  const Weights* weights = nullptr;
  const Kernels* kernels = nullptr;
  SessionOptions options;
  Program program;
  std::vector<PlannedStage> stages;
  size_t logit_stages = 0;  // how many stages at the end are skipped when no logits are wanted
  std::unique_ptr<ThreadPool> pool;
  Arena cache, activations;
  std::vector<uint32_t> positions;  // tokens in the cache, for each sequence
  std::unique_ptr<std::atomic<uint32_t>[]> tickets;
  size_t n_tickets = 0;

  // The current step has `n` rows. Row i is tokens[i], of sequence seq + (decode ? i : 0).
  const uint32_t* tokens = nullptr;
  uint32_t n = 0, seq = 0;
  bool decode = false;
  bool profiling = false;
  std::array<Profile, 2> profiles;  // of prefill and of decode
  float* logits_out = nullptr;      // [logit_rows][V]
  uint32_t first_logit = 0, logit_rows = 0;

  // step.cc
  // PlanStages lists the stages of all layers. Step runs them once on all workers; Work is one worker's part.
  void PlanStages();
  void Step();
  void Work(int worker, int workers);
  // Normalises rows [first, first + rows) of x by `weight` [d] into rows 0.. of Normed(). If the product before
  // has a norm of its own, `pending` [d], its rows of `branch` are first normalised, added to x and cleared.
  void NormRows(const float* pending, const float* weight, uint32_t first, uint32_t rows, const Reading& reading, int worker, int workers);
  // Rounds columns [from, from + k) of this worker's share of the rows of `proj` to the formats of `reading`.
  void RoundRows(const LayerPlan& plan, size_t from, size_t k, const Reading& reading, int worker, int workers) const;
  // Writes the products of an `inner` matrix and columns [from, from + w.k) of `proj` to its columns from `to`
  // on. Every worker calls it. A barrier must follow, because the next call overwrites the rounded columns.
  void ProjectInner(const StageRun& r, const Matrix& w, size_t from, size_t to);
  // Ends a mixer: rounds its output to the formats of `LayerPlan::mixer_out`. Every worker calls it after its
  // own work.
  void FinishMixer(size_t layer, int worker, int workers);
  // Writes row `row` of an int8 view from `from`: k floats, `share` of which have one scale.
  void Quantise(const QuantBuffer& b, uint32_t row, const float* from, size_t k, size_t share) const;
  // Returns the cost of a product with `rows` rows of activations.
  OpCost ProductCost(const Matrix& matrix, uint32_t rows) const;

  float* Buffer(size_t offset) const { return activations.At<float>(offset); }
  float* Shared(int buffer) const { return Buffer(program.shared[buffer].offset); }
  uint32_t SequenceOf(uint32_t row) const { return decode ? row : seq; }
  uint32_t PositionOf(uint32_t row) const { return decode ? positions[row] : positions[seq] + row; }
  // Returns row `row` of the mixer's working buffer: LayerPlan::width floats.
  float* ProjRow(const LayerPlan& plan, uint32_t row) const { return Buffer(program.proj) + row * plan.width; }
  // Returns the layer's state of one sequence: LayerPlan::seq_bytes bytes.
  uint8_t* State(const LayerPlan& plan, uint32_t sequence) const { return cache.base() + plan.state + sequence * plan.seq_bytes; }
  uint8_t* Scratch(int worker) const { return activations.base() + program.worker + size_t(worker) * program.worker_bytes; }

  // Returns the int8 view at `b`, rows of k values; empty if there is none.
  Activations View(const QuantBuffer& b, size_t k) const {
    Activations a;
    if (b.k == 0 || k == 0) return a;
    a.q = activations.At<int8_t>(b.q);
    a.scale = activations.At<float>(b.scale);
    a.sum8 = activations.At<int32_t>(b.sum8);
    a.sum16 = activations.At<int16_t>(b.sum16);
    return a;
  }
  // Returns the normalised input: its int8 view and, if a float matrix reads it, floats [rows][d].
  Activations Normed() const {
    Activations in = View(program.in, spec->dim);
    if (program.norm_f32) in.f32 = Buffer(program.norm), in.stride = spec->dim;
    return in;
  }

  // Returns how many of `panels` panels a worker takes at a time. One token reads them as a long stream.
  uint32_t PanelsAtATime(uint32_t rows, uint32_t panels) const {
    return std::max<uint32_t>(kTilePanels, rows > 1 ? kTilePanels : panels / (4 * static_cast<uint32_t>(pool->size())));
  }
  // Multiplies `rows` rows of `a`, from row `first`, with panels [p, end) of w. put(row of `rows`, row of w,
  // values, count) receives the products of `count` consecutive rows of w: 32, or fewer at the edge. `tile`
  // holds kTileTokens x kTilePanels x 16 values.
  template <class Put>
  void MulPanels(const Matrix& w, size_t p, size_t end, const Activations& a, uint32_t first, uint32_t rows, float* tile, Put put) const {
    for (size_t together; p < end; p += together) {
      together = std::min(kTilePanels, end - p);
      const size_t row = p * kPanelRows, width = together * kPanelRows, count = std::min(width, w.rows - row);
      for (uint32_t t = 0; t < rows; t += kTileTokens) {
        const uint32_t m = std::min<uint32_t>(kTileTokens, rows - t);
        kernels->panel_mul(w.type, w.k, w.panel(p), together, a, first + t, m, tile);
        for (uint32_t i = 0; i < m; ++i) put(t + i, row, tile + width * i, count);
      }
    }
  }
  // Multiplies `rows` rows of `a` with w. Workers draw panels from `ticket` until none is left. `put` is as
  // above.
  template <class Put>
  void MatMul(const Matrix& w, const Activations& a, uint32_t rows, int worker, std::atomic<uint32_t>& ticket, Put put) const {
    float* tile = reinterpret_cast<float*>(Scratch(worker) + program.tile_at);
    const uint32_t panels = static_cast<uint32_t>(w.panels()), grab = PanelsAtATime(rows, panels);
    for (uint32_t p; (p = ticket.fetch_add(grab, std::memory_order_relaxed)) < panels;)
      MulPanels(w, p, std::min(panels, p + grab), a, 0, rows, tile, put);
  }
  // Returns a function that copies products to the rows of `proj`, from column `column`.
  auto ToProj(const LayerPlan& plan, size_t column) const {
    return [to = Buffer(program.proj) + column, width = plan.width](uint32_t t, size_t row, const float* v, size_t count) {
      std::memcpy(to + t * width + row, v, 4 * count);
    };
  }
  // Returns a function that adds products of a layer to rows of the residual stream. If they have a norm of their
  // own, it adds them to rows of `branch` instead, which are zero before: the next norm of x adds those to x.
  auto AddToX(size_t layer) const {
    float* rows = Buffer(spec->layers[layer].sandwich ? program.branch : program.x);
    const size_t d = spec->dim;
    return [rows, d](uint32_t t, size_t row, const float* v, size_t count) {
      float* to = rows + t * d + row;
      for (size_t i = 0; i < count; ++i) to[i] += v[i];
    };
  }
  // Returns the FFN's middle, rows of k values.
  Activations Middle(size_t k) const {
    Activations a = View(program.mid, k);
    if (program.hidden_f32) a.f32 = Buffer(program.hidden), a.stride = k;
    return a;
  }
  // Writes the products of the layer's normalised input into the rows of `proj`, from column `column`.
  void ProjectNormed(const Matrix& w, const LayerPlan& plan, size_t column, int worker, std::atomic<uint32_t>& ticket) const {
    MatMul(w, Normed(), n, worker, ticket, ToProj(plan, column));
  }
};

// Stages that all layouts have, around those of the mixers and FFNs. They are defined in layer_stages.cc.
extern const Stage kEmbedStage, kLoopNormStage, kMixerNormStage, kFfnNormStage, kFinalNormStage, kLogitsStage;
Stage MixerOutStage(const MixerKind& kind);  // product of a mixer's output, added to the residual stream

// The first half of a SwiGLU FFN (ffns/swiglu.cc): rows [first, first + rows) of `in` to the same rows of the middle,
// in units of 32 channels.
struct GateUpJob {
  const Matrix &gate, &up;
  const Activations& in;
  const Reading& reading;  // of the middle
  uint32_t first, rows;

  uint32_t units() const { return static_cast<uint32_t>((gate.rows + 31) / 32); }
};
// Computes units [begin, end). `tile` is the worker's.
void GateUpUnits(const Engine& e, const GateUpJob& job, uint32_t begin, uint32_t end, float* tile);
// Returns how many of `units` units a worker takes at a time. A tile has room for those of one token.
uint32_t UnitsAtATime(const Engine& e, uint32_t rows, uint32_t units);

}  // namespace edgefront

#endif  // EDGEFRONT_INFER_ENGINE_H_
