// The states of linear attention in training with a decay for each key channel, with or without the delta rule, token
// by token, on strips of 16 value channels. math.h has the formulas. Included only inside an ISA namespace, after
// delta_chunks-inl.h, which has the states with one decay for a head or none.

inline constexpr int kStripVectors = kPad / kLanes;

// A strip of 16 floats, kept in registers.
struct Strip {
  Vf v[kStripVectors];

  static Strip Of(const float* p) {
    Strip s;
    for (int j = 0; j < kStripVectors; ++j) s.v[j] = Load(p + j * kLanes);
    return s;
  }
  static Strip Zero() { return {}; }
  void To(float* p) const {
    for (int j = 0; j < kStripVectors; ++j) Store(p + j * kLanes, v[j]);
  }
  void Add(const Strip& a, const Strip& b) {  // += a * b
    for (int j = 0; j < kStripVectors; ++j) v[j] += a.v[j] * b.v[j];
  }
  void Add(const Strip& a, float b) {
    for (int j = 0; j < kStripVectors; ++j) v[j] += a.v[j] * b;
  }
  float Total() const {
    Vf all = v[0];
    for (int j = 1; j < kStripVectors; ++j) all += v[j];
    return Sum(all);
  }
};
inline Strip operator*(const Strip& a, float b) {
  Strip s;
  for (int j = 0; j < kStripVectors; ++j) s.v[j] = a.v[j] * b;
  return s;
}
inline Strip operator-(const Strip& a, const Strip& b) {
  Strip s;
  for (int j = 0; j < kStripVectors; ++j) s.v[j] = a.v[j] - b.v[j];
  return s;
}

inline float RateOf(const Delta& d, int t) { return d.rate != nullptr ? d.rate[t * d.ldh] : 1.0f; }

// Returns the part of the value that the decayed state does not know yet; without the delta rule the value itself.
inline Strip DeltaError(const Delta& d, int t, int strip, const float* state) {
  const Strip value = Strip::Of(d.v + t * d.ldv + strip * kPad);
  if (d.rate == nullptr) return value;
  const float *k = d.k + t * d.ldk, *decay = d.decay + t * d.ldd;
  Strip recalled = Strip::Zero();
  for (int i = 0; i < d.key_dim; ++i) recalled.Add(Strip::Of(state + i * kPad), decay[i] * k[i]);
  return value - recalled;
}

// Computes the state after token t, `next`, from the state before it. Both are [key_dim][16] and may be the
// same.
inline void DeltaNext(const Delta& d, int t, const Strip& error, const float* state, float* next) {
  const float *k = d.k + t * d.ldk, *decay = d.decay + t * d.ldd;
  const Strip change = error * RateOf(d, t);
  for (int i = 0; i < d.key_dim; ++i) {
    Strip s = Strip::Of(state + i * kPad) * decay[i];
    s.Add(change, k[i]);
    s.To(next + i * kPad);
  }
}

void RunDelta(const Delta& d) {
  if (!d.per_channel) return RunDeltaChunks(d);
  float* state = d.scratch;
  for (int strip = 0; strip < d.strips; ++strip) {
    for (int i = 0; i < d.key_dim * kPad; ++i) state[i] = 0.0f;
    for (int t = 0; t < d.length; ++t) {
      DeltaNext(d, t, DeltaError(d, t, strip, state), state, state);
      const float* q = d.q + t * d.ldk;
      Strip out = Strip::Zero();
      for (int i = 0; i < d.key_dim; ++i) out.Add(Strip::Of(state + i * kPad), q[i]);
      out.To(d.o + t * d.ldv + strip * kPad);
    }
  }
}

// One token of the backward pass. `state` is the state before the token. `ds` [key_dim][16] is the gradient
// of the state after the token, and becomes that of the state before the token.
inline void DeltaTokenGrad(const Delta& d, const DeltaGrad& g, int t, int strip, const float* state, float* ds) {
  const float *k = d.k + t * d.ldk, *q = d.q + t * d.ldk, *decay = d.decay + t * d.ldd, rate = RateOf(d, t);
  const Strip dout = Strip::Of(g.dout + t * d.ldv + strip * kPad), error = DeltaError(d, t, strip, state), change = error * rate;
  Strip dchange = Strip::Zero();
  for (int i = 0; i < d.key_dim; ++i) {
    Strip s = Strip::Of(ds + i * kPad);
    s.Add(dout, q[i]);
    s.To(ds + i * kPad);
    dchange.Add(s, k[i]);
  }
  const Strip dv = dchange * rate, recalled = d.rate != nullptr ? dv * -1.0f : Strip::Zero();
  dv.To(g.dv + t * d.ldv + strip * kPad);
  for (int i = 0; i < d.key_dim; ++i) {
    const Strip before = Strip::Of(state + i * kPad);
    Strip s = Strip::Of(ds + i * kPad), after = before * decay[i], to_key = Strip::Zero(), to_query = Strip::Zero(),
          to_decay = Strip::Zero();
    to_key.Add(s, change);
    to_key.Add(after, recalled);
    after.Add(change, k[i]);
    to_query.Add(after, dout);
    g.dk[t * d.ldk + i] += to_key.Total();
    g.dq[t * d.ldk + i] += to_query.Total();
    s.Add(recalled, k[i]);
    to_decay.Add(s, before);
    g.ddecay[t * d.ldd + i] += to_decay.Total();
    (s * decay[i]).To(ds + i * kPad);
  }
  if (d.rate == nullptr) return;
  Strip rates = Strip::Zero();
  rates.Add(dchange, error);
  g.drate[t * d.ldh] += rates.Total();
}

// The states before each token are computed again, from those at the starts of blocks of kDeltaStates tokens.
// Going back from the last state was rejected, because a decay near 0 loses the state before it.
void RunDeltaGrad(const Delta& d, const DeltaGrad& g) {
  if (!d.per_channel) return RunDeltaChunksGrad(d, g);
  const ptrdiff_t size = static_cast<ptrdiff_t>(d.key_dim) * kPad;
  const int blocks = (d.length + kDeltaStates - 1) / kDeltaStates;
  float *starts = d.scratch, *states = starts + blocks * size, *ds = states + kDeltaStates * size;
  for (int t = 0; t < d.length; ++t) {
    for (int i = 0; i < d.key_dim; ++i) g.ddecay[t * d.ldd + i] = 0.0f;
    if (d.rate != nullptr) g.drate[t * d.ldh] = 0.0f;
  }
  for (int strip = 0; strip < d.strips; ++strip) {
    for (ptrdiff_t i = 0; i < size; ++i) starts[i] = ds[i] = 0.0f;
    for (int t = 0; t < (blocks - 1) * kDeltaStates; ++t) {
      // The state runs through a block in the place of the next block's start.
      float *to = starts + (t / kDeltaStates + 1) * size, *from = t % kDeltaStates == 0 ? to - size : to;
      DeltaNext(d, t, DeltaError(d, t, strip, from), from, to);
    }
    for (int block = blocks - 1; block >= 0; --block) {
      const int first = block * kDeltaStates, count = d.length - first < kDeltaStates ? d.length - first : kDeltaStates;
      for (ptrdiff_t i = 0; i < size; ++i) states[i] = starts[block * size + i];
      for (int n = 0; n + 1 < count; ++n)
        DeltaNext(d, first + n, DeltaError(d, first + n, strip, states + n * size), states + n * size, states + (n + 1) * size);
      for (int n = count - 1; n >= 0; --n) DeltaTokenGrad(d, g, first + n, strip, states + n * size, ds);
    }
  }
}
