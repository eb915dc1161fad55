// Products of operands rounded to bfloat16, summed in float32 (Kalamkar et al., arXiv 1905.12322). Operands
// are rounded into scratch block by block; packed weights were rounded when they were packed. An element is a
// float that holds a bfloat16 (any instruction set), or a word with a pair along the depth (for instructions
// that multiply pairs). Included only inside an ISA namespace, after tile-inl.h.

template <typename Element>
inline constexpr int kDepthOf = 1;  // how many values along the depth an element holds
template <>
inline constexpr int kDepthOf<uint32_t> = 2;

typedef uint32_t Vu __attribute__((vector_size(4 * EDGEFRONT_VEC_FLOATS)));

// Rounds to nearest, ties to even. The result is in the upper half of each lane; a NaN stays a NaN. Equal to
// RoundToBfloat16 in train/math.h.
inline Vu RoundBits(Vf x) {
  Vu bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  const Vu up = bits + 0x7FFFu + ((bits >> 16) & 1u), quiet = bits | 0x400000u;
  return (x == x ? up : quiet) & 0xFFFF0000u;
}

// Copies [rows, width] floats, rounded to bfloat16.
inline void CopyRounded(int rows, int width, const float* from, ptrdiff_t ld, float* to, ptrdiff_t ldto) {
  for (int r = 0; r < rows; ++r, from += ld, to += ldto) {
    int i = 0;
    for (; i + kLanes <= width; i += kLanes) {
      const Vu bits = RoundBits(Load(from + i));
      __builtin_memcpy(to + i, &bits, sizeof bits);
    }
    for (; i < width; ++i) to[i] = RoundToBfloat16(from[i]);
  }
}
// CopyDown copies with the depth down the rows, CopyAlong with the depth along the rows. They differ for
// pairs only.
inline void CopyDown(int depth, int width, const float* from, ptrdiff_t ld, float* to, ptrdiff_t ldto) {
  CopyRounded(depth, width, from, ld, to, ldto);
}
inline void CopyAlong(int rows, int depth, const float* from, ptrdiff_t ld, float* to, ptrdiff_t ldto) {
  CopyRounded(rows, depth, from, ld, to, ldto);
}

#ifdef EDGEFRONT_DOT_PAIRS
// Packs rows 2p and 2p + 1 of [depth, width] into row p of words. A missing last row counts as zeros.
inline void CopyDown(int depth, int width, const float* from, ptrdiff_t ld, uint32_t* to, ptrdiff_t ldto) {
  for (int p = 0; p < depth; p += 2, from += 2 * ld, to += ldto) {
    const bool whole = p + 1 < depth;
    int i = 0;
    for (; i + kLanes <= width; i += kLanes) {
      const Vu words = RoundBits(Load(from + i)) >> 16 | (whole ? RoundBits(Load(from + ld + i)) : Vu{});
      __builtin_memcpy(to + i, &words, sizeof words);
    }
    for (; i < width; ++i) to[i] = PairOfBfloat16(from[i], whole ? from[ld + i] : 0.0f);
  }
}
// Packs columns 2p and 2p + 1 of [rows, depth] into column p of words.
inline void CopyAlong(int rows, int depth, const float* from, ptrdiff_t ld, uint32_t* to, ptrdiff_t ldto) {
  typedef uint64_t Wide __attribute__((vector_size(4 * EDGEFRONT_VEC_FLOATS)));
  typedef uint32_t Half __attribute__((vector_size(2 * EDGEFRONT_VEC_FLOATS)));
  for (int r = 0; r < rows; ++r, from += ld, to += ldto) {
    int p = 0;
    for (; p + kLanes <= depth; p += kLanes) {
      const Vu bits = RoundBits(Load(from + p));
      Wide two;  // little endian: the even column is the low half
      __builtin_memcpy(&two, &bits, sizeof two);
      const Half words = __builtin_convertvector(two >> 16 | two >> 32, Half);
      __builtin_memcpy(to + p / 2, &words, sizeof words);
    }
    for (; p < depth; p += 2) to[p / 2] = PairOfBfloat16(from[p], p + 1 < depth ? from[p + 1] : 0.0f);
  }
}
#endif

template <typename Element, bool kTransposed>
void GemmRounded(const Gemm& g) {
  constexpr int kPer = kDepthOf<Element>;
  constexpr int kBlock = kDepthBlock / kPer;
  constexpr ptrdiff_t lda = kTransposed ? kRoundedRows : kBlock + kPad;
  Element *a = reinterpret_cast<Element*>(g.scratch), *b = a + kRoundedRows * (kBlock + kPad);
  const int panels = g.n / kPad;
  const ptrdiff_t whole = static_cast<ptrdiff_t>(kPad) * ((g.depth + kPer - 1) / kPer);
  int p0 = 0;
  do {
    const int depth = g.depth - p0 < kDepthBlock ? g.depth - p0 : kDepthBlock, elements = (depth + kPer - 1) / kPer;
    for (int i = 0; i < g.m; i += kRoundedRows) {
      const int rows = g.m - i < kRoundedRows ? g.m - i : kRoundedRows;
      const float* from = g.a + i * g.a_row + p0 * g.a_depth;
      if (kTransposed) {
        CopyDown(depth, rows, from, g.a_depth, a, lda);
      } else {
        CopyAlong(rows, depth, from, g.a_row, a, lda);
      }
      for (int j = 0, count; j < panels; j += count) {
        count = panels - j < kTilePanels ? 1 : kTilePanels;
        const Element* at = b;
        ptrdiff_t panel = kBlock * kPad;
        if (g.packed) {
          at = reinterpret_cast<const Element*>(g.b) + j * whole + p0 / kPer * kPad;
          panel = whole;
        } else {
          for (int q = 0; q < count; ++q) {
            CopyDown(depth, kPad, g.b + (j + q) * g.b_panel + p0 * g.b_depth, g.b_depth, b + q * kBlock * kPad, kPad);
          }
        }
        float* c = g.c + i * g.ldc + j * kPad;
        const float* addend = p0 > 0 ? c : g.addend ? g.addend + i * g.ldc + j * kPad : nullptr;
        if (count == kTilePanels) {
          TileRows<kTilePanels, kTransposed>(rows, elements, a, lda, at, kPad, panel, addend, c, g.ldc);
        } else {
          TileRows<1, kTransposed>(rows, elements, a, lda, at, kPad, panel, addend, c, g.ldc);
        }
      }
    }
    p0 += kDepthBlock;
  } while (p0 < g.depth);
}

template <typename Element>
void RunGemmRounded(const Gemm& g) {
  if (g.a_depth == 1) {
    GemmRounded<Element, false>(g);
  } else {
    GemmRounded<Element, true>(g);
  }
}
