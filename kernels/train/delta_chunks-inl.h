// The states of linear attention in training, with one decay for each head or none, with or without the delta rule,
// as matrix products over chunks of tokens (arXiv 2405.21060, arXiv 2406.06484, arXiv 2412.06464). math.h has the
// formulas. Included only inside an ISA namespace, after triangular-inl.h and attention-inl.h.
//
// With S the state before a chunk, L[t][s] the product of the decays after s up to t, and G[t] that of all up to t:
//   error_t = v_t - G[t] S^T k_t - sum_{s<t} L[t][s] (k_t k_s) u_s, u = rate error; without the delta rule u = v
//   o_t = G[t] S^T q_t + sum_{s<=t} L[t][s] (q_t k_s) u_s
// Products of decays are never divided or taken as logarithms, so decays may be 0.

// One chunk of the heads that share keys, and its working memory.
struct DeltaChunk {
  const Delta& d;
  const DeltaGrad* g;    // null in the forward pass
  int first, tokens;     // of the sequence
  int keys, values;      // widths, padded
  ptrdiff_t ld, size;    // stride of [tokens, tokens]; floats of a state [keys, values]
  const float *q, *k;    // of the first token
  float *qk, *known_kk;  // q_t k_s and -k_t k_s for s < t
  float *dqk, *dkk;      // gradients, summed over heads; dkk is that of k_t k_s
  // Of one head: L; L times the products of keys; gradients of these two; G and its gradient.
  float *between, *reads, *known, *dreads, *dknown, *total, *dtotal, *dlast, *sums;
  float *u, *du, *scaled;  // [tokens, values]
  float *y, *panels;       // [tokens, keys]; an operand as panels of positions
  float* dstates;          // [heads, keys, values]: gradients of the states after the chunk

  DeltaChunk(const Delta& delta, const DeltaGrad* gradient, int block)
      : d(delta), g(gradient), keys(PadUp(d.key_dim)), values(d.strips * kPad), ld(DeltaBlock(d.key_dim)) {
    first = block * static_cast<int>(ld);
    tokens = d.length - first < ld ? d.length - first : static_cast<int>(ld);
    size = static_cast<ptrdiff_t>(keys) * values;
    q = d.q + first * d.ldk;
    k = d.k + first * d.ldk;
    float** const matrices[] = {&qk, &known_kk, &dqk, &dkk, &between, &reads, &known, &dreads, &dknown};
    float** const vectors[] = {&total, &dtotal, &dlast, &sums};
    float** const rows[] = {&u, &du, &scaled};
    float* at = d.scratch;
    const auto take = [&](float** part, ptrdiff_t floats) {
      *part = at;
      at += floats;
    };
    for (float** matrix : matrices) take(matrix, ld * ld);
    for (float** vector : vectors) take(vector, ld);
    for (float** row : rows) take(row, ld * values);
    y = at;
    dstates = y + ld * keys;
    panels = dstates + d.heads * size;
  }
  // The offset of a head's values at the first token.
  ptrdiff_t ValuesOf(int head) const { return first * d.ldv + static_cast<ptrdiff_t>(head) * values; }
  // The state of a head before the chunk.
  float* StateOf(int head) const { return d.kept + (first / ld * d.heads + head) * size; }
  const float* RatesOf(int head) const { return d.rate + first * d.ldh + head; }
  float DecayOf(int t, int head) const { return d.decay != nullptr ? d.decay[(first + t) * d.ldd + head] : 1.0f; }
  bool corrects() const { return d.rate != nullptr; }
  const float* last() const { return between + (tokens - 1) * ld; }  // decays from each token to the last

  void MultiplyKeys() const {
    PackPositions(tokens, d.key_dim, k, d.ldk, panels);
    LowerProduct(tokens, d.key_dim, q, d.ldk, panels, qk, ld);
    if (!corrects()) return;
    LowerProduct(tokens, d.key_dim, k, d.ldk, panels, known_kk, ld);
    for (int t = 0; t < tokens; ++t) {
      float* row = known_kk + t * ld;
      for (int i = 0; i < PadUp(t + 1); i += kLanes) Store(row + i, -Load(row + i));
      row[t] = 0.0f;
    }
  }

  void MultiplyDecays(int head) const {
    float reach = 1.0f;
    for (int t = 0; t < tokens; ++t) {
      float* row = between + t * ld;
      const float decay = DecayOf(t, head);
      for (int i = 0; i < PadUp(t); i += kLanes) Store(row + i, Load(row - ld + i) * decay);
      for (int i = PadUp(t); i < PadUp(t + 1); i += kLanes) Store(row + i, Vf{});
      row[t] = 1.0f;
      total[t] = reach *= decay;
      for (int i = 0; i < PadUp(t + 1); i += kLanes) {
        Store(reads + t * ld + i, Load(row + i) * Load(qk + t * ld + i));
        if (corrects()) Store(known + t * ld + i, Load(row + i) * Load(known_kk + t * ld + i));
      }
    }
  }
};

// Computes the outputs of one head, and its state after the chunk in `next`, unless that is null.
inline void DeltaChunkHead(const DeltaChunk& c, int head, float* next) {
  const Delta& d = c.d;
  const ptrdiff_t at = c.ValuesOf(head);
  const float *state = c.StateOf(head), *u = d.v + at;
  ptrdiff_t ldu = d.ldv;
  float* o = d.o + at;
  c.MultiplyDecays(head);
  if (c.corrects()) {
    float* error = d.error + at;
    RunGemm({c.tokens, c.values, d.key_dim, c.k, d.ldk, 1, state, c.values, kPad, nullptr, error, d.ldv});
    for (int t = 0; t < c.tokens; ++t) {
      for (ptrdiff_t i = t * d.ldv; i < t * d.ldv + c.values; i += kLanes) Store(error + i, Load(u + i) - Load(error + i) * c.total[t]);
    }
    SolveErrors(c.tokens, c.values, c.known, c.ld, c.RatesOf(head), d.ldh, error, d.ldv, c.u, c.values);
    u = c.u;
    ldu = c.values;
  }
  RunGemm({c.tokens, c.values, d.key_dim, c.q, d.ldk, 1, state, c.values, kPad, nullptr, o, d.ldv});
  ScaleRows(c.tokens, c.values, o, d.ldv, c.total, 1, o, d.ldv);
  AddLower(c.tokens, c.values, c.reads, c.ld, u, ldu, o, d.ldv);
  if (next == nullptr) return;
  ScaleRows(1, static_cast<int>(c.size), state, 0, c.total + c.tokens - 1, 0, next, 0);
  ScaleRows(c.tokens, c.values, u, ldu, c.last(), 1, c.scaled, c.values);
  RunGemm({d.key_dim, c.values, c.tokens, c.k, 1, d.ldk, c.scaled, c.values, kPad, next, next, c.values});
}

// Adds to the gradients of q k and k k, and turns `dreads` into the gradient of L below the diagonal.
inline void DeltaProductsGrad(const DeltaChunk& c) {
  for (int t = 0; t < c.tokens; ++t) {
    const ptrdiff_t row = t * c.ld;
    for (ptrdiff_t i = row; i < row + PadUp(t + 1); i += kLanes) {
      const Vf decays = Load(c.between + i), dreads = Load(c.dreads + i);
      Store(c.dqk + i, Load(c.dqk + i) + dreads * decays);
      Vf dbetween = dreads * Load(c.qk + i);
      if (c.corrects()) {
        const Vf dknown = Load(c.dknown + i);
        Store(c.dkk + i, Load(c.dkk + i) - dknown * decays);
        dbetween += dknown * Load(c.known_kk + i);
      }
      Store(c.dreads + i, dbetween);
    }
    c.dkk[row + t] = 0.0f;
    for (int i = t; i < PadUp(t + 1); ++i) c.dreads[row + i] = 0.0f;
  }
}

// Adds the parts of a head's reads and writes of its state to the gradients of q, k, G and of the decays to the last
// token, and turns the gradient of the state after the chunk into that of the state before it.
inline void DeltaStateGrad(const DeltaChunk& c, int head, const float* u, ptrdiff_t ldu) {
  const Delta& d = c.d;
  const ptrdiff_t at = c.ValuesOf(head), panel = static_cast<ptrdiff_t>(kPad) * c.values;
  const float *state = c.StateOf(head), *dout = c.g->dout + at, *dv = c.g->dv + at;
  float *dq = c.g->dq + c.first * d.ldk, *dk = c.g->dk + c.first * d.ldk, *dstate = c.dstates + head * c.size;
  ScaleRows(c.tokens, c.values, u, ldu, c.last(), 1, c.scaled, c.values);
  PackPositions(d.key_dim, c.values, dstate, c.values, c.panels);
  RunGemm({c.tokens, c.keys, c.values, c.scaled, c.values, 1, c.panels, kPad, panel, dk, dk, d.ldk});

  PackPositions(d.key_dim, c.values, state, c.values, c.panels);
  const auto reads = [&](const float* by, float sign, const float* x, float* dx) {
    RunGemm({c.tokens, c.keys, c.values, by, d.ldv, 1, c.panels, kPad, panel, nullptr, c.y, c.keys});
    for (int t = 0; t < c.tokens; ++t) {
      const float *row = c.y + static_cast<ptrdiff_t>(t) * c.keys, factor = sign * c.total[t];
      c.dtotal[t] += sign * DotRow(c.keys, x + t * d.ldk, row);
      for (int i = 0; i < c.keys; i += kLanes) Store(dx + t * d.ldk + i, Load(dx + t * d.ldk + i) + Load(row + i) * factor);
      for (int i = 0; i < c.values; i += kLanes)
        Store(c.scaled + static_cast<ptrdiff_t>(t) * c.values + i, Load(by + t * d.ldv + i) * factor);
    }
    RunGemm({d.key_dim, c.values, c.tokens, x, 1, d.ldk, c.scaled, c.values, kPad, dstate, dstate, c.values});
  };
  c.dtotal[c.tokens - 1] += DotRow(static_cast<int>(c.size), dstate, state);
  ScaleRows(1, static_cast<int>(c.size), dstate, 0, c.total + c.tokens - 1, 0, dstate, 0);
  reads(dout, 1.0f, c.q, dq);
  if (c.corrects()) reads(dv, -1.0f, c.k, dk);
}

// Computes the gradients of a head's decays from those of L and G.
inline void DeltaDecaysGrad(const DeltaChunk& c, int head) {
  float *dlast = c.dreads + (c.tokens - 1) * c.ld, reach = 0.0f;
  for (int s = 0; s + 1 < c.tokens; ++s) dlast[s] += c.dlast[s];
  for (int i = 0; i < c.ld; i += kLanes) Store(c.sums + i, Vf{});
  for (int t = c.tokens - 1; t >= 0; --t) {
    const float decay = c.DecayOf(t, head), *dbetween = c.dreads + t * c.ld, *before = c.between + (t - 1) * c.ld;
    Vf sum = Vf{};
    for (int i = 0; i < PadUp(t); i += kLanes) {
      const Vf all = Load(c.sums + i) + Load(dbetween + i);
      sum += all * Load(before + i);
      Store(c.sums + i, all * decay);
    }
    reach += c.dtotal[t];
    c.g->ddecay[(c.first + t) * c.d.ldd + head] = Sum(sum) + reach * (t > 0 ? c.total[t - 1] : 1.0f);
    reach *= decay;
  }
}

// The backward pass of one head.
inline void DeltaChunkHeadGrad(const DeltaChunk& c, int head) {
  const Delta& d = c.d;
  const ptrdiff_t at = c.ValuesOf(head);
  const float *dout = c.g->dout + at, *u = d.v + at;
  float *dv = c.g->dv + at, *du = dv;
  ptrdiff_t ldu = d.ldv, lddu = d.ldv;
  c.MultiplyDecays(head);
  if (c.corrects()) {
    ScaleRows(c.tokens, c.values, d.error + at, d.ldv, c.RatesOf(head), d.ldh, c.u, c.values);
    u = c.u;
    du = c.du;
    ldu = lddu = c.values;
  }
  RunGemm({c.tokens, c.values, d.key_dim, c.k, d.ldk, 1, c.dstates + head * c.size, c.values, kPad, nullptr, du, lddu});
  for (int t = 0; t < c.tokens; ++t) {
    c.dlast[t] = DotRow(c.values, u + t * ldu, du + t * lddu);
    c.dtotal[t] = 0.0f;
  }
  ScaleRows(c.tokens, c.values, du, lddu, c.last(), 1, du, lddu);
  AddTransposed(c.tokens, c.values, c.reads, c.ld, dout, d.ldv, du, lddu);
  PackPositions(c.tokens, c.values, u, ldu, c.panels);
  LowerProduct(c.tokens, c.values, dout, d.ldv, c.panels, c.dreads, c.ld);
  if (c.corrects()) {
    SolveErrorsGrad(c.tokens, c.values, c.known, c.ld, c.RatesOf(head), d.ldh, du, lddu, dv, d.ldv);
    for (int t = 0; t < c.tokens; ++t) c.g->drate[(c.first + t) * d.ldh + head] = DotRow(c.values, d.error + at + t * d.ldv, du + t * lddu);
    LowerProduct(c.tokens, c.values, dv, d.ldv, c.panels, c.dknown, c.ld);
  }
  DeltaProductsGrad(c);
  DeltaStateGrad(c, head, u, ldu);
  if (d.decay != nullptr) DeltaDecaysGrad(c, head);
}

void RunDeltaChunks(const Delta& d) {
  const int block = DeltaBlock(d.key_dim), blocks = (d.length + block - 1) / block;
  for (int b = 0; b < blocks; ++b) {
    const DeltaChunk c(d, nullptr, b);
    c.MultiplyKeys();
    for (int head = 0; head < d.heads; ++head) {
      if (b == 0) {
        for (ptrdiff_t i = 0; i < c.size; i += kLanes) Store(c.StateOf(head) + i, Vf{});
      }
      DeltaChunkHead(c, head, b + 1 < blocks ? c.StateOf(d.heads + head) : nullptr);
    }
  }
}

void RunDeltaChunksGrad(const Delta& d, const DeltaGrad& g) {
  const int block = DeltaBlock(d.key_dim), blocks = (d.length + block - 1) / block;
  for (int b = blocks - 1; b >= 0; --b) {
    const DeltaChunk c(d, &g, b);
    if (b == blocks - 1) {
      for (ptrdiff_t i = 0; i < d.heads * c.size; i += kLanes) Store(c.dstates + i, Vf{});
    }
    c.MultiplyKeys();
    for (ptrdiff_t i = 0; i < c.ld * c.ld; i += kLanes) {
      Store(c.dqk + i, Vf{});
      Store(c.dkk + i, Vf{});
    }
    for (int head = 0; head < d.heads; ++head) DeltaChunkHeadGrad(c, head);
    float *dq = g.dq + c.first * d.ldk, *dk = g.dk + c.first * d.ldk;
    AddLower(c.tokens, c.keys, c.dqk, c.ld, c.k, d.ldk, dq, d.ldk);
    AddTransposed(c.tokens, c.keys, c.dqk, c.ld, c.q, d.ldk, dk, d.ldk);
    if (d.rate == nullptr) continue;
    AddLower(c.tokens, c.keys, c.dkk, c.ld, c.k, d.ldk, dk, d.ldk);
    AddTransposed(c.tokens, c.keys, c.dkk, c.ld, c.k, d.ldk, dk, d.ldk);
  }
}
