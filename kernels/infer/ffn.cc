// A step's gate and up products with what follows at once: SwiGLU, and the middle as int8 for a quantised ffn_down, so that it is
// never written out in float. It is made 32 values at a time, so these are what shares a scale in it, for Q6_K too.
#include "infer/session_impl.h"
#include "quant/half.h"

namespace edgefront {
namespace {

void PutHidden(const float* h, size_t count, bool half, float* to) {
  for (size_t i = 0; i < count; ++i) to[i] = half ? NearestF16(h[i]) : h[i];
}

}  // namespace

// Two panels of gate and of up make 32 values of the middle: gated and, for a quantised ffn_down, turned into int8 at once.
void Session::Impl::GateUp(const LayerWeights& w, int worker, std::atomic<uint32_t>& ticket) {
  const size_t ffn = w.gate.rows, d = spec().dim;
  const uint32_t units = static_cast<uint32_t>((ffn + 31) / 32);
  float* tile = reinterpret_cast<float*>(Scratch(worker) + program.tile_at);
  constexpr size_t kTile = kTileTokens * kPanelRows;
  Activations in = View(program.in, d);
  if (program.norm_f32) in.f32 = Buffer(program.norm), in.stride = d;
  const QuantBuffer& b = program.mid;
  const Reading reading({&w.down});
  // For one token the tile has room for 32 panels of gate, as many of up, and their result.
  const uint32_t share = units / (4 * static_cast<uint32_t>(pool->size()));
  const uint32_t grab = std::max<uint32_t>(1, n > 1 ? 1 : std::min<uint32_t>(share, kTileTokens / 2));
  for (uint32_t u; (u = ticket.fetch_add(grab, std::memory_order_relaxed)) < units;) {
    if (n == 1) {
      GateUpToken(w, u, std::min(units, u + grab), in, tile);
      continue;
    }
    for (const uint32_t end = std::min(units, u + grab); u < end; ++u) {
      const size_t count = std::min<size_t>(32, ffn - 32 * u);
      const size_t second = count > kPanelRows ? 2 : 1;
      for (uint32_t t = 0; t < n; t += kTileTokens) {
        const uint32_t m = std::min<uint32_t>(kTileTokens, n - t);
        for (size_t p = 0; p < second; ++p) {
          kernels->panel_mul(w.gate.type, w.gate.k, w.gate.panel(2 * u + p), in, t, m, tile + p * kTile);
          kernels->panel_mul(w.up.type, w.up.k, w.up.panel(2 * u + p), in, t, m, tile + (2 + p) * kTile);
        }
        for (uint32_t i = 0; i < m; ++i) {
          float h[2 * kPanelRows];
          for (size_t p = 0; p < second; ++p) {
            const size_t at = p * kTile + i * kPanelRows;
            kernels->swiglu(tile + at, tile + 2 * kTile + at, kPanelRows, h + p * kPanelRows);
          }
          const size_t row = t + i, block = row * (ffn / 32) + u;
          if (reading.q8) {
            kernels->quantise(h, 32, 32, activations.At<int8_t>(b.q) + row * ffn + 32 * u, Buffer(b.scale) + block,
                              activations.At<int32_t>(b.sum8) + block, activations.At<int16_t>(b.sum16) + 2 * block);
          } else {
            PutHidden(h, count, reading.half, Buffer(program.hidden) + row * ffn + 32 * u);
          }
        }
      }
    }
  }
}

// One token: all gate panels of units [begin, end), then all of up, so that each matrix is read as one long stream.
void Session::Impl::GateUpToken(const LayerWeights& w, uint32_t begin, uint32_t end, const Activations& in, float* tile) {
  const size_t ffn = w.gate.rows, first = 2 * size_t{begin}, last = std::min(w.gate.panels(), 2 * size_t{end});
  float *up = tile + kTileTokens * kPanelRows, *hidden = up + kTileTokens * kPanelRows;
  for (size_t p = first; p < last; ++p)
    kernels->panel_mul(w.gate.type, w.gate.k, w.gate.panel(p), in, 0, 1, tile + (p - first) * kPanelRows);
  for (size_t p = first; p < last; ++p)
    kernels->panel_mul(w.up.type, w.up.k, w.up.panel(p), in, 0, 1, up + (p - first) * kPanelRows);
  kernels->swiglu(tile, up, (last - first) * kPanelRows, hidden);
  const size_t row = first * kPanelRows, count = std::min(ffn - row, (last - first) * kPanelRows);
  const QuantBuffer& b = program.mid;
  if (const Reading reading({&w.down}); reading.q8) {
    kernels->quantise(hidden, count, 32, activations.At<int8_t>(b.q) + row, Buffer(b.scale) + row / 32,
                      activations.At<int32_t>(b.sum8) + row / 32, activations.At<int16_t>(b.sum16) + row / 16);
  } else {
    PutHidden(hidden, count, reading.half, Buffer(program.hidden) + row);
  }
}

}  // namespace edgefront
