// Conversions between floats and 16-bit floats (quant/half.h), one value at a time.
#include <cmath>
#include <cstdint>

#include "quant/half.h"
#include "tests/test.h"
#include "tests/uniform.h"

namespace edgefront::testing {
namespace {

TEST(HalfConversionsRoundTrip) {
  for (uint32_t h = 0; h < 65536; ++h) {
    const float f = F16ToF32(static_cast<uint16_t>(h));
    if (f == f) CHECK_MSG(F32ToF16(f) == h, "f16 " << h);
    const float b = BF16ToF32(static_cast<uint16_t>(h));
    if (b == b) CHECK_MSG(F32ToBF16(b) == h, "bf16 " << h);
  }
  CHECK(F32ToF16(65519.9f) == 0x7BFF && F32ToF16(65520.0f) == 0x7C00);
  CHECK(F32ToF16(1.0f + 0x1p-11f) == 0x3C00 && F32ToF16(1.0f + 3 * 0x1p-11f) == 0x3C02);  // ties to even
  CHECK(F32ToF16(0x1p-25f) == 0 && F32ToF16(0x1.8p-25f) == 1);
}

TEST(NearestHalf) {
  for (uint32_t i = 0; i < 200000; ++i) {
    const float f = std::ldexp(UniformAt(i), static_cast<int>(i % 50) - 30);
    CHECK_MSG(NearestF16(f) == F16ToF32(FiniteF16(f)), f);
  }
  for (const float f : {0.0f, -0.0f, 65504.0f, -65519.9f, 65520.0f, -1e30f, 0x1p-25f, 0x1.8p-25f, -0x1p-14f}) {
    CHECK_MSG(FloatToBits(NearestF16(f)) == FloatToBits(F16ToF32(FiniteF16(f))), f);
  }
  CHECK(std::isnan(NearestF16(std::nanf(""))));
}

}  // namespace
}  // namespace edgefront::testing
