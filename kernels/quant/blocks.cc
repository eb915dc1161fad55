// Block formats of ggml: Q4_0 and Q8_0 as defined there; Q6_K in its layout, with scales from the largest
// value of each sub-block. A search for the least squared error was rejected, because it gains nothing for
// uniform (seeded) weights.
#include "quant/blocks.h"

#include <cmath>
#include <cstring>

#include "quant/half.h"

namespace edgefront {
namespace {

void PutF16(uint8_t* p, float x) {
  const uint16_t h = F32ToF16(x);
  std::memcpy(p, &h, 2);
}

float GetF16(const uint8_t* p) {
  uint16_t h;
  std::memcpy(&h, p, 2);
  return F16ToF32(h);
}

// Returns the value of largest magnitude, with its sign.
float SignedMax(const float* x, size_t n) {
  float lo = 0, hi = 0;
  for (size_t i = 0; i < n; ++i) {
    lo = x[i] < lo ? x[i] : lo;
    hi = x[i] > hi ? x[i] : hi;
  }
  return -lo > hi ? lo : hi;
}

int Clamp(int x, int lo, int hi) { return x < lo ? lo : x > hi ? hi : x; }

// Writes 18 bytes: f16 d, then 16 bytes of nibbles. Low nibbles are elements 0..15, high ones 16..31; value d
// * (q - 8).
void QuantiseQ4(const float* x, uint8_t* b) {
  const float d = SignedMax(x, 32) / -8.0f;
  const float inverse = d != 0 ? 1.0f / d : 0.0f;
  PutF16(b, d);
  for (int j = 0; j < 16; ++j) {
    const int lo = static_cast<int>(x[j] * inverse + 8.5f), hi = static_cast<int>(x[j + 16] * inverse + 8.5f);
    b[2 + j] = static_cast<uint8_t>((lo > 15 ? 15 : lo) | (hi > 15 ? 15 : hi) << 4);
  }
}

// Writes 34 bytes: f16 d, then 32 int8; value d * q.
void QuantiseQ8(const float* x, uint8_t* b) {
  const float d = std::fabs(SignedMax(x, 32)) / 127.0f;
  const float inverse = d != 0 ? 1.0f / d : 0.0f;
  PutF16(b, d);
  for (int j = 0; j < 32; ++j) b[2 + j] = static_cast<uint8_t>(static_cast<int8_t>(std::lrintf(x[j] * inverse)));
}

// Writes 210 bytes: 128 ql (low 4 bits), 64 qh (high 2 bits), 16 int8 scales, f16 d; value d * scale[i / 16]
// * (q - 32).
// Each half of 128 elements is four runs of 32: ql[l] low, ql[l + 32] low, ql[l] high, ql[l + 32] high.
void QuantiseQ6(const float* x, uint8_t* b) {
  float scale[16], largest = 0;
  for (int s = 0; s < 16; ++s) {
    scale[s] = SignedMax(x + 16 * s, 16) / -32.0f;
    if (std::fabs(scale[s]) > std::fabs(largest)) largest = scale[s];
  }
  std::memset(b, 0, 210);
  if (largest == 0) return;
  const float d16 = F16ToF32(F32ToF16(largest / -128.0f));
  PutF16(b + 208, d16);
  for (int i = 0; i < 256; ++i) {
    const int s = i / 16;
    const int sc = d16 != 0 ? Clamp(static_cast<int>(std::lrintf(scale[s] / d16)), -128, 127) : 0;
    b[192 + s] = static_cast<uint8_t>(static_cast<int8_t>(sc));
    const float step = d16 * static_cast<float>(sc);
    const int q = step != 0 ? Clamp(static_cast<int>(std::lrintf(x[i] / step)), -32, 31) + 32 : 32;
    const int half = i / 128, run = i % 128 / 32, l = i % 32;
    b[64 * half + l + 32 * (run & 1)] |= static_cast<uint8_t>((q & 15) << (run >= 2 ? 4 : 0));
    b[128 + 32 * half + l] |= static_cast<uint8_t>((q >> 4) << (2 * run));
  }
}

}  // namespace

void QuantiseRow(DType type, const float* x, size_t n, uint8_t* row) {
  switch (type) {
    case DType::kF32:
      if (n > 0) std::memcpy(row, x, 4 * n);  // if n is 0, either pointer may be null
      return;
    case DType::kF16:
      for (size_t i = 0; i < n; ++i) PutF16(row + 2 * i, x[i]);
      return;
    case DType::kBF16:
      for (size_t i = 0; i < n; ++i) {
        const uint16_t h = F32ToBF16(x[i]);
        std::memcpy(row + 2 * i, &h, 2);
      }
      return;
    case DType::kQ4_0:
      for (size_t i = 0; i < n / 32; ++i) QuantiseQ4(x + 32 * i, row + 18 * i);
      return;
    case DType::kQ8_0:
      for (size_t i = 0; i < n / 32; ++i) QuantiseQ8(x + 32 * i, row + 34 * i);
      return;
    case DType::kQ6_K:
      for (size_t i = 0; i < n / 256; ++i) QuantiseQ6(x + 256 * i, row + 210 * i);
      return;
  }
}

void DequantiseRow(DType type, const uint8_t* row, size_t n, float* x) {
  switch (type) {
    case DType::kF32: std::memcpy(x, row, 4 * n); return;
    case DType::kF16:
      for (size_t i = 0; i < n; ++i) x[i] = GetF16(row + 2 * i);
      return;
    case DType::kBF16:
      for (size_t i = 0; i < n; ++i) {
        uint16_t h;
        std::memcpy(&h, row + 2 * i, 2);
        x[i] = BF16ToF32(h);
      }
      return;
    case DType::kQ4_0:
      for (size_t i = 0; i < n; ++i) {
        const uint8_t* b = row + 18 * (i / 32);
        const int j = static_cast<int>(i % 32);
        x[i] = GetF16(b) * static_cast<float>((j < 16 ? b[2 + j] & 15 : b[2 + j - 16] >> 4) - 8);
      }
      return;
    case DType::kQ8_0:
      for (size_t i = 0; i < n; ++i) {
        const uint8_t* b = row + 34 * (i / 32);
        x[i] = GetF16(b) * static_cast<float>(static_cast<int8_t>(b[2 + i % 32]));
      }
      return;
    case DType::kQ6_K:
      for (size_t i = 0; i < n; ++i) {
        const uint8_t* b = row + 210 * (i / 256);
        const int e = static_cast<int>(i % 256), half = e / 128, run = e % 128 / 32, l = e % 32;
        const int low = b[64 * half + l + 32 * (run & 1)] >> (run >= 2 ? 4 : 0) & 15;
        const int high = b[128 + 32 * half + l] >> (2 * run) & 3;
        x[i] = GetF16(b + 208) * static_cast<float>(static_cast<int8_t>(b[192 + e / 16])) * static_cast<float>((low | high << 4) - 32);
      }
      return;
  }
}

}  // namespace edgefront
