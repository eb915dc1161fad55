// The vector type of the trainer's hot loops, for the instruction set of the including file. GCC/Clang vector
// extensions let one source serve SSE2, AVX2, AVX-512 and NEON. EDGEFRONT_VEC_FLOATS is the width; rows are
// padded to a multiple of 16 floats. Included only inside an ISA namespace (math_<isa>.cc).

inline constexpr int kLanes = EDGEFRONT_VEC_FLOATS;
typedef float Vf __attribute__((vector_size(4 * EDGEFRONT_VEC_FLOATS)));
typedef int32_t Vi __attribute__((vector_size(4 * EDGEFRONT_VEC_FLOATS)));
typedef float VfU __attribute__((vector_size(4 * EDGEFRONT_VEC_FLOATS), aligned(4), may_alias));

inline Vf Load(const float* p) { return *reinterpret_cast<const VfU*>(p); }
inline void Store(float* p, Vf v) { *reinterpret_cast<VfU*>(p) = v; }
inline Vf Set(float x) { return x - Vf{}; }

inline float Sum(Vf v) {
  float s[kLanes];
  Store(s, v);
  for (int w = kLanes / 2; w > 0; w /= 2) {
    for (int i = 0; i < w; ++i) s[i] += s[i + w];
  }
  return s[0];
}

inline float Max(Vf v) {
  float s[kLanes];
  Store(s, v);
  for (int w = kLanes / 2; w > 0; w /= 2) {
    for (int i = 0; i < w; ++i) s[i] = s[i] > s[i + w] ? s[i] : s[i + w];
  }
  return s[0];
}

inline Vf Maximum(Vf a, Vf b) { return a > b ? a : b; }

// Computes e^x to about 1 ulp: x = n ln2 + r with |r| <= ln2/2, and the degree-6 minimax polynomial of Cephes
// for e^r. x is clamped to the normal range, so the result is never 0 or infinite.
inline Vf Exp(Vf x) {
  const Vf hi = Set(88.0f), lo = Set(-87.0f);
  x = x > hi ? hi : x;
  x = x < lo ? lo : x;
  const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to the nearest integer, in the low bits
  Vf t = x * 1.44269504088896341f + magic;
  Vf n = t - magic;
  Vf r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  Vf p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  Vi bits;
  __builtin_memcpy(&bits, &t, sizeof bits);
  Vi scale = (bits - 0x4B400000 + 127) << 23;
  Vf s;
  __builtin_memcpy(&s, &scale, sizeof s);
  return p * s;
}

// Computes ln(1 + u) for u in [0, 1]: twice the series of atanh(s) at s = u / (2 + u), at most 1/3. The first
// term left out is below 2^-29 of the sum.
inline Vf LogOnePlus(Vf u) {
  const Vf s = u / (2.0f + u), s2 = s * s;
  Vf sum = s2 * (1.0f / 15.0f) + 1.0f / 13.0f;
  sum = sum * s2 + 1.0f / 11.0f;
  sum = sum * s2 + 1.0f / 9.0f;
  sum = sum * s2 + 1.0f / 7.0f;
  sum = sum * s2 + 1.0f / 5.0f;
  sum = sum * s2 + 1.0f / 3.0f;
  return 2.0f * s * (sum * s2 + 1.0f);
}

// softplus(y) is max(y, 0) + ln(1 + e^-|y|), which cannot overflow.
inline Vf Softplus(Vf y) { return Maximum(y, Vf{}) + LogOnePlus(Exp(-Maximum(y, -y))); }
