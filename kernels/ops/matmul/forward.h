// Products of a weight panel (quant/panel.h) with activations, written once over the vector interface `Simd`.
// One lane is one row. Additions along k have the same order for any number of tokens. A token therefore has
// the same result in prefill and in decode.
#ifndef EDGEFRONT_OPS_MATMUL_FORWARD_H_
#define EDGEFRONT_OPS_MATMUL_FORWARD_H_

#include <type_traits>

#include "ops/matmul/split_q4.h"
#include "ops/matmul/wide_blocks.h"
#include "quant/panel.h"
#include "targets/kernels.h"

namespace edgefront {
namespace {

constexpr int kSubs = 16 / Simd::kLanes;  // vectors that hold the 16 rows of a panel

// The stored types of a float operand, and their conversion while loading.
struct AsF32 {
  using T = float;
  static Simd::F Load(const float* p) { return Simd::Load(p); }
};
struct AsF16 {
  using T = uint16_t;
  static Simd::F Load(const uint16_t* p) { return Simd::LoadF16(p); }
};
struct AsBF16 {
  using T = uint16_t;
  static Simd::F Load(const uint16_t* p) { return Simd::LoadBF16(p); }
};
struct AsI8 {
  using T = int8_t;
  static Simd::F Load(const int8_t* p) { return Simd::LoadI8(p); }
};

// The float tile, for R rows and G groups of 16:
//   out[r * os + g * og + lane] (+)= sum_i a[r * as + i] * b[g * bg + i * bs + lane]
template <class As, int R, int G>
inline void FloatTile(const float* a, size_t as, const typename As::T* b, size_t bs, size_t bg, size_t n, float* out, size_t os, size_t og,
                      bool accumulate) {
  Simd::F acc[R][G][kSubs];
  for (int r = 0; r < R; ++r)
    for (int g = 0; g < G; ++g)
      for (int s = 0; s < kSubs; ++s) acc[r][g][s] = accumulate ? Simd::Load(out + r * os + g * og + s * Simd::kLanes) : Simd::Zero();
  for (size_t i = 0; i < n; ++i) {
    Simd::F x[R];
    for (int r = 0; r < R; ++r) x[r] = Simd::Set(a[r * as + i]);
    for (int g = 0; g < G; ++g)
      for (int s = 0; s < kSubs; ++s) {
        const Simd::F w = As::Load(b + g * bg + i * bs + s * Simd::kLanes);
        for (int r = 0; r < R; ++r) acc[r][g][s] = Simd::Fma(x[r], w, acc[r][g][s]);
      }
  }
  for (int r = 0; r < R; ++r)
    for (int g = 0; g < G; ++g)
      for (int s = 0; s < kSubs; ++s) Simd::Store(out + r * os + g * og + s * Simd::kLanes, acc[r][g][s]);
}

template <class As, int R>
inline void FloatRows(const float* a, size_t as, const typename As::T* b, size_t bs, size_t groups, size_t bg, size_t n, float* out,
                      size_t os, size_t og, bool accumulate) {
  constexpr int kG = Simd::kAccumulators / (R * kSubs) > 0 ? Simd::kAccumulators / (R * kSubs) : 1;
  size_t g = 0;
  for (; g + kG <= groups; g += kG) FloatTile<As, R, kG>(a, as, b + g * bg, bs, bg, n, out + g * og, os, og, accumulate);
  for (; g < groups; ++g) FloatTile<As, R, 1>(a, as, b + g * bg, bs, bg, n, out + g * og, os, og, accumulate);
}

// Applies the float tile to any number of rows and groups.
template <class As>
inline void FloatMul(const float* a, size_t as, size_t rows, const typename As::T* b, size_t bs, size_t groups, size_t bg, size_t n,
                     float* out, size_t os, size_t og, bool accumulate) {
  size_t r = 0;
  for (; r + 4 <= rows; r += 4) FloatRows<As, 4>(a + r * as, as, b, bs, groups, bg, n, out + r * os, os, og, accumulate);
  if (rows & 2) FloatRows<As, 2>(a + r * as, as, b, bs, groups, bg, n, out + r * os, os, og, accumulate), r += 2;
  if (rows & 1) FloatRows<As, 1>(a + r * as, as, b, bs, groups, bg, n, out + r * os, os, og, accumulate);
}

// Multiplies one block of 32 with N tokens in pairs, for instruction sets that have such a product. q points
// to the first token; tokens are k apart. Rearranges w.
template <class V, int N, class Put>
inline void PairDots(typename V::B* w, const int8_t* q, size_t k, Put put) {
  V::ArrangePairs(w);
  for (int i = 0; i < N; i += 2) {
    typename V::I dot0, dot1;
    V::PairDot(w, q + i * k, q + (i + 1) * k, &dot0, &dot1);
    put(i, dot0);
    put(i + 1, dot1);
  }
}

// Decode streams weights from memory, so this prefetches data some kilobytes ahead. The range may cross into
// the next panel. Past the last panel the prefetch is harmless.
constexpr size_t kPrefetchAhead = 4096;
template <size_t bytes>
inline void Prefetch(const uint8_t* at) {
  for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch(at + kPrefetchAhead + i, 0, 3);
}

// Formats with one scale for a block of 32. Load reads groups j and j + 4 of a block, for the rows of one
// vector that start at row `lane`.
struct Q4 {
  static constexpr DType kType = DType::kQ4_0;
  static constexpr size_t kPairBytes = kQ4PairBytes;
  static void Load(const uint8_t* body, int lane, int j, Simd::B* low, Simd::B* high) {
    const Simd::B x = Simd::LoadBytes(body + 64 * j + 4 * lane);
    *low = Simd::Low4(x);
    *high = Simd::High4(x);
  }
  // Weights are stored with 8 added. Offset(sum8) takes this out of an exact product of the stored values.
  static Simd::I Offset(int32_t sum8) { return Simd::SetI(sum8); }
  static Simd::I Dot(const Simd::B w[8], const int8_t* q, int32_t sum8) { return Simd::DotU4(w, q, Offset(sum8)); }
  static Simd::I FromPair(Simd::I dot, int32_t sum8) { return Simd::AddI(dot, Offset(sum8)); }
};

struct Q8 {
  static constexpr DType kType = DType::kQ8_0;
  static constexpr size_t kPairBytes = kQ8PairBytes;
  static void Load(const uint8_t* body, int lane, int j, Simd::B* low, Simd::B* high) {
    *low = Simd::PrepareS8(Simd::LoadBytes(body + 64 * j + 4 * lane));
    *high = Simd::PrepareS8(Simd::LoadBytes(body + 64 * (j + 4) + 4 * lane));
  }
  // PrepareS8 adds 128 where products take unsigned weights.
  static Simd::I Offset(int32_t sum8) { return Simd::SetI(16 * sum8); }
  static Simd::I Dot(const Simd::B w[8], const int8_t* q, int32_t sum8) { return Simd::DotS8(w, q, sum8); }
  static Simd::I FromPair(Simd::I dot, int32_t) { return dot; }
};

// Tiles of N tokens by S vectors of rows, starting at vector s0, to out [N][stride]. Each block of 32 has an
// exact integer dot product, then acc += float(dot) * (row scale * token scale).
template <class Format>
struct Blocks {
  template <int N, int S>
  static void Tile(size_t k, const uint8_t* panel, const Activations& a, size_t t, int s0, float* out, size_t stride) {
    const size_t blocks = k / 32;
    Simd::F acc[S][N];
    for (int s = 0; s < S; ++s)
      for (int i = 0; i < N; ++i) acc[s][i] = Simd::Zero();
    for (size_t b = 0; b < blocks; ++b) {
      const uint16_t* scales = reinterpret_cast<const uint16_t*>(panel + PairScaleAt(Format::kPairBytes, b));
      const uint8_t* body = panel + PairQuantsAt(Format::kPairBytes, b);
      if constexpr (N == 1) Prefetch<Format::kPairBytes / 2>(body);
      for (int s = 0; s < S; ++s) {
        const int lane = (s0 + s) * Simd::kLanes;
        Simd::B w[8];
        for (int j = 0; j < 4; ++j) Format::Load(body, lane, j, &w[j], &w[j + 4]);
        const Simd::F scale = Simd::LoadF16(scales + lane);
        const auto add = [&](int i, Simd::I dot) {
          acc[s][i] = Simd::Fma(Simd::ToFloat(dot), Simd::Mul(scale, Simd::Set(a.scale[(t + i) * blocks + b])), acc[s][i]);
        };
        if constexpr (Simd::kPairs && N % 2 == 0) {
          PairDots<Simd, N>(w, a.q + t * k + 32 * b, k,
                            [&](int i, Simd::I dot) { add(i, Format::FromPair(dot, a.sum8[(t + i) * blocks + b])); });
        } else {
          for (int i = 0; i < N; ++i) add(i, Format::Dot(w, a.q + (t + i) * k + 32 * b, a.sum8[(t + i) * blocks + b]));
        }
      }
    }
    for (int s = 0; s < S; ++s)
      for (int i = 0; i < N; ++i) Simd::Store(out + stride * i + (s0 + s) * Simd::kLanes, acc[s][i]);
  }
};

struct Q6 {
  template <int N, int S>
  static void Tile(size_t k, const uint8_t* panel, const Activations& a, size_t t, int s0, float* out, size_t stride) {
    Simd::F acc[S][N];
    for (int s = 0; s < S; ++s)
      for (int i = 0; i < N; ++i) acc[s][i] = Simd::Zero();
    for (size_t super = 0; super < k / 256; ++super) {
      const uint16_t* scales = reinterpret_cast<const uint16_t*>(panel + super * kQ6SuperBytes);
      const uint8_t* body = panel + super * kQ6SuperBytes + 64;
      if constexpr (N == 1) Prefetch<320>(body - 64);
      for (int s = 0; s < S; ++s) {
        const int lane = (s0 + s) * Simd::kLanes;
        Simd::F part[N];
        for (int i = 0; i < N; ++i) part[i] = Simd::Zero();
        for (size_t b = 0; b < 8; ++b) {
          const uint8_t* quants = body + 256 + 384 * b;
          if (N == 1 && s == 0) Prefetch<384>(quants);
          Simd::B w[8];
          for (int h = 0; h < 2; ++h) {
            const uint8_t* at = quants + 192 * h + 4 * lane;
            const Simd::B x = Simd::LoadBytes(at), y = Simd::LoadBytes(at + 64), z = Simd::LoadBytes(at + 128);
            w[4 * h] = Simd::Low6(x);
            w[4 * h + 1] = Simd::Low6(y);
            w[4 * h + 2] = Simd::Low6(z);
            w[4 * h + 3] = Simd::High2(x, y, z);
          }
          const Simd::Scales6 scales6 = Simd::LoadScales6(reinterpret_cast<const int8_t*>(body + 32 * b + 2 * lane));
          const size_t block = 8 * super + b;
          for (int i = 0; i < N; ++i) {
            const Simd::I dot = Simd::DotQ6(w, a.q + (t + i) * k + 32 * block, a.sum16 + (t + i) * (k / 16) + 2 * block, scales6);
            part[i] = Simd::Fma(Simd::ToFloat(dot), Simd::Set(a.scale[(t + i) * (k / 32) + block]), part[i]);
          }
        }
        const Simd::F d = Simd::LoadF16(scales + lane);
        for (int i = 0; i < N; ++i) acc[s][i] = Simd::Fma(d, part[i], acc[s][i]);
      }
    }
    for (int s = 0; s < S; ++s)
      for (int i = 0; i < N; ++i) Simd::Store(out + stride * i + (s0 + s) * Simd::kLanes, acc[s][i]);
  }
};

// One panel. Decode reads it once with all 16 rows together. With more tokens a tile is one vector of rows by
// kTokens tokens.
template <class Tiles>
void QuantPanel(size_t k, const uint8_t* panel, const Activations& a, size_t t0, size_t n, float* out, size_t stride) {
  if (n == 1) return Tiles::template Tile<1, kSubs>(k, panel, a, t0, 0, out, stride);
  constexpr size_t kN = Simd::kTokens;
  size_t i = 0;
  if constexpr (Simd::kSplits && std::is_same_v<Tiles, Blocks<Q4>>)
    if (n >= SplitQ4<Simd>::kWorthwhile) i = SplitQ4<Simd>::Mul(k, panel, a, t0, n, out, stride);
  for (; i + kN <= n; i += kN)
    for (int s = 0; s < kSubs; ++s) Tiles::template Tile<kN, 1>(k, panel, a, t0 + i, s, out + stride * i, stride);
  for (; i + 2 <= n; i += 2)
    for (int s = 0; s < kSubs; ++s) Tiles::template Tile<2, 1>(k, panel, a, t0 + i, s, out + stride * i, stride);
  if (i < n) Tiles::template Tile<1, kSubs>(k, panel, a, t0 + i, 0, out + stride * i, stride);
}

template <class Format>
void BlockMul(size_t k, const uint8_t* panel, size_t panels, const Activations& a, size_t t0, size_t n, float* out) {
  const size_t bytes = PanelBytes(Format::kType, k), stride = kPanelRows * panels;
  size_t p = 0;
  if constexpr (Simd::kWide)
    for (; n > 1 && p + 2 <= panels; p += 2)
      WideBlocks<Simd, Format>::Mul(k, panel + p * bytes, bytes, a, t0, n, out + kPanelRows * p, stride);
  for (; p < panels; ++p) QuantPanel<Blocks<Format>>(k, panel + p * bytes, a, t0, n, out + kPanelRows * p, stride);
}

void PanelMul(DType type, size_t k, const uint8_t* panel, size_t panels, const Activations& a, size_t t0, size_t n, float* out) {
  if (type == DType::kQ4_0) return BlockMul<Q4>(k, panel, panels, a, t0, n, out);
  if (type == DType::kQ8_0) return BlockMul<Q8>(k, panel, panels, a, t0, n, out);
  const size_t stride = kPanelRows * panels;
  for (size_t p = 0; p < panels; ++p, panel += PanelBytes(type, k), out += kPanelRows) {
    const auto multiply = [&]<class As>(As) {
      const auto* w = reinterpret_cast<const typename As::T*>(panel);
      FloatMul<As>(a.f32 + t0 * a.stride, a.stride, n, w, kPanelRows, 1, 0, k, out, stride, 0, false);
    };
    if (type == DType::kF32) multiply(AsF32());
    if (type == DType::kF16) multiply(AsF16());
    if (type == DType::kBF16) multiply(AsBF16());
    if (type == DType::kQ6_K) QuantPanel<Q6>(k, panel, a, t0, n, out, stride);
  }
}

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_OPS_MATMUL_FORWARD_H_
