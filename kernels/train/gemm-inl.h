// Register-tiled GEMM: kRows x kVecs vectors of C stay in registers over a block of the depth (Goto and van de Geijn, 2008). A is read
// by broadcast where it lies, row-major or transposed, so it is never packed: at proxy widths (32..256) packing A costs more than it saves.
// Included only inside an ISA namespace, after vec-inl.h.

inline constexpr int kRows = EDGEFRONT_GEMM_ROWS;
inline constexpr int kPanelVecs = kPad / kLanes;                 // vectors in a packed panel
inline constexpr int kTilePanels = EDGEFRONT_GEMM_PANELS;        // panels in a full tile
inline constexpr int kDepthBlock = 256;
inline constexpr int kCopyFrom = 128;                            // columns from which a transposed A is worth copying

// One tile: kM rows, kP panels. kTransposed: consecutive rows of A are adjacent in memory (a_row == 1).
template <int kM, int kP, bool kTransposed>
__attribute__((always_inline)) inline void Tile(int depth, const float* a, ptrdiff_t lda, const float* b, ptrdiff_t b_depth,
                                                ptrdiff_t b_panel, const float* addend, float* c, ptrdiff_t ldc) {
  constexpr int kV = kP * kPanelVecs;
  Vf acc[kM][kV];
#pragma GCC unroll 16
  for (int i = 0; i < kM; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < kV; ++j) acc[i][j] = Vf{};
  }
  // C lies further away than A and B: it is asked for while the products are made.
#pragma GCC unroll 16
  for (int i = 0; i < kM; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < kP; ++j) __builtin_prefetch(c + i * ldc + j * kPad, 1);
  }
  for (int p = 0; p < depth; ++p) {
    Vf bv[kV];
#pragma GCC unroll 16
    for (int j = 0; j < kV; ++j) bv[j] = Load(b + (j / kPanelVecs) * b_panel + (j % kPanelVecs) * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < kM; ++i) {
      const Vf av = Set(kTransposed ? a[i] : a[i * lda]);
#pragma GCC unroll 16
      for (int j = 0; j < kV; ++j) acc[i][j] += av * bv[j];
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

template <int kP, bool kTransposed>
void TileRows(int m, int depth, const float* a, ptrdiff_t lda, const float* b, ptrdiff_t b_depth, ptrdiff_t b_panel,
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

template <bool kTransposed>
void GemmBlocks(const Gemm& g) {
  const ptrdiff_t lda = kTransposed ? g.a_depth : g.a_row;
  const int panels = g.n / kPad;
  int p0 = 0;
  do {
    const int depth = g.depth - p0 < kDepthBlock ? g.depth - p0 : kDepthBlock;
    const float* a = g.a + p0 * g.a_depth;
    const float* addend = p0 == 0 ? g.addend : g.c;
    int j = 0;
    for (; j + kTilePanels <= panels; j += kTilePanels) {
      TileRows<kTilePanels, kTransposed>(g.m, depth, a, lda, g.b + j * g.b_panel + p0 * g.b_depth, g.b_depth, g.b_panel,
                                         addend ? addend + j * kPad : nullptr, g.c + j * kPad, g.ldc);
    }
    for (; j < panels; ++j) {
      TileRows<1, kTransposed>(g.m, depth, a, lda, g.b + j * g.b_panel + p0 * g.b_depth, g.b_depth, g.b_panel,
                               addend ? addend + j * kPad : nullptr, g.c + j * kPad, g.ldc);
    }
    p0 += kDepthBlock;
  } while (p0 < g.depth);
}

// For a transposed A and many columns, which is how the weights of wide layers get their gradients. A's depth goes down its pages there, a few
// floats of each, so every pass over it misses the TLB: two tiles' rows of it are copied together, and meet all of B before the next ones are.
void GemmCopied(const Gemm& g) {
  constexpr int kCopied = 2 * kRows;
  alignas(64) float copy[kDepthBlock * kCopied];
  const int panels = g.n / kPad;
  int p0 = 0;
  do {
    const int depth = g.depth - p0 < kDepthBlock ? g.depth - p0 : kDepthBlock;
    const float* b = g.b + p0 * g.b_depth;
    for (int i = 0; i < g.m; i += kCopied) {
      const int rows = g.m - i < kCopied ? g.m - i : kCopied;
      const float* a = g.a + p0 * g.a_depth + i;
      if (rows == kCopied) {
        for (int p = 0; p < depth; ++p, a += g.a_depth) __builtin_memcpy(copy + p * kCopied, a, sizeof(float) * kCopied);
      } else {
        for (int p = 0; p < depth; ++p, a += g.a_depth) __builtin_memcpy(copy + p * kCopied, a, sizeof(float) * rows);
      }
      float* c = g.c + i * g.ldc;
      const float* addend = p0 > 0 ? c : g.addend ? g.addend + i * g.ldc : nullptr;
      int j = 0;
      for (; j + kTilePanels <= panels; j += kTilePanels) {
        TileRows<kTilePanels, true>(rows, depth, copy, kCopied, b + j * g.b_panel, g.b_depth, g.b_panel, addend ? addend + j * kPad : nullptr,
                                    c + j * kPad, g.ldc);
      }
      for (; j < panels; ++j) {
        TileRows<1, true>(rows, depth, copy, kCopied, b + j * g.b_panel, g.b_depth, g.b_panel, addend ? addend + j * kPad : nullptr, c + j * kPad,
                          g.ldc);
      }
    }
    p0 += kDepthBlock;
  } while (p0 < g.depth);
}

void RunGemm(const Gemm& g) {
  if (g.a_depth == 1) {
    GemmBlocks<false>(g);
  } else if (g.n >= kCopyFrom) {
    GemmCopied(g);
  } else {
    GemmBlocks<true>(g);
  }
}
