// The SwiGLU FFN. The gate and up products of a step, SwiGLU, and int8 rounding for a quantised ffn_down are one
// stage, so the FFN's middle is never written as floats. It is computed 32 values at a time, which share a
// scale, also for Q6_K. Mixtures of experts (moe.cc) use the same first half.
#include "infer/engine.h"
#include "infer/ffn_kind.h"
#include "quant/half.h"

namespace edgefront {
namespace {

void PutHidden(const float* h, size_t count, bool half, float* to) {
  for (size_t i = 0; i < count; ++i) to[i] = half ? NearestF16(h[i]) : h[i];
}

// Writes `count` values of the FFN's middle, from value `at` of row `row`, as int8 or as floats, depending on
// ffn_down.
void PutMiddle(const Engine& e, const Reading& reading, size_t ffn, size_t row, size_t at, const float* h, size_t count) {
  const QuantBuffer& b = e.program.mid;
  if (!reading.q8) return PutHidden(h, count, reading.half, e.Buffer(e.program.hidden) + row * ffn + at);
  const size_t block = row * (ffn / 32) + at / 32;
  e.kernels->quantise(h, count, 32, e.activations.At<int8_t>(b.q) + row * ffn + at, e.Buffer(b.scale) + block,
                      e.activations.At<int32_t>(b.sum8) + block, e.activations.At<int16_t>(b.sum16) + 2 * block);
}

// One token: all gate panels of units [begin, end), then all of up, so that each matrix is read as one long
// stream.
void GateUpToken(const Engine& e, const GateUpJob& job, uint32_t begin, uint32_t end, float* tile) {
  const auto& [gate, up, in, reading, row, rows] = job;
  const size_t first = 2 * size_t{begin}, last = std::min(gate.panels(), 2 * size_t{end});
  float *ups = tile + kTileTokens * kPanelRows, *hidden = ups + kTileTokens * kPanelRows;
  e.kernels->panel_mul(gate.type, gate.k, gate.panel(first), last - first, in, row, 1, tile);
  e.kernels->panel_mul(up.type, up.k, up.panel(first), last - first, in, row, 1, ups);
  e.kernels->swiglu(tile, ups, (last - first) * kPanelRows, hidden);
  const size_t at = first * kPanelRows;
  PutMiddle(e, reading, gate.rows, row, at, hidden, std::min(gate.rows - at, (last - first) * kPanelRows));
}

void Tensors(const ModelSpec& m, const LayerSpec& l, LayerTensors* out) {
  out->Add(Role::kGate, "ffn_gate", m.dim, l.ffn, "rmsnorm+quantise+gate");
  out->Add(Role::kUp, "ffn_up", m.dim, l.ffn, "up+swiglu+quantise");
  out->Add(Role::kDown, "ffn_down", l.ffn, m.dim, "down+residual");
}

void Plan(const ModelSpec&, const LayerSpec&, Program*, LayerPlan*) {}

void GateUp(const StageRun& r) {
  const Engine& e = r.engine;
  const LayerWeights& w = e.weights->layers[r.layer];
  const Activations in = e.Normed();
  const GateUpJob job{w.gate, w.up, in, e.program.layers[r.layer].hidden, 0, e.n};
  float* tile = reinterpret_cast<float*>(e.Scratch(r.worker) + e.program.tile_at);
  const uint32_t units = job.units(), grab = UnitsAtATime(e, e.n, units);
  for (uint32_t u; (u = r.tickets[0].fetch_add(grab, std::memory_order_relaxed)) < units;)
    GateUpUnits(e, job, u, std::min(units, u + grab), tile);
}

OpCost GateUpCost(const Engine& e, size_t layer) {
  const LayerWeights& w = e.weights->layers[layer];
  return e.ProductCost(w.gate, e.n) + e.ProductCost(w.up, e.n);
}

void Down(const StageRun& r) {
  const Engine& e = r.engine;
  const LayerWeights& w = e.weights->layers[r.layer];
  e.MatMul(w.down, e.Middle(w.down.k), e.n, r.worker, r.tickets[0], e.AddToX(r.layer));
}

OpCost DownCost(const Engine& e, size_t layer) { return e.ProductCost(e.weights->layers[layer].down, e.n); }

constexpr Stage kStages[] = {{"gate-up", 1, GateUp, GateUpCost}, {"down", 1, Down, DownCost}};

}  // namespace

extern const FfnKind kSwigluFfn;
const FfnKind kSwigluFfn = {Ffn::kSwiglu, "SwiGLU", Tensors, Plan, kStages};

uint32_t UnitsAtATime(const Engine& e, uint32_t rows, uint32_t units) {
  const uint32_t share = units / (4 * static_cast<uint32_t>(e.pool->size()));
  return std::max<uint32_t>(1, rows > 1 ? 1 : std::min<uint32_t>(share, kTileTokens / 2));
}

// Two panels of gate and two of up make 32 values of the middle, which are gated and rounded at once.
void GateUpUnits(const Engine& e, const GateUpJob& job, uint32_t begin, uint32_t end, float* tile) {
  if (job.rows == 1) return GateUpToken(e, job, begin, end, tile);
  const auto& [gate, up, in, reading, first, rows] = job;
  float* ups = tile + kTileTokens * kTilePanels * kPanelRows;
  for (uint32_t u = begin; u < end; ++u) {
    const size_t count = std::min<size_t>(32, gate.rows - 32 * u), panels = PanelCount(count), width = panels * kPanelRows;
    for (uint32_t t = 0; t < rows; t += kTileTokens) {
      const uint32_t m = std::min<uint32_t>(kTileTokens, rows - t);
      e.kernels->panel_mul(gate.type, gate.k, gate.panel(2 * u), panels, in, first + t, m, tile);
      e.kernels->panel_mul(up.type, up.k, up.panel(2 * u), panels, in, first + t, m, ups);
      e.kernels->swiglu(tile, ups, m * width, tile);
      for (uint32_t i = 0; i < m; ++i) PutMiddle(e, reading, gate.rows, first + t + i, 32 * size_t{u}, tile + i * width, count);
    }
  }
}

}  // namespace edgefront
