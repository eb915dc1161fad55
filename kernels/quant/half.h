// Conversions between F32 and F16 or BF16, one value at a time, in integer arithmetic. They round to nearest
// even, like the hardware.
#ifndef EDGEFRONT_QUANT_HALF_H_
#define EDGEFRONT_QUANT_HALF_H_

#include <cstdint>
#include <cstring>

namespace edgefront {

static inline float BitsToFloat(uint32_t bits) {
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}

static inline uint32_t FloatToBits(float f) {
  uint32_t bits;
  std::memcpy(&bits, &f, 4);
  return bits;
}

static inline float F16ToF32(uint16_t h) {
  const uint32_t sign = static_cast<uint32_t>(h & 0x8000) << 16;
  const uint32_t rest = h & 0x7FFF;
  if (rest >= 0x7C00) return BitsToFloat(sign | 0x7F800000u | (rest & 0x3FF) << 13);
  if (rest >= 0x0400) return BitsToFloat(sign | ((rest << 13) + (112u << 23)));
  const float sub = static_cast<float>(rest) * 0x1p-24f;  // exact
  return BitsToFloat(sign | FloatToBits(sub));
}

static inline uint16_t F32ToF16(float f) {
  const uint32_t bits = FloatToBits(f);
  const uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  const uint32_t a = bits & 0x7FFFFFFF;
  if (a > 0x7F800000u) return sign | 0x7E00;   // NaN
  if (a >= 0x477FF000u) return sign | 0x7C00;  // >= 65520 rounds to infinity
  if (a < 0x38800000u) {                       // below 2^-14: subnormal; adding 0.5 aligns the ulp to 2^-24
    const float shifted = BitsToFloat(a) + 0.5f;
    return sign | static_cast<uint16_t>(FloatToBits(shifted) - 0x3F000000u);
  }
  const uint32_t rounded = a - (112u << 23) + 0xFFF + (a >> 13 & 1);
  return sign | static_cast<uint16_t>(rounded >> 13);
}

// Converts to F16, clamped to the largest finite number, so that stored values stay finite.
static inline uint16_t FiniteF16(float x) { return F32ToF16(x > 65504.0f ? 65504.0f : x < -65504.0f ? -65504.0f : x); }

// Rounds to the 11 significant bits of F16, with the exponent range of F32.
static inline float RoundTo11Bits(float f) {
  const uint32_t bits = FloatToBits(f);
  return BitsToFloat((bits + 0xFFF + (bits >> 13 & 1)) & ~0x1FFFu);
}

// Rounds to the nearest F16, for 0 <= f <= 65504, in a form that compilers vectorise. Below 2^-14, F16 has
// steps of 2^-24, like floats from 0.5 to 1.
static inline float RoundToF16(float f) {
  const float subnormal = (f + 0.5f) - 0.5f, normal = RoundTo11Bits(f);
  return f < 0x1p-14f ? subnormal : normal;
}

// Rounds to the nearest finite F16, in a form that compilers vectorise.
static inline float NearestF16(float f) {
  const uint32_t sign = FloatToBits(f) & 0x80000000u;
  const float size = BitsToFloat(FloatToBits(f) & 0x7FFFFFFFu);
  return BitsToFloat(sign | FloatToBits(RoundToF16(size > 65504.0f ? 65504.0f : size)));
}

static inline float BF16ToF32(uint16_t h) { return BitsToFloat(static_cast<uint32_t>(h) << 16); }

static inline uint16_t F32ToBF16(float f) {
  const uint32_t bits = FloatToBits(f);
  if ((bits & 0x7FFFFFFF) > 0x7F800000u) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

}  // namespace edgefront

#endif  // EDGEFRONT_QUANT_HALF_H_
