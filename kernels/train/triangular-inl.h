// Products and solutions with lower triangular matrices [tokens, tokens], for linear attention in chunks. Row t of a
// matrix has values up to column PadUp(t + 1). Included only inside an ISA namespace, after gemm-inl.h.

// Computes m[t][s] = a_t b_s, with b [tokens, depth] as panels of positions.
inline void LowerProduct(int tokens, int depth, const float* a, ptrdiff_t lda, const float* panels, float* m, ptrdiff_t ld) {
  for (int t = 0; t < tokens; t += kPad) {
    const int rows = tokens - t < kPad ? tokens - t : kPad;
    RunGemm({rows, t + kPad, depth, a + t * lda, lda, 1, panels, kPad, static_cast<ptrdiff_t>(kPad) * depth, nullptr, m + t * ld, ld});
  }
}

// Adds m x to y, both [tokens, width].
inline void AddLower(int tokens, int width, const float* m, ptrdiff_t ld, const float* x, ptrdiff_t ldx, float* y, ptrdiff_t ldy) {
  for (int t = 0; t < tokens; t += kPad) {
    const int rows = tokens - t < kPad ? tokens - t : kPad;
    float* to = y + t * ldy;
    RunGemm({rows, width, t + rows, m + t * ld, ld, 1, x, ldx, kPad, to, to, ldy});
  }
}

// Adds m^T x to y, both [tokens, width].
inline void AddTransposed(int tokens, int width, const float* m, ptrdiff_t ld, const float* x, ptrdiff_t ldx, float* y, ptrdiff_t ldy) {
  for (int s = 0; s < tokens; s += kPad) {
    const int rows = tokens - s < kPad ? tokens - s : kPad;
    float* to = y + s * ldy;
    RunGemm({rows, width, tokens - s, m + s * ld + s, 1, ld, x + s * ldx, ldx, kPad, to, to, ldy});
  }
}

// Computes y_t = factor[t step] x_t. y may be x.
inline void ScaleRows(int rows, int width, const float* x, ptrdiff_t ldx, const float* factor, ptrdiff_t step, float* y, ptrdiff_t ldy) {
  for (int t = 0; t < rows; ++t) {
    const float f = factor[t * step];
    for (int i = 0; i < width; i += kLanes) Store(y + t * ldy + i, Load(x + t * ldx + i) * f);
  }
}

inline float DotRow(int width, const float* a, const float* b) {
  Vf sum = Vf{};
  for (int i = 0; i < width; i += kLanes) sum += Load(a + i) * Load(b + i);
  return Sum(sum);
}

// Turns e [tokens, width] from v - G S^T k into the errors e = e + known u, and computes u = rate e.
inline void SolveErrors(int tokens, int width, const float* known, ptrdiff_t ld, const float* rate, ptrdiff_t ldh, float* e, ptrdiff_t lde,
                        float* u, ptrdiff_t ldu) {
  for (int first = 0; first < tokens; first += kPad) {
    const int end = first + kPad < tokens ? first + kPad : tokens;
    float* to = e + first * lde;
    if (first > 0) RunGemm({end - first, width, first, known + first * ld, ld, 1, u, ldu, kPad, to, to, lde});
    for (int i = 0; i < width; i += kLanes) {
      for (int t = first; t < end; ++t) {
        Vf sum = Load(e + t * lde + i);
        for (int s = first; s < t; ++s) sum += known[t * ld + s] * Load(u + s * ldu + i);
        Store(e + t * lde + i, sum);
        Store(u + t * ldu + i, sum * rate[t * ldh]);
      }
    }
  }
}

// Turns g [tokens, width] from the gradient of u into that of rate e, g = g + known^T de, and computes de = rate g,
// from the last token back.
inline void SolveErrorsGrad(int tokens, int width, const float* known, ptrdiff_t ld, const float* rate, ptrdiff_t ldh, float* g,
                            ptrdiff_t ldg, float* de, ptrdiff_t lde) {
  for (int first = (tokens - 1) / kPad * kPad; first >= 0; first -= kPad) {
    const int end = first + kPad < tokens ? first + kPad : tokens;
    float* to = g + first * ldg;
    if (end < tokens) RunGemm({end - first, width, tokens - end, known + end * ld + first, 1, ld, de + end * lde, lde, kPad, to, to, ldg});
    for (int i = 0; i < width; i += kLanes) {
      for (int t = end - 1; t >= first; --t) {
        Vf sum = Load(g + t * ldg + i);
        for (int s = end - 1; s > t; --s) sum += known[s * ld + t] * Load(de + s * lde + i);
        Store(g + t * ldg + i, sum);
        Store(de + t * lde + i, sum * rate[t * ldh]);
      }
    }
  }
}
