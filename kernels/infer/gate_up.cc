// The gate and up products of a step, SwiGLU, and int8 rounding for a quantised ffn_down. All are one stage,
// so the FFN's middle is never written as floats. It is computed 32 values at a time, which share a scale,
// also for Q6_K.
#include "infer/engine.h"
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
void GateUpToken(const Engine& e, size_t layer, uint32_t begin, uint32_t end, const Activations& in, float* tile) {
  const LayerWeights& w = e.weights->layers[layer];
  const size_t ffn = w.gate.rows, first = 2 * size_t{begin}, last = std::min(w.gate.panels(), 2 * size_t{end});
  float *up = tile + kTileTokens * kPanelRows, *hidden = up + kTileTokens * kPanelRows;
  for (size_t p = first; p < last; ++p)
    e.kernels->panel_mul(w.gate.type, w.gate.k, w.gate.panel(p), in, 0, 1, tile + (p - first) * kPanelRows);
  for (size_t p = first; p < last; ++p) e.kernels->panel_mul(w.up.type, w.up.k, w.up.panel(p), in, 0, 1, up + (p - first) * kPanelRows);
  e.kernels->swiglu(tile, up, (last - first) * kPanelRows, hidden);
  const size_t row = first * kPanelRows;
  PutMiddle(e, e.program.layers[layer].hidden, ffn, 0, row, hidden, std::min(ffn - row, (last - first) * kPanelRows));
}

}  // namespace

// Two panels of gate and two of up make 32 values of the middle, which are gated and rounded at once.
void GateUp(const StageRun& r) {
  const Engine& e = r.engine;
  const LayerWeights& w = e.weights->layers[r.layer];
  const size_t ffn = w.gate.rows;
  const uint32_t n = e.n, units = static_cast<uint32_t>((ffn + 31) / 32);
  float* tile = reinterpret_cast<float*>(e.Scratch(r.worker) + e.program.tile_at);
  constexpr size_t kTile = kTileTokens * kPanelRows;
  const Activations in = e.Normed();
  const Reading& reading = e.program.layers[r.layer].hidden;
  // For one token, the tile has room for 32 panels of gate, as many of up, and their result.
  const uint32_t share = units / (4 * static_cast<uint32_t>(e.pool->size()));
  const uint32_t grab = std::max<uint32_t>(1, n > 1 ? 1 : std::min<uint32_t>(share, kTileTokens / 2));
  for (uint32_t u; (u = r.tickets[0].fetch_add(grab, std::memory_order_relaxed)) < units;) {
    if (n == 1) {
      GateUpToken(e, r.layer, u, std::min(units, u + grab), in, tile);
      continue;
    }
    for (const uint32_t end = std::min(units, u + grab); u < end; ++u) {
      const size_t count = std::min<size_t>(32, ffn - 32 * u);
      const size_t second = count > kPanelRows ? 2 : 1;
      for (uint32_t t = 0; t < n; t += kTileTokens) {
        const uint32_t m = std::min<uint32_t>(kTileTokens, n - t);
        for (size_t p = 0; p < second; ++p) {
          e.kernels->panel_mul(w.gate.type, w.gate.k, w.gate.panel(2 * u + p), in, t, m, tile + p * kTile);
          e.kernels->panel_mul(w.up.type, w.up.k, w.up.panel(2 * u + p), in, t, m, tile + (2 + p) * kTile);
        }
        for (uint32_t i = 0; i < m; ++i) {
          float h[2 * kPanelRows];
          for (size_t p = 0; p < second; ++p) {
            const size_t at = p * kTile + i * kPanelRows;
            e.kernels->swiglu(tile + at, tile + 2 * kTile + at, kPanelRows, h + p * kPanelRows);
          }
          PutMiddle(e, reading, ffn, t + i, 32 * size_t{u}, h, count);
        }
      }
    }
  }
}

}  // namespace edgefront
