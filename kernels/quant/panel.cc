// Reads values back from a panel, for embedding look-up and the scalar reference. pack.cc writes panels.
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

}  // namespace

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
        const uint8_t* half = super + 256 + 384 * block + 192 * (v / 4) + 4 * r + c;
        const int q = v % 4 < 3 ? half[64 * (v % 4)] & 63 : half[0] >> 6 | half[64] >> 6 << 2 | half[128] >> 6 << 4;
        const int scale = static_cast<int8_t>(super[32 * block + 2 * r + v / 4]);
        *out = ScaleAt(super - 64, r) * static_cast<float>(scale) * static_cast<float>(q - 32);
        break;
      }
    }
  }
}

}  // namespace edgefront
