// Products of float32 operands. A is broadcast from its place, row-major or transposed, and never packed: at
// proxy widths (32..256) packing costs more than it saves. Included only inside an ISA namespace, after
// tile-inl.h.

inline constexpr int kCopyFrom = 128;  // fewest columns for which copying a transposed A is faster

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

// For a transposed A and many columns, as in weight gradients of wide layers. There A's depth strides across
// pages, with a few floats of each, so every pass over A misses the TLB. Two tiles' rows of A are therefore
// copied together and multiplied with all of B before the next ones.
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
        TileRows<kTilePanels, true>(rows, depth, copy, kCopied, b + j * g.b_panel, g.b_depth, g.b_panel,
                                    addend ? addend + j * kPad : nullptr, c + j * kPad, g.ldc);
      }
      for (; j < panels; ++j) {
        TileRows<1, true>(rows, depth, copy, kCopied, b + j * g.b_panel, g.b_depth, g.b_panel, addend ? addend + j * kPad : nullptr,
                          c + j * kPad, g.ldc);
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
