// The short convolution of recurrent mixers in training: causal, depthwise, then SiLU. math.h describes
// shapes. Included only inside an ISA namespace, after vec-inl.h.

void RunConvSilu(int length, int width, int k, const float* taps, const float* bias, const float* x, float* z, float* y, ptrdiff_t ld) {
  for (int t = 0; t < length; ++t) {
    const int first = t < k - 1 ? k - 1 - t : 0;  // taps before the start of the sequence see zeros
    for (int i = 0; i < width; i += kLanes) {
      Vf sum = bias ? Load(bias + i) : Vf{};
      for (int j = first; j < k; ++j) sum += Load(taps + j * width + i) * Load(x + (t + j - k + 1) * ld + i);
      Store(z + t * ld + i, sum);
      Store(y + t * ld + i, sum / (1.0f + Exp(-sum)));
    }
  }
}

// Turns g from dy into dz, then into dx. Both passes go forward in time: dx_t needs dz_t and later ones only.
void RunConvSiluGrad(int length, int width, int k, const float* taps, const float* x, const float* z, float* g, ptrdiff_t ld, float* dtaps,
                     float* dbias) {
  for (int i = 0; i < width; i += kLanes) {
    Vf dw[kMostTaps], db = Vf{};
    for (int j = 0; j < k; ++j) dw[j] = Vf{};
    for (int t = 0; t < length; ++t) {
      const Vf zt = Load(z + t * ld + i), s = 1.0f / (1.0f + Exp(-zt));
      const Vf dz = Load(g + t * ld + i) * s * (1.0f + zt * (1.0f - s));
      Store(g + t * ld + i, dz);
      db += dz;
      for (int j = t < k - 1 ? k - 1 - t : 0; j < k; ++j) dw[j] += dz * Load(x + (t + j - k + 1) * ld + i);
    }
    for (int j = 0; j < k; ++j) Store(dtaps + j * width + i, Load(dtaps + j * width + i) + dw[j]);
    if (dbias) Store(dbias + i, Load(dbias + i) + db);
    for (int t = 0; t < length; ++t) {
      Vf dx = Vf{};
      const int last = length - t < k ? length - t : k;
      for (int s = 0; s < last; ++s) dx += Load(taps + (k - 1 - s) * width + i) * Load(g + (t + s) * ld + i);
      Store(g + t * ld + i, dx);
    }
  }
}
