// Mamba-2's recurrence in training, forward and backward, token by token. math.h describes shapes. Included
// only inside an ISA namespace, after vec-inl.h.

// Computes `next` [states] = decay * state + in * b.
inline void SsmAdvance(int states, float decay, float in, const float* b, const float* state, float* next) {
  for (int i = 0; i < states; i += kLanes) Store(next + i, Load(state + i) * decay + in * Load(b + i));
}

// Channels are independent, so each runs over the whole sequence while its state stays in the L1 cache.
void RunSsm(const Ssm& s, float* y, ptrdiff_t ldy) {
  float* state = s.scratch;
  for (int p = 0; p < s.channels; ++p) {
    for (int i = 0; i < s.states; i += kLanes) Store(state + i, Vf{});
    for (int t = 0; t < s.length; ++t) {
      if (t % kSsmBlock == 0) {
        float* kept = s.kept + (static_cast<ptrdiff_t>(t / kSsmBlock) * s.channels + p) * s.states;
        for (int i = 0; i < s.states; i += kLanes) Store(kept + i, Load(state + i));
      }
      const float x = s.x[t * s.ldx + p], *b = s.b + t * s.ldb, *c = s.c + t * s.ldb;
      SsmAdvance(s.states, s.decay[t], s.dt[t] * x, b, state, state);
      Vf sum = Vf{};
      for (int i = 0; i < s.states; i += kLanes) sum += Load(state + i) * Load(c + i);
      y[t * ldy + p] = s.d * x + Sum(sum);
    }
  }
}

// Backward through tokens [t0, t0 + count) of channel p, whose states before and after each token lie in
// `states`. ds [states] is the gradient of the state after the last of them, and becomes that of the state
// before the first.
inline float SsmBlockGrad(const Ssm& s, const SsmGrad& g, int p, int t0, int count, const float* states, float* ds) {
  float dd = 0;
  for (int k = count; k-- > 0;) {
    const int t = t0 + k;
    const float x = s.x[t * s.ldx + p], dy = g.dy[t * g.ldy + p], in = s.dt[t] * x, decay = s.decay[t];
    const float *b = s.b + t * s.ldb, *c = s.c + t * s.ldb;
    const float *before = states + static_cast<ptrdiff_t>(k) * s.states, *after = before + s.states;
    float *db = g.db + t * s.ldb, *dc = g.dc + t * s.ldb;
    Vf din = Vf{}, ddecay = Vf{};
    for (int i = 0; i < s.states; i += kLanes) {
      const Vf d = Load(ds + i) + dy * Load(c + i);
      Store(dc + i, Load(dc + i) + dy * Load(after + i));
      Store(db + i, Load(db + i) + in * d);
      din += d * Load(b + i);
      ddecay += d * Load(before + i);
      Store(ds + i, d * decay);
    }
    const float d_in = Sum(din);
    g.dx[t * s.ldx + p] = s.d * dy + s.dt[t] * d_in;
    g.ddt[t] += x * d_in;
    g.dlog[t] += decay * Sum(ddecay);
    dd += dy * x;
  }
  return dd;
}

float RunSsmGrad(const Ssm& s, const SsmGrad& g) {
  float *ds = s.scratch, *states = s.scratch + s.states, dd = 0;
  for (int p = 0; p < s.channels; ++p) {
    for (int i = 0; i < s.states; i += kLanes) Store(ds + i, Vf{});
    for (int block = (s.length - 1) / kSsmBlock; block >= 0; --block) {
      const int t0 = block * kSsmBlock, count = s.length - t0 < kSsmBlock ? s.length - t0 : kSsmBlock;
      const float* kept = s.kept + (static_cast<ptrdiff_t>(block) * s.channels + p) * s.states;
      for (int i = 0; i < s.states; i += kLanes) Store(states + i, Load(kept + i));
      for (int k = 0; k < count; ++k) {
        const int t = t0 + k;
        float* at = states + static_cast<ptrdiff_t>(k) * s.states;
        SsmAdvance(s.states, s.decay[t], s.dt[t] * s.x[t * s.ldx + p], s.b + t * s.ldb, at, at + s.states);
      }
      dd += SsmBlockGrad(s, g, p, t0, count, states, ds);
    }
  }
  return dd;
}
