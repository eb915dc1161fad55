// Q4_0 in prefill, where splitting nibbles costs as much as multiplying them. Some blocks of a panel are
// split once, to one byte for each weight. Tiles of tokens by all 16 rows read them, so each broadcast of
// four activations serves both vectors of rows. Sums equal those of Blocks::Tile (forward.h) to the last bit;
// speeds are in kernels/BENCHMARKS.md.
#ifndef EDGEFRONT_OPS_MATMUL_SPLIT_Q4_H_
#define EDGEFRONT_OPS_MATMUL_SPLIT_Q4_H_

#include "quant/panel.h"
#include "targets/kernels.h"

namespace edgefront {
namespace {

template <class V>
struct SplitQ4 {
  static constexpr size_t kSpan = 16;  // blocks: 9 KB, a third of an L1 cache
  // F32 scale [16]; then byte 64v + 4r + c is row r, group v, column c.
  static constexpr size_t kBlockBytes = 64 + 16 * 32;
  static constexpr int kTokens = 4;
  static constexpr size_t kWorthwhile = 8;  // fewest tokens for which splitting is faster

  static void Split(const uint8_t* panel, size_t first, size_t blocks, uint8_t* out) {
    for (size_t b = first; b < first + blocks; ++b, out += kBlockBytes) {
      const uint16_t* scales = reinterpret_cast<const uint16_t*>(panel + PairScaleAt(kQ4PairBytes, b));
      const uint8_t* body = panel + PairQuantsAt(kQ4PairBytes, b);
      for (int lane = 0; lane < 16; lane += V::kLanes) {
        V::Store(reinterpret_cast<float*>(out) + lane, V::LoadF16(scales + lane));
        for (int j = 0; j < 4; ++j) {
          const typename V::B x = V::LoadBytes(body + 64 * j + 4 * lane);
          V::StoreBytes(out + 64 + 64 * j + 4 * lane, V::Low4(x));
          V::StoreBytes(out + 64 + 64 * (j + 4) + 4 * lane, V::High4(x));
        }
      }
    }
  }

  // Adds the products of `blocks` blocks, from block `first`, to out [kTokens][stride]. The first call (first
  // == 0) starts from zero.
  static void Tile(size_t k, const uint8_t* w, const Activations& a, size_t t, size_t first, size_t blocks, float* out, size_t stride) {
    constexpr int N = kTokens, S = 16 / V::kLanes;
    typename V::F acc[N][S];
    for (int i = 0; i < N; ++i)
      for (int s = 0; s < S; ++s) acc[i][s] = first == 0 ? V::Zero() : V::Load(out + stride * i + s * V::kLanes);
    const size_t row = k / 32;
    const int8_t* q = a.q + t * k + 32 * first;
    const float* scale = a.scale + t * row + first;
    const int32_t* sum8 = a.sum8 + t * row + first;
    for (size_t b = 0; b < blocks; ++b, w += kBlockBytes, q += 32, ++scale, ++sum8) {
      typename V::Pairs p[N][S];
#pragma GCC unroll 8
      for (int v = 0; v < 8; ++v) {
        typename V::B x[S];
        for (int s = 0; s < S; ++s) V::Keep(x[s] = V::LoadBytes(w + 64 + 64 * v + 4 * s * V::kLanes));
#pragma GCC unroll 4
        for (int i = 0; i < N; ++i) {
          const typename V::B g = V::Group(q + i * k + 4 * v);
          for (int s = 0; s < S; ++s) {
            const typename V::Pairs product = V::MulPairs(x[s], g);
            V::Keep(p[i][s] = v == 0 ? product : V::AddPairs(p[i][s], product));
          }
        }
      }
#pragma GCC unroll 4
      for (int i = 0; i < N; ++i) {
        const typename V::I sum = V::SetI(sum8[i * row]);
        const typename V::F token = V::Set(scale[i * row]);
        for (int s = 0; s < S; ++s) {
          const typename V::F both = V::Mul(V::Load(reinterpret_cast<const float*>(w) + s * V::kLanes), token);
          acc[i][s] = V::Fma(V::ToFloat(V::AddI(V::SumPairs(p[i][s]), sum)), both, acc[i][s]);
        }
      }
    }
    for (int i = 0; i < N; ++i)
      for (int s = 0; s < S; ++s) V::Store(out + stride * i + s * V::kLanes, acc[i][s]);
  }

  // Multiplies the first tokens of n, in whole tiles. Returns their number.
  static size_t Mul(size_t k, const uint8_t* panel, const Activations& a, size_t t0, size_t n, float* out, size_t stride) {
    alignas(64) uint8_t split[kSpan * kBlockBytes];
    const size_t done = n / kTokens * kTokens;
    size_t first = 0;
    do {  // runs once if there are no columns: the products are then zeros
      const size_t left = k / 32 - first, blocks = left < kSpan ? left : kSpan;
      Split(panel, first, blocks, split);
      for (size_t i = 0; i < done; i += kTokens) Tile(k, split, a, t0 + i, first, blocks, out + stride * i, stride);
      first += kSpan;
    } while (first < k / 32);
    return done;
  }
};

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_OPS_MATMUL_SPLIT_Q4_H_
