// A bank of complex modes in training, forward and backward. math.h has the formulas. A vector of channels
// runs through the whole sequence, mode by mode. Included only inside an ISA namespace, after vec-inl.h.

inline Vf Tanh(Vf x) { return 1.0f - 2.0f / (1.0f + Exp(2.0f * x)); }

// The weights of one mode, for a vector of channels.
struct Mode {
  Vf ar, ai, cr, ci, br, bi;

  Mode(const ModalBank& m, ptrdiff_t at) : ar(Load(m.a_re + at)), ai(Load(m.a_im + at)), cr(Load(m.c_re + at)), ci(Load(m.c_im + at)) {
    br = m.liquid() ? Load(m.b_re + at) : Vf{};
    bi = m.liquid() ? Load(m.b_im + at) : Vf{};
  }
};

// Computes the state after a token from the state before it.
template <bool liquid>
inline void AdvanceMode(const Mode& m, Vf u, Vf& sr, Vf& si) {
  const Vf fr = liquid ? m.ar + m.br * u : m.ar, fi = liquid ? m.ai + m.bi * u : m.ai, before = sr;
  sr = fr * before - fi * si + (liquid ? m.br * u : u);
  si = fr * si + fi * before;
  if (liquid) si += m.bi * u;
}

template <bool liquid>
inline void ModalForward(const ModalBank& m, float* y) {
  for (int i = 0; i < m.width; i += kLanes) {
    const Vf skip = Load(m.skip + i);
    for (int t = 0; t < m.length; ++t) {
      float* u = m.u + t * m.ld + i;
      if (liquid) Store(u, Tanh(Load(u)));
      Store(y + t * m.ld + i, skip * Load(u));
    }
    for (int k = 0; k < m.modes; ++k) {
      const Mode mode(m, static_cast<ptrdiff_t>(k) * m.width + i);
      Vf sr = Vf{}, si = Vf{};
      for (int t = 0; t < m.length; ++t) {
        float* out = y + t * m.ld + i;
        AdvanceMode<liquid>(mode, Load(m.u + t * m.ld + i), sr, si);
        Store(out, Load(out) + mode.cr * sr - mode.ci * si);
      }
    }
  }
}

void RunModal(const ModalBank& m, float* y) { m.liquid() ? ModalForward<true>(m, y) : ModalForward<false>(m, y); }

inline void AddTo(float* p, Vf v) { Store(p, Load(p) + v); }

// Backward through one mode of the channels from `i`. states: [length + 1][2] vectors, the first two zero. du
// [length] vectors is added to.
template <bool liquid>
inline void ModeGrad(const ModalBank& m, const ModalGrad& g, int k, int i, float* states, float* du) {
  const ptrdiff_t at = static_cast<ptrdiff_t>(k) * m.width + i;
  const Mode w(m, at);
  Vf sr = Vf{}, si = Vf{};
  for (int t = 0; t < m.length; ++t) {
    AdvanceMode<liquid>(w, Load(m.u + t * m.ld + i), sr, si);
    Store(states + 2 * (t + 1) * kLanes, sr);
    Store(states + (2 * (t + 1) + 1) * kLanes, si);
  }
  // (dr, di) is the gradient of the state after token t, then of the state before it.
  Vf dr = Vf{}, di = Vf{}, gar = Vf{}, gai = Vf{}, gcr = Vf{}, gci = Vf{}, gbr = Vf{}, gbi = Vf{};
  for (int t = m.length; t-- > 0;) {
    const Vf dy = Load(g.g + t * m.ld + i), u = Load(m.u + t * m.ld + i);
    const Vf pr = Load(states + 2 * t * kLanes), pi = Load(states + (2 * t + 1) * kLanes);
    gcr += dy * Load(states + 2 * (t + 1) * kLanes);
    gci -= dy * Load(states + (2 * (t + 1) + 1) * kLanes);
    dr += w.cr * dy;
    di -= w.ci * dy;
    const Vf dfr = dr * pr + di * pi, dfi = di * pr - dr * pi;  // of the factor of the state
    gar += dfr;
    gai += dfi;
    if (liquid) {
      gbr += u * (dfr + dr);
      gbi += u * (dfi + di);
      AddTo(du + t * kLanes, w.br * (dfr + dr) + w.bi * (dfi + di));
    } else {
      AddTo(du + t * kLanes, dr);
    }
    const Vf fr = liquid ? w.ar + w.br * u : w.ar, fi = liquid ? w.ai + w.bi * u : w.ai, d = dr;
    dr = fr * d + fi * di;
    di = fr * di - fi * d;
  }
  AddTo(g.a_re + at, gar);
  AddTo(g.a_im + at, gai);
  AddTo(g.c_re + at, gcr);
  AddTo(g.c_im + at, gci);
  if (liquid) {
    AddTo(g.b_re + at, gbr);
    AddTo(g.b_im + at, gbi);
  }
}

template <bool liquid>
inline void ModalBackward(const ModalBank& m, const ModalGrad& g) {
  float *du = m.scratch, *states = m.scratch + static_cast<ptrdiff_t>(m.length) * kLanes;
  Store(states, Vf{});
  Store(states + kLanes, Vf{});
  for (int i = 0; i < m.width; i += kLanes) {
    const Vf skip = Load(m.skip + i);
    Vf dskip = Vf{};
    for (int t = 0; t < m.length; ++t) {
      const Vf dy = Load(g.g + t * m.ld + i);
      Store(du + t * kLanes, skip * dy);
      dskip += dy * Load(m.u + t * m.ld + i);
    }
    AddTo(g.skip + i, dskip);
    for (int k = 0; k < m.modes; ++k) ModeGrad<liquid>(m, g, k, i, states, du);
    for (int t = 0; t < m.length; ++t) {
      const Vf u = Load(m.u + t * m.ld + i), d = Load(du + t * kLanes);
      Store(g.g + t * m.ld + i, liquid ? d * (1.0f - u * u) : d);
    }
  }
}

void RunModalGrad(const ModalBank& m, const ModalGrad& g) { m.liquid() ? ModalBackward<true>(m, g) : ModalBackward<false>(m, g); }
