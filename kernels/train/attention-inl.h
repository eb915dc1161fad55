// Causal (optionally windowed) grouped-query attention of one sequence, in tiles of kQueryTile queries.
// Scores exist for one tile at a time, never T x T. The backward pass recomputes them from the saved
// log-sum-exp (FlashAttention, Dao et al. 2022). Included only inside an ISA namespace, after gemm-inl.h.

// Packs x [length, hd] into panels of 16 positions, with zeros past the end:
//   out[(t / 16) * 16 * hd + i * 16 + t % 16] = x[t][i]
inline void PackPositions(int length, int hd, const float* x, ptrdiff_t ld, float* out) {
  for (int t0 = 0; t0 < length; t0 += kPad, out += kPad * hd) {
    for (int j = 0; j < kPad; ++j) {
      const float* row = x + (t0 + j) * ld;
      for (int i = 0; i < hd; ++i) out[i * kPad + j] = t0 + j < length ? row[i] : 0.0f;
    }
  }
}

// The keys that a tile of queries [q0, q1) may see, widened to whole panels.
struct KeyRange {
  int first, last;  // `last` is padded to a panel; `depth` is not
  int depth;
};
inline KeyRange KeysOf(const Attention& a, int q0, int q1) {
  KeyRange r;
  const int lowest = a.window > 0 && q0 - a.window + 1 > 0 ? q0 - a.window + 1 : 0;
  r.first = lowest / kPad * kPad;
  r.last = PadUp(q1);
  r.depth = (r.last < a.length ? r.last : a.length) - r.first;
  return r;
}

// Turns the scores s of row `query` over keys [first, last) into exp(s * scale - lse), and 0 for keys that
// the row may not see. With row_max, ignores `lse`, divides by the sum, and returns the log-sum-exp.
inline float MaskedExp(const Attention& a, int query, const KeyRange& keys, float* s, bool row_max, float lse) {
  const int width = keys.last - keys.first;
  const int end = query + 1 - keys.first;
  const int begin = a.window > 0 && query - a.window + 1 > keys.first ? query - a.window + 1 - keys.first : 0;
  for (int i = 0; i < begin; ++i) s[i] = -1e30f;
  for (int i = end; i < width; ++i) s[i] = -1e30f;
  float offset = lse;
  if (row_max) {
    Vf top = Load(s);
    for (int i = kLanes; i < width; i += kLanes) top = Maximum(top, Load(s + i));
    offset = Max(top) * a.scale;
  }
  Vf total = Vf{};
  for (int i = 0; i < width; i += kLanes) {
    const Vf e = Exp(Load(s + i) * a.scale - offset);
    Store(s + i, e);
  }
  for (int i = 0; i < begin; ++i) s[i] = 0.0f;
  for (int i = end; i < width; ++i) s[i] = 0.0f;
  if (!row_max) return 0.0f;
  for (int i = 0; i < width; i += kLanes) total += Load(s + i);
  const float sum = Sum(total), inverse = 1.0f / sum;
  for (int i = 0; i < width; i += kLanes) Store(s + i, Load(s + i) * inverse);
  return __builtin_logf(sum) + offset;
}

void RunAttention(const Attention& a) {
  const int group = a.heads / a.kv_heads;
  float* kt = a.scratch;
  float* s = kt + static_cast<ptrdiff_t>(PadUp(a.length)) * a.hd;
  for (int kv = 0; kv < a.kv_heads; ++kv) {
    const float* v = a.v + kv * a.hd;
    PackPositions(a.length, a.hd, a.k + kv * a.hd, a.ldkv, kt);
    for (int h = kv * group; h < (kv + 1) * group; ++h) {
      for (int q0 = 0; q0 < a.length; q0 += kQueryTile) {
        const int rows = a.length - q0 < kQueryTile ? a.length - q0 : kQueryTile;
        const KeyRange keys = KeysOf(a, q0, q0 + rows);
        const int width = keys.last - keys.first;
        const float* q = a.q + q0 * a.ldq + h * a.hd;
        RunGemm({rows, width, a.hd, q, a.ldq, 1, kt + keys.first * a.hd, kPad, static_cast<ptrdiff_t>(kPad) * a.hd, nullptr, s, width});
        for (int r = 0; r < rows; ++r) {
          a.lse[h * a.length + q0 + r] = MaskedExp(a, q0 + r, keys, s + static_cast<ptrdiff_t>(r) * width, true, 0.0f);
        }
        RunGemm({rows, a.hd, keys.depth, s, width, 1, v + keys.first * a.ldkv, a.ldkv, kPad, nullptr, a.o + q0 * a.ldq + h * a.hd, a.ldq});
      }
    }
  }
}

// P = softmax(scale Q K^T), dP = dO V^T, dS = P (dP - rowsum(dO O)) scale.
//   dQ = dS K, dK = dS^T Q, dV = P^T dO.
void RunAttentionGrad(const Attention& a, const AttentionGrad& g) {
  const int group = a.heads / a.kv_heads;
  const ptrdiff_t packed = static_cast<ptrdiff_t>(PadUp(a.length)) * a.hd;
  float* kt = a.scratch;
  float* vt = kt + packed;
  float* p = vt + packed;
  float* ds = p + static_cast<ptrdiff_t>(PadUp(a.length)) * kQueryTile;
  for (int t = 0; t < a.length; ++t) {
    for (int i = 0; i < a.kv_heads * a.hd; i += kLanes) {
      Store(g.dk + t * a.ldkv + i, Vf{});
      Store(g.dv + t * a.ldkv + i, Vf{});
    }
  }
  for (int kv = 0; kv < a.kv_heads; ++kv) {
    const float* k = a.k + kv * a.hd;
    PackPositions(a.length, a.hd, k, a.ldkv, kt);
    PackPositions(a.length, a.hd, a.v + kv * a.hd, a.ldkv, vt);
    for (int h = kv * group; h < (kv + 1) * group; ++h) {
      for (int q0 = 0; q0 < a.length; q0 += kQueryTile) {
        const int rows = a.length - q0 < kQueryTile ? a.length - q0 : kQueryTile;
        const KeyRange keys = KeysOf(a, q0, q0 + rows);
        const int width = keys.last - keys.first;
        const ptrdiff_t at = q0 * a.ldq + h * a.hd, panel = static_cast<ptrdiff_t>(kPad) * a.hd;
        RunGemm({rows, width, a.hd, a.q + at, a.ldq, 1, kt + keys.first * a.hd, kPad, panel, nullptr, p, width});
        RunGemm({rows, width, a.hd, g.dout + at, a.ldq, 1, vt + keys.first * a.hd, kPad, panel, nullptr, ds, width});
        for (int r = 0; r < rows; ++r) {
          float* pr = p + static_cast<ptrdiff_t>(r) * width;
          float* dr = ds + static_cast<ptrdiff_t>(r) * width;
          MaskedExp(a, q0 + r, keys, pr, false, a.lse[h * a.length + q0 + r]);
          Vf dots = Vf{};
          for (int i = 0; i < a.hd; i += kLanes) dots += Load(g.dout + at + r * a.ldq + i) * Load(a.o + at + r * a.ldq + i);
          const float delta = Sum(dots);
          for (int i = 0; i < width; i += kLanes) Store(dr + i, Load(pr + i) * (Load(dr + i) - delta) * a.scale);
        }
        const ptrdiff_t kv_at = keys.first * a.ldkv + kv * a.hd;
        RunGemm({rows, a.hd, keys.depth, ds, width, 1, a.k + kv_at, a.ldkv, kPad, nullptr, g.dq + at, a.ldq});
        RunGemm({keys.depth, a.hd, rows, ds, 1, width, a.q + at, a.ldq, kPad, g.dk + kv_at, g.dk + kv_at, a.ldkv});
        RunGemm({keys.depth, a.hd, rows, p, 1, width, g.dout + at, a.ldq, kPad, g.dv + kv_at, g.dv + kv_at, a.ldkv});
      }
    }
  }
}
