// Element-wise gates of linear attention in training, forward and backward. math.h has the formulas. Included only
// inside an ISA namespace, after vec-inl.h.

void RunDecays(int n, const float* bias, float sign, float rate, const float* x, float* y) {
  for (int i = 0; i < n; i += kLanes) Store(y + i, Exp(rate * Softplus(sign * (Load(x + i) + Load(bias + i)))));
}

float RunDecaysGrad(int n, const float* bias, float sign, float rate, const float* y, const float* dy, float* x) {
  Vf sum = Vf{};
  for (int i = 0; i < n; i += kLanes) {
    const Vf in = sign * (Load(x + i) + Load(bias + i)), dlog = Load(dy + i) * Load(y + i) * rate;
    sum += dlog * Softplus(in);
    Store(x + i, dlog * sign / (1.0f + Exp(-in)));
  }
  return Sum(sum);
}

void RunSigmoidGate(int rows, int width, const float* gate, const float* up, ptrdiff_t ld, float* act) {
  for (int r = 0; r < rows; ++r) {
    for (ptrdiff_t i = r * ld; i < r * ld + width; i += kLanes) Store(act + i, Load(up + i) / (1.0f + Exp(-Load(gate + i))));
  }
}

void RunSigmoidGateGrad(int rows, int width, float* gate, float* up, ptrdiff_t ld, const float* dact) {
  for (int r = 0; r < rows; ++r) {
    for (ptrdiff_t i = r * ld; i < r * ld + width; i += kLanes) {
      const Vf da = Load(dact + i), s = 1.0f / (1.0f + Exp(-Load(gate + i)));
      Store(gate + i, da * Load(up + i) * s * (1.0f - s));
      Store(up + i, da * s);
    }
  }
}
