// The trainer's row-wise operators: RMSNorm, gated short convolution, SwiGLU, head norm + RoPE,
// cross-entropy, AdamW, lane reduction. math.h describes shapes and meanings. Included only inside an ISA
// namespace, after vec-inl.h.

void RunRmsNorm(int rows, int d, int width, const float* x, ptrdiff_t ldx, const float* weight, float epsilon, float* y, ptrdiff_t ldy,
                float* rstd) {
  for (int r = 0; r < rows; ++r, x += ldx, y += ldy) {
    Vf ss = Vf{};
    for (int i = 0; i < width; i += kLanes) {
      const Vf v = Load(x + i);
      ss += v * v;
    }
    const float s = 1.0f / __builtin_sqrtf(Sum(ss) / static_cast<float>(d) + epsilon);
    rstd[r] = s;
    for (int i = 0; i < width; i += kLanes) Store(y + i, Load(x + i) * s * Load(weight + i));
  }
}

// With n = x * rstd: dx = rstd * (dy w - n * mean(dy w n)), dw = dy n.
void RunRmsNormGrad(int rows, int d, int width, const float* x, ptrdiff_t ldx, const float* weight, const float* rstd, const float* dy,
                    ptrdiff_t ldy, float* dx, ptrdiff_t lddx, float* dweight) {
  for (int r = 0; r < rows; ++r, x += ldx, dy += ldy, dx += lddx) {
    const float s = rstd[r];
    Vf dots = Vf{};
    for (int i = 0; i < width; i += kLanes) {
      const Vf g = Load(dy + i), n = Load(x + i) * s;
      dots += g * Load(weight + i) * n;
      Store(dweight + i, Load(dweight + i) + g * n);
    }
    const float mean = Sum(dots) / static_cast<float>(d);
    for (int i = 0; i < width; i += kLanes) {
      Store(dx + i, Load(dx + i) + (Load(dy + i) * Load(weight + i) - Load(x + i) * s * mean) * s);
    }
  }
}

void RunConv(int length, int width, int k, const float* taps, const float* bch, ptrdiff_t ldb, float* y, float* u, ptrdiff_t ldu) {
  for (int t = 0; t < length; ++t) {
    const float* row = bch + t * ldb;
    float* yt = y + t * ldu;
    const int first = t < k - 1 ? k - 1 - t : 0;  // taps before the start of the sequence see zeros
    for (int i = 0; i < width; i += kLanes) {
      Store(yt + i, Load(row + i) * Load(row + 2 * width + i));
      Vf z = Vf{};
      for (int j = first; j < k; ++j) z += Load(taps + j * width + i) * Load(yt + (j - k + 1) * ldu + i);
      Store(u + t * ldu + i, Load(row + width + i) * z);
    }
  }
}

void RunConvGrad(int length, int width, int k, const float* taps, const float* bch, ptrdiff_t ldb, const float* y, const float* du,
                 ptrdiff_t ldu, float* dbch, float* dtaps, float* dz) {
  for (int i = 0; i < width; i += kLanes) {
    Vf dw[kMostTaps];
    for (int j = 0; j < k; ++j) dw[j] = Vf{};
    for (int t = 0; t < length; ++t) {
      const float* yt = y + t * ldu + i;
      const Vf g = Load(du + t * ldu + i);
      const Vf dzt = g * Load(bch + t * ldb + width + i);
      const int first = t < k - 1 ? k - 1 - t : 0;
      Vf z = Vf{};
      for (int j = first; j < k; ++j) {
        const Vf yv = Load(yt + (j - k + 1) * ldu);
        z += Load(taps + j * width + i) * yv;
        dw[j] += dzt * yv;
      }
      Store(dbch + t * ldb + width + i, g * z);
      Store(dz + t * ldu + i, dzt);
    }
    for (int j = 0; j < k; ++j) Store(dtaps + j * width + i, Load(dtaps + j * width + i) + dw[j]);
    for (int t = 0; t < length; ++t) {
      Vf dy = Vf{};
      const int last = length - t < k ? length - t : k;
      for (int s = 0; s < last; ++s) dy += Load(taps + (k - 1 - s) * width + i) * Load(dz + (t + s) * ldu + i);
      const float* row = bch + t * ldb + i;
      Store(dbch + t * ldb + i, dy * Load(row + 2 * width));
      Store(dbch + t * ldb + 2 * width + i, dy * Load(row));
    }
  }
}

void RunSwiGlu(int rows, int width, const float* gate, const float* up, ptrdiff_t ld, float* act) {
  for (int r = 0; r < rows; ++r) {
    for (ptrdiff_t i = r * ld; i < r * ld + width; i += kLanes) {
      const Vf g = Load(gate + i);
      Store(act + i, g / (1.0f + Exp(-g)) * Load(up + i));
    }
  }
}

void RunSwiGluGrad(int rows, int width, float* gate, float* up, ptrdiff_t ld, const float* dact) {
  for (int r = 0; r < rows; ++r) {
    for (ptrdiff_t i = r * ld; i < r * ld + width; i += kLanes) {
      const Vf g = Load(gate + i), u = Load(up + i), da = Load(dact + i);
      const Vf s = 1.0f / (1.0f + Exp(-g));
      Store(up + i, da * g * s);
      Store(gate + i, da * u * s * (1.0f + g * (1.0f - s)));
    }
  }
}

// Rotates the pairs of one head. `direction` is +1 forward and -1 for the gradient (the rotation's
// transpose). y may be x.
inline void Rotate(int half, const float* x, float* y, const float* cosines, const float* sines, float direction, bool interleaved) {
  if (interleaved) {
    for (int i = 0; i < half; ++i) {
      const float a = x[2 * i], b = x[2 * i + 1], s = sines[i] * direction;
      y[2 * i] = a * cosines[i] - b * s;
      y[2 * i + 1] = a * s + b * cosines[i];
    }
    return;
  }
#pragma GCC ivdep
  for (int i = 0; i < half; ++i) {
    const float a = x[i], b = x[i + half], s = sines[i] * direction;
    y[i] = a * cosines[i] - b * s;
    y[i + half] = a * s + b * cosines[i];
  }
}

void RunHeadRope(int length, int heads, int hd_logical, int hd, const float* x, float* y, ptrdiff_t ld, const float* weight, float epsilon,
                 float* rstd, const float* cosines, const float* sines, bool interleaved) {
  const int half = hd_logical / 2;
  for (int t = 0; t < length; ++t) {
    for (int h = 0; h < heads; ++h) {
      const float* xh = x + t * ld + h * hd;
      float* yh = y + t * ld + h * hd;
      if (weight) {
        RunRmsNorm(1, hd_logical, hd, xh, ld, weight, epsilon, yh, ld, rstd + t * heads + h);
      } else {
        for (int i = 0; i < hd; i += kLanes) Store(yh + i, Load(xh + i));
      }
      Rotate(half, yh, yh, cosines + t * half, sines + t * half, 1.0f, interleaved);
    }
  }
}

void RunHeadRopeGrad(int length, int heads, int hd_logical, int hd, const float* x, float* dy, ptrdiff_t ld, const float* weight,
                     const float* rstd, const float* cosines, const float* sines, bool interleaved, float* dweight) {
  const int half = hd_logical / 2;
  for (int t = 0; t < length; ++t) {
    for (int h = 0; h < heads; ++h) {
      float* g = dy + t * ld + h * hd;
      Rotate(half, g, g, cosines + t * half, sines + t * half, -1.0f, interleaved);
      if (!weight) continue;
      const float* xh = x + t * ld + h * hd;
      const float s = rstd[t * heads + h];
      Vf dots = Vf{};
      for (int i = 0; i < hd; i += kLanes) {
        const Vf gv = Load(g + i), n = Load(xh + i) * s;
        dots += gv * Load(weight + i) * n;
        Store(dweight + i, Load(dweight + i) + gv * n);
      }
      const float mean = Sum(dots) / static_cast<float>(hd_logical);
      for (int i = 0; i < hd; i += kLanes) Store(g + i, (Load(g + i) * Load(weight + i) - Load(xh + i) * s * mean) * s);
    }
  }
}

CrossEntropyResult RunCrossEntropy(int rows, int vocab, float* logits, ptrdiff_t ld, const uint16_t* targets, float scale) {
  CrossEntropyResult result;
  const int width = PadUp(vocab);
  for (int r = 0; r < rows; ++r, logits += ld) {
    for (int i = vocab; i < width; ++i) logits[i] = -1e30f;
    Vf top = Load(logits);
    for (int i = kLanes; i < width; i += kLanes) top = Maximum(top, Load(logits + i));
    const float max = Max(top), at_target = logits[targets[r]];
    // The target must exceed every other logit. A tie, for example of all-equal logits, is not counted as
    // right.
    int ties = 0;
    Vf total = Vf{};
    for (int i = 0; i < width; i += kLanes) {
      const Vf e = Exp(Load(logits + i) - max);
      total += e;
      Store(logits + i, e);
    }
    for (int i = vocab; i < width; ++i) logits[i] = 0.0f;
    const float sum = Sum(total);
    if (at_target == max) {
      for (int i = 0; i < vocab; ++i) ties += logits[i] == logits[targets[r]];
      result.right += ties == 1;
    }
    result.loss += static_cast<double>(__builtin_logf(sum) + max - at_target);
    const float normal = scale / sum;
    for (int i = 0; i < width; i += kLanes) Store(logits + i, Load(logits + i) * normal);
    logits[targets[r]] -= scale;
  }
  return result;
}

// AdamW (Loshchilov and Hutter, 2019). n is a multiple of 16.
void RunAdam(size_t n, float* p, const float* g, float* m, float* v, const AdamStep& s) {
  const float step = s.rate / s.correction1, root = 1.0f / __builtin_sqrtf(s.correction2);
  for (size_t i = 0; i < n; i += kLanes) {
    const Vf gv = Load(g + i) * s.scale;
    const Vf mv = Load(m + i) * s.beta1 + gv * (1.0f - s.beta1);
    const Vf vv = Load(v + i) * s.beta2 + gv * gv * (1.0f - s.beta2);
    Store(m + i, mv);
    Store(v + i, vv);
    Vf root_v;
    for (int j = 0; j < kLanes; ++j) root_v[j] = __builtin_sqrtf(vv[j]);
    const Vf pv = Load(p + i);
    Store(p + i, pv - pv * s.decay - mv * step / (root_v * root + s.epsilon));
  }
}

double RunReduce(size_t n, int lanes, const float* const* in, size_t offset, float* out) {
  double squares = 0;
  for (size_t i = 0; i < n; i += kPad) {
    float sum[kPad];
    for (int j = 0; j < kPad; j += kLanes) {
      Vf total = Load(in[0] + offset + i + j);
      for (int l = 1; l < lanes; ++l) total += Load(in[l] + offset + i + j);
      Store(out + i + j, total);
      Store(sum + j, total * total);
    }
    float s = 0;
    for (int j = 0; j < kPad; ++j) s += sum[j];
    squares += static_cast<double>(s);
  }
  return squares;
}
