// The register tile of every product: kRows x kVecs vectors of C stay in registers over a block of the depth
// (Goto and van de Geijn, 2008). An element of the depth is a float, or a word with a pair of bfloat16 if the
// instruction set multiplies pairs. EDGEFRONT_DOT_PAIRS(acc, a, b) returns, in each lane, acc + both products
// of two pairs. Included only inside an ISA namespace, after vec-inl.h.

inline constexpr int kRows = EDGEFRONT_GEMM_ROWS;
inline constexpr int kPanelVecs = kPad / kLanes;           // vectors in a packed panel
inline constexpr int kTilePanels = EDGEFRONT_GEMM_PANELS;  // panels in a full tile

inline Vf LoadElements(const float* p) { return Load(p); }
inline Vf Fill(float x) { return Set(x); }
inline Vf Dot(Vf acc, Vf a, Vf b) { return acc + a * b; }
#ifdef EDGEFRONT_DOT_PAIRS
typedef int32_t ViU __attribute__((vector_size(4 * EDGEFRONT_VEC_FLOATS), aligned(4), may_alias));
inline Vi LoadElements(const uint32_t* p) { return *reinterpret_cast<const ViU*>(p); }
inline Vi Fill(uint32_t x) { return static_cast<int32_t>(x) - Vi{}; }
inline Vf Dot(Vf acc, Vi a, Vi b) { return EDGEFRONT_DOT_PAIRS(acc, a, b); }
#endif

// Computes one tile: kM rows, kP panels. kTransposed: consecutive rows of A are adjacent in memory (a_row ==
// 1).
template <int kM, int kP, bool kTransposed, typename Element>
__attribute__((always_inline)) inline void Tile(int depth, const Element* a, ptrdiff_t lda, const Element* b, ptrdiff_t b_depth,
                                                ptrdiff_t b_panel, const float* addend, float* c, ptrdiff_t ldc) {
  constexpr int kV = kP * kPanelVecs;
  using Elements = decltype(LoadElements(b));
  Vf acc[kM][kV];
#pragma GCC unroll 16
  for (int i = 0; i < kM; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < kV; ++j) acc[i][j] = Vf{};
  }
  // C is further away than A and B, so it is prefetched during the products.
#pragma GCC unroll 16
  for (int i = 0; i < kM; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < kP; ++j) __builtin_prefetch(c + i * ldc + j * kPad, 1);
  }
  for (int p = 0; p < depth; ++p) {
    Elements bv[kV];
#pragma GCC unroll 16
    for (int j = 0; j < kV; ++j) bv[j] = LoadElements(b + (j / kPanelVecs) * b_panel + (j % kPanelVecs) * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < kM; ++i) {
      const Elements av = Fill(kTransposed ? a[i] : a[i * lda]);
#pragma GCC unroll 16
      for (int j = 0; j < kV; ++j) acc[i][j] = Dot(acc[i][j], av, bv[j]);
    }
    a += kTransposed ? lda : 1;
    b += b_depth;
  }
#pragma GCC unroll 16
  for (int i = 0; i < kM; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < kV; ++j) {
      const ptrdiff_t at = i * ldc + j * kLanes;
      Store(c + at, addend ? acc[i][j] + Load(addend + at) : acc[i][j]);
    }
  }
}

template <int kP, bool kTransposed, typename Element>
void TileRows(int m, int depth, const Element* a, ptrdiff_t lda, const Element* b, ptrdiff_t b_depth, ptrdiff_t b_panel,
              const float* addend, float* c, ptrdiff_t ldc) {
  const ptrdiff_t step = kTransposed ? 1 : lda;
  int i = 0;
  for (; i + kRows <= m; i += kRows) {
    Tile<kRows, kP, kTransposed>(depth, a + i * step, lda, b, b_depth, b_panel, addend ? addend + i * ldc : nullptr, c + i * ldc, ldc);
  }
  for (; i + 2 <= m; i += 2) {
    Tile<2, kP, kTransposed>(depth, a + i * step, lda, b, b_depth, b_panel, addend ? addend + i * ldc : nullptr, c + i * ldc, ldc);
  }
  for (; i < m; ++i) {
    Tile<1, kP, kTransposed>(depth, a + i * step, lda, b, b_depth, b_panel, addend ? addend + i * ldc : nullptr, c + i * ldc, ldc);
  }
}
