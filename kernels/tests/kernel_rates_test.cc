// The probe's choice among usable kernel paths: every path is timed, and only a clear difference changes the
// default choice.
#include "agent/kernel_rates.h"
#include "tests/test.h"

namespace edgefront::testing {

TEST(KernelRatesOfEveryPath) {
  const auto rates = MeasureKernels(1);
  REQUIRE(rates.ok());
  const std::vector<Isa> isas = AvailableIsas();
  REQUIRE(rates->size() + 1 == isas.size());
  for (size_t i = 0; i < rates->size(); ++i) {
    CHECK((*rates)[i].isa == isas[i + 1]);
    CHECK((*rates)[i].prefill_gops > 0 && (*rates)[i].decode_gops > 0);
  }
}

TEST(KernelRatesFastestIsKept) {
  CHECK(FastestIsa({}) == BestIsa());
  CHECK(FastestIsa({{Isa::kDotprod, 100, 50}, {Isa::kI8mm, 180, 50}}) == Isa::kI8mm);
  CHECK(FastestIsa({{Isa::kDotprod, 180, 50}, {Isa::kI8mm, 100, 50}}) == Isa::kDotprod);
  CHECK(FastestIsa({{Isa::kDotprod, 103, 51}, {Isa::kI8mm, 100, 50}}) == Isa::kI8mm);  // within the noise
  // Faster in prefill, but slower in decode.
  CHECK(FastestIsa({{Isa::kDotprod, 200, 25}, {Isa::kI8mm, 100, 50}}) == Isa::kI8mm);
  CHECK(FastestIsa({{Isa::kNeon, 150, 90}, {Isa::kDotprod, 140, 80}, {Isa::kI8mm, 100, 50}}) == Isa::kNeon);
}

}  // namespace edgefront::testing
