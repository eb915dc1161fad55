// Packing GGUF rows into panels at load, and reading one row back (embedding lookup).
#include "quant/panel.h"

#include <cstring>

#include "quant/half.h"

namespace edgefront {
namespace {

constexpr size_t R = kPanelRows;

float ScaleAt(const uint8_t* scales, size_t i) {
  uint16_t h;
  std::memcpy(&h, scales + 2 * i, 2);
  return F16ToF32(h);
}

// The 256 six-bit values of a Q6_K block, in order.
void UnpackQ6(const uint8_t* b, uint8_t* q) {
  for (int half = 0; half < 2; ++half, b += 64, q += 128) {
    const uint8_t* high = b + 128 - 32 * half;
    for (int l = 0; l < 32; ++l) {
      q[l] = static_cast<uint8_t>((b[l] & 15) | (high[l] & 3) << 4);
      q[l + 32] = static_cast<uint8_t>((b[l + 32] & 15) | (high[l] >> 2 & 3) << 4);
      q[l + 64] = static_cast<uint8_t>(b[l] >> 4 | (high[l] >> 4 & 3) << 4);
      q[l + 96] = static_cast<uint8_t>(b[l + 32] >> 4 | (high[l] >> 6) << 4);
    }
  }
}

void PackQ6Row(size_t k, const uint8_t* row, size_t r, uint8_t* panel) {
  for (size_t s = 0; s < k / 256; ++s) {
    const uint8_t* b = row + 210 * s;
    uint8_t* body = panel + s * kQ6SuperBytes + 64;
    std::memcpy(body - 64 + 2 * r, b + 208, 2);
    uint8_t q[256];
    UnpackQ6(b, q);
    for (int block = 0; block < 8; ++block) {
      std::memcpy(body + 32 * block + 2 * r, b + 192 + 2 * block, 2);
      const uint8_t* x = q + 32 * block;
      uint8_t low[16], high[8];
      for (int i = 0; i < 16; ++i) low[i] = static_cast<uint8_t>((x[i] & 15) | x[i + 16] << 4);
      for (int i = 0; i < 8; ++i) {
        const uint8_t* y = x + 16 * (i / 4) + i % 4;
        high[i] = static_cast<uint8_t>(y[0] >> 4 | y[4] >> 4 << 2 | y[8] >> 4 << 4 | y[12] >> 4 << 6);
      }
      uint8_t* at = body + 256 + 384 * block + 4 * r;
      for (int j = 0; j < 4; ++j) std::memcpy(at + 64 * j, low + 4 * j, 4);
      for (int j = 0; j < 2; ++j) std::memcpy(at + 256 + 64 * j, high + 4 * j, 4);
    }
  }
}

}  // namespace

void PackPanel(DType type, size_t k, const uint8_t* rows, size_t row_bytes, size_t n, uint8_t* panel) {
  const size_t blocks = k / 32;
  if (n < R || type == DType::kQ6_K || blocks % 2 != 0) std::memset(panel, 0, PanelBytes(type, k));
  for (size_t r = 0; r < n; ++r) {
    const uint8_t* row = rows + r * row_bytes;
    switch (type) {
      case DType::kF32:
        for (size_t i = 0; i < k; ++i) std::memcpy(panel + 4 * (i * R + r), row + 4 * i, 4);
        break;
      case DType::kF16: case DType::kBF16:
        for (size_t i = 0; i < k; ++i) std::memcpy(panel + 2 * (i * R + r), row + 2 * i, 2);
        break;
      case DType::kQ4_0:
        for (size_t b = 0; b < blocks; ++b, row += 18) {
          std::memcpy(panel + PairScaleAt(kQ4PairBytes, b) + 2 * r, row, 2);
          for (int j = 0; j < 4; ++j) std::memcpy(panel + PairQuantsAt(kQ4PairBytes, b) + 64 * j + 4 * r, row + 2 + 4 * j, 4);
        }
        break;
      case DType::kQ8_0:
        for (size_t b = 0; b < blocks; ++b, row += 34) {
          std::memcpy(panel + PairScaleAt(kQ8PairBytes, b) + 2 * r, row, 2);
          for (int v = 0; v < 8; ++v) std::memcpy(panel + PairQuantsAt(kQ8PairBytes, b) + 64 * v + 4 * r, row + 2 + 4 * v, 4);
        }
        break;
      case DType::kQ6_K: PackQ6Row(k, row, r, panel); break;
    }
  }
}

void UnpackColumns(DType type, const uint8_t* panel, size_t r, size_t first, size_t n, float* out) {
  for (size_t i = first; i < first + n; ++i, ++out) {
    const size_t b = i / 32, v = i % 32 / 4, c = i % 4;
    switch (type) {
      case DType::kF32: std::memcpy(out, panel + 4 * (i * R + r), 4); break;
      case DType::kF16: *out = ScaleAt(panel, i * R + r); break;
      case DType::kBF16: {
        uint16_t h;
        std::memcpy(&h, panel + 2 * (i * R + r), 2);
        *out = BF16ToF32(h);
        break;
      }
      case DType::kQ4_0: {
        const int q = panel[PairQuantsAt(kQ4PairBytes, b) + 64 * (v % 4) + 4 * r + c] >> (v < 4 ? 0 : 4) & 15;
        *out = ScaleAt(panel + PairScaleAt(kQ4PairBytes, b), r) * static_cast<float>(q - 8);
        break;
      }
      case DType::kQ8_0:
        *out = ScaleAt(panel + PairScaleAt(kQ8PairBytes, b), r) *
               static_cast<float>(static_cast<int8_t>(panel[PairQuantsAt(kQ8PairBytes, b) + 64 * v + 4 * r + c]));
        break;
      case DType::kQ6_K: {
        const uint8_t* super = panel + kQ6SuperBytes * (i / 256) + 64;
        const size_t block = i % 256 / 32;
        const uint8_t* low = super + 256 + 384 * block;
        const int q = (low[64 * (v % 4) + 4 * r + c] >> (v < 4 ? 0 : 4) & 15) |
                      (low[256 + 64 * (v / 4) + 4 * r + c] >> (2 * (v % 4)) & 3) << 4;
        const int scale = static_cast<int8_t>(super[32 * block + 2 * r + v / 4]);
        *out = ScaleAt(super - 64, r) * static_cast<float>(scale) * static_cast<float>(q - 32);
        break;
      }
    }
  }
}

}  // namespace edgefront
