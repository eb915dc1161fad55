// A rational transfer function in training, forward and backward, by its recurrence. math.h has the formulas.
// Included only inside an ISA namespace, after vec-inl.h.

void RunRational(const RationalFilter& f, float* y) {
  for (int t = 0; t < f.length; ++t) {
    const int past = t < f.order ? t : f.order;  // values before the sequence are zero
    for (int i = 0; i < f.width; i += kLanes) {
      const Vf u = Load(f.u + t * f.ld + i);
      Vf x = u, out = Load(f.h0 + i) * u;
      for (int j = past; j > 0; --j) {
        const Vf before = Load(f.x + (t - j) * f.ld + i);
        x += Load(f.minus_a + (j - 1) * f.width + i) * before;
        out += Load(f.b + (j - 1) * f.width + i) * before;
      }
      Store(f.x + t * f.ld + i, x);
      Store(y + t * f.ld + i, out);
    }
  }
}

void RunRationalGrad(const RationalFilter& f, const RationalGrad& g) {
  float* dx = f.scratch;  // [length] vectors
  for (int i = 0; i < f.width; i += kLanes) {
    const Vf h0 = Load(f.h0 + i);
    for (int t = f.length; t-- > 0;) {
      const int later = f.length - 1 - t < f.order ? f.length - 1 - t : f.order;
      Vf d = Vf{};
      for (int j = later; j > 0; --j) {
        d += Load(f.minus_a + (j - 1) * f.width + i) * Load(dx + (t + j) * kLanes);
        d += Load(f.b + (j - 1) * f.width + i) * Load(g.g + (t + j) * f.ld + i);
      }
      Store(dx + t * kLanes, d);
    }
    for (int j = 1; j <= f.order; ++j) {
      Vf da = Vf{}, db = Vf{};
      for (int t = j; t < f.length; ++t) {
        const Vf before = Load(f.x + (t - j) * f.ld + i);
        da += Load(dx + t * kLanes) * before;
        db += Load(g.g + t * f.ld + i) * before;
      }
      float *to_a = g.minus_a + (j - 1) * f.width + i, *to_b = g.b + (j - 1) * f.width + i;
      Store(to_a, Load(to_a) + da);
      Store(to_b, Load(to_b) + db);
    }
    Vf dh0 = Vf{};
    for (int t = 0; t < f.length; ++t) {
      float* at = g.g + t * f.ld + i;
      const Vf dy = Load(at);
      dh0 += dy * Load(f.u + t * f.ld + i);
      Store(at, Load(dx + t * kLanes) + h0 * dy);
    }
    Store(g.h0 + i, Load(g.h0 + i) + dh0);
  }
}
