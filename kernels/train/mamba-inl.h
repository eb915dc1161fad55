// Mamba's recurrence in training, forward and backward. math.h has the formulas. A vector of channels runs
// through the whole sequence, one state element after another. Included only inside an ISA namespace, after
// vec-inl.h.

void RunMamba(const MambaScan& m, float* y) {
  for (int i = 0; i < m.width; i += kLanes) {
    const Vf bias = Load(m.dt_bias + i), skip = Load(m.skip + i);
    for (int t = 0; t < m.length; ++t) {
      Store(m.dt + t * m.ld + i, Softplus(Load(m.raw + t * m.ld + i) + bias));
      Store(y + t * m.ld + i, skip * Load(m.x + t * m.ldx + i));
    }
    for (int n = 0; n < m.states; ++n) {
      const Vf a = Load(m.a + static_cast<ptrdiff_t>(n) * m.width + i);
      Vf s = Vf{};
      for (int t = 0; t < m.length; ++t) {
        const Vf dt = Load(m.dt + t * m.ld + i);
        float* out = y + t * m.ld + i;
        s = Exp(a * dt) * s + dt * Load(m.x + t * m.ldx + i) * m.b[t * m.ldb + n];
        Store(out, Load(out) + s * m.c[t * m.ldb + n]);
      }
    }
  }
}

// Backward through state element `n` of the channels from `i`. states: [length + 1] vectors, the first zero;
// decays: [length] vectors. draw holds the gradient of dt.
inline void MambaStateGrad(const MambaScan& m, const MambaGrad& g, int n, int i, float* states, float* decays) {
  const ptrdiff_t at = static_cast<ptrdiff_t>(n) * m.width + i;
  const Vf a = Load(m.a + at);
  Vf s = Vf{};
  for (int t = 0; t < m.length; ++t) {
    const Vf dt = Load(m.dt + t * m.ld + i), decay = Exp(a * dt);
    s = decay * s + dt * Load(m.x + t * m.ldx + i) * m.b[t * m.ldb + n];
    Store(decays + t * kLanes, decay);
    Store(states + (t + 1) * kLanes, s);
  }
  Vf ds = Vf{}, da = Vf{};
  for (int t = m.length; t-- > 0;) {
    const Vf dy = Load(g.dy + t * m.ld + i), dt = Load(m.dt + t * m.ld + i), x = Load(m.x + t * m.ldx + i);
    const float b = m.b[t * m.ldb + n], c = m.c[t * m.ldb + n];
    float *dx = g.dx + t * m.ldx + i, *ddt = g.draw + t * m.ld + i;
    ds += c * dy;
    g.dc[t * m.ldb + n] += Sum(dy * Load(states + (t + 1) * kLanes));
    g.db[t * m.ldb + n] += Sum(ds * dt * x);
    Store(dx, Load(dx) + ds * dt * b);
    const Vf kept = ds * Load(decays + t * kLanes), dlog = kept * Load(states + t * kLanes);
    Store(ddt, Load(ddt) + ds * x * b + dlog * a);
    da += dlog * dt;
    ds = kept;
  }
  Store(g.a + at, Load(g.a + at) + da);
}

void RunMambaGrad(const MambaScan& m, const MambaGrad& g) {
  float *states = m.scratch, *decays = m.scratch + static_cast<ptrdiff_t>(m.length + 1) * kLanes;
  Store(states, Vf{});
  for (int i = 0; i < m.width; i += kLanes) {
    const Vf bias = Load(m.dt_bias + i), skip = Load(m.skip + i);
    Vf dskip = Vf{}, dbias = Vf{};
    for (int t = 0; t < m.length; ++t) {
      const Vf dy = Load(g.dy + t * m.ld + i);
      Store(g.dx + t * m.ldx + i, skip * dy);
      Store(g.draw + t * m.ld + i, Vf{});
      dskip += dy * Load(m.x + t * m.ldx + i);
    }
    for (int n = 0; n < m.states; ++n) MambaStateGrad(m, g, n, i, states, decays);
    for (int t = 0; t < m.length; ++t) {
      float* draw = g.draw + t * m.ld + i;
      const Vf d = Load(draw) / (1.0f + Exp(-Load(m.raw + t * m.ld + i) - bias));
      Store(draw, d);
      dbias += d;
    }
    Store(g.skip + i, Load(g.skip + i) + dskip);
    Store(g.dt_bias + i, Load(g.dt_bias + i) + dbias);
  }
}
