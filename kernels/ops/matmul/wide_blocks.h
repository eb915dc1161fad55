// Q4_0 and Q8_0 in prefill on instruction sets with 32 registers and a product that adds four bytes to each
// lane. A tile is six tokens by two panels, so each broadcast of four activations serves 32 rows: with one
// panel, loads of activations take longer than products. Sums equal those of Blocks::Tile (forward.h) to the
// last bit; speeds are in kernels/BENCHMARKS.md.
#ifndef EDGEFRONT_OPS_MATMUL_WIDE_BLOCKS_H_
#define EDGEFRONT_OPS_MATMUL_WIDE_BLOCKS_H_

#include "quant/panel.h"
#include "targets/kernels.h"

namespace edgefront {
namespace {

template <class V, class Format>
struct WideBlocks {
  static constexpr int kTokens = 6, kPanels = 2;
  static_assert(V::kLanes == kPanelRows);

  // Multiplies N tokens with both panels, `bytes` apart: out [N][stride], 32 values of each row.
  template <int N>
  static void Tile(size_t k, const uint8_t* panel, size_t bytes, const Activations& a, size_t t, float* out, size_t stride) {
    const size_t blocks = k / 32;
    const int8_t* q = a.q + t * k;
    typename V::F acc[kPanels][N];
    for (int p = 0; p < kPanels; ++p)
      for (int i = 0; i < N; ++i) acc[p][i] = V::Zero();
    for (size_t b = 0; b < blocks; ++b, q += 32) {
      const size_t at = t * blocks + b;
      typename V::I dot[kPanels][N];
#pragma GCC unroll 8
      for (int i = 0; i < N; ++i) dot[0][i] = dot[1][i] = Format::Offset(a.sum8[at + i * blocks]);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        typename V::B low[kPanels], high[kPanels];
        for (int p = 0; p < kPanels; ++p) Format::Load(panel + p * bytes + PairQuantsAt(Format::kPairBytes, b), 0, j, &low[p], &high[p]);
#pragma GCC unroll 8
        for (int i = 0; i < N; ++i) {
          const typename V::B x = V::Group(q + i * k + 4 * j), y = V::Group(q + i * k + 4 * (j + 4));
          for (int p = 0; p < kPanels; ++p) dot[p][i] = V::AddDots(dot[p][i], low[p], x);
          for (int p = 0; p < kPanels; ++p) dot[p][i] = V::AddDots(dot[p][i], high[p], y);
        }
      }
      for (int p = 0; p < kPanels; ++p) {
        const typename V::F scale = V::LoadF16(reinterpret_cast<const uint16_t*>(panel + p * bytes + PairScaleAt(Format::kPairBytes, b)));
#pragma GCC unroll 8
        for (int i = 0; i < N; ++i) acc[p][i] = V::Fma(V::ToFloat(dot[p][i]), V::Mul(scale, V::Set(a.scale[at + i * blocks])), acc[p][i]);
      }
    }
    for (int p = 0; p < kPanels; ++p)
      for (int i = 0; i < N; ++i) V::Store(out + stride * i + kPanelRows * p, acc[p][i]);
  }

  static void Mul(size_t k, const uint8_t* panel, size_t bytes, const Activations& a, size_t t0, size_t n, float* out, size_t stride) {
    size_t i = 0;
    for (; i + kTokens <= n; i += kTokens) Tile<kTokens>(k, panel, bytes, a, t0 + i, out + stride * i, stride);
    for (; i + 2 <= n; i += 2) Tile<2>(k, panel, bytes, a, t0 + i, out + stride * i, stride);
    if (i < n) Tile<1>(k, panel, bytes, a, t0 + i, out + stride * i, stride);
  }
};

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_OPS_MATMUL_WIDE_BLOCKS_H_
