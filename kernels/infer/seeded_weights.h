// Weights generated from a seed. Element i of a tensor is a pure function of (seed, tensor name, i), so any
// part can be generated anywhere, in any order. The formula is part of the contract in kernels/README.md.
// splitmix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014).
#ifndef EDGEFRONT_INFER_SEEDED_WEIGHTS_H_
#define EDGEFRONT_INFER_SEEDED_WEIGHTS_H_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace edgefront {

// Returns the splitmix64 finaliser of z + 0x9E3779B97F4A7C15.
inline uint64_t SplitMix64(uint64_t z) {
  z += 0x9E3779B97F4A7C15ull;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

// Returns the 64-bit FNV-1a hash of `s`.
inline uint64_t Fnv1a64(std::string_view s) {
  uint64_t h = 0xCBF29CE484222325ull;
  for (unsigned char c : s) h = (h ^ c) * 0x100000001B3ull;
  return h;
}

// The use of a tensor, which decides its initial values.
enum class WeightKind {
  kNorm,  // also other factors of about 1
  kConv,  // taps of a depthwise convolution
  kMatrix,
  kBias,
  kBalance,      // biases of a router's choice. Training starts them at 0, and moves them by the load.
  kDecay,        // decay rates A < 0 of a recurrence. The trainer keeps ln(-A), so that a step cannot change the sign.
  kWideDecay,    // likewise, from almost no decay on
  kStep,         // bias b of a recurrence's step size softplus(. + b); softplus(b) is spread evenly by order of magnitude. Also
                 // the logarithm of a step, which differs little from b as far as steps are small
  kCountedRate,  // decay rates -1, -2, .. of a channel's state elements, trained as other rates
  kHalfRate,     // the decay rate -1/2 of a complex mode, trained as other rates
  kFrequency,    // frequencies pi n of complex modes n = 0, 1, ..
  kComplex,      // real or imaginary part of a number of mean square 1
};

// The generator of one tensor's elements.
struct SeededTensor {
  uint64_t base;
  float offset, scale;
  float slope = 0.0f;  // added for each place of an element in its row of `period` elements
  uint64_t period;

  // `fan_in` is ne0.
  SeededTensor(uint64_t seed, std::string_view name, WeightKind kind, uint64_t fan_in)
      : base(SplitMix64(seed) ^ Fnv1a64(name)), offset(0.0f), scale(0.1f), period(fan_in) {
    switch (kind) {
      case WeightKind::kNorm: offset = 1.0f; break;
      case WeightKind::kBias:
      case WeightKind::kBalance: break;
      case WeightKind::kDecay: offset = -8.5f, scale = 7.5f; break;
      case WeightKind::kWideDecay: offset = -8.005f, scale = 7.995f; break;
      case WeightKind::kStep: offset = -4.58f, scale = 2.33f; break;
      case WeightKind::kCountedRate: offset = -1.0f, scale = 0.0f, slope = -1.0f; break;
      case WeightKind::kHalfRate: offset = -0.5f, scale = 0.0f; break;
      case WeightKind::kFrequency: scale = 0.0f, slope = 3.14159265f; break;
      case WeightKind::kComplex: scale = 1.22474487f; break;
      case WeightKind::kConv:
      case WeightKind::kMatrix: scale = static_cast<float>(std::sqrt(3.0 / static_cast<double>(fan_in))); break;
    }
  }

  // Returns element i before rounding to the tensor's type.
  float At(uint64_t i) const {
    const float u = static_cast<float>(static_cast<int32_t>(SplitMix64(base + i) >> 40)) * 0x1p-23f - 1.0f;
    const float value = offset + scale * u;
    return slope == 0.0f ? value : value + slope * static_cast<float>(i % period);
  }
  // Writes elements first .. first + n - 1 to out [n].
  void Fill(float* out, uint64_t first, size_t n) const {
    for (size_t j = 0; j < n; ++j) out[j] = At(first + j);
  }
};

// Returns token i of the fixed prompt of measurements: splitmix64(i) mod vocab.
inline uint32_t FixedToken(uint64_t i, uint32_t vocab) { return static_cast<uint32_t>(SplitMix64(i) % vocab); }

}  // namespace edgefront

#endif  // EDGEFRONT_INFER_SEEDED_WEIGHTS_H_
