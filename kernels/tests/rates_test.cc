// build: x86_64:
// The results of the probe's timed loops are known, so a loop that does other work than it claims fails this
// test.
#include <cmath>
#include <cstring>
#include <vector>

#include "agent/rates.h"
#include "tests/isas.h"
#include "tests/test.h"

namespace edgefront::testing {
namespace {

struct Loops {
  Isa isa;
  const RateKernels* kernels;
  std::vector<size_t> words;  // indices of the words in each line whose exclusive or is the result of `read`
  size_t line;
};

}  // namespace

TEST(RateLoopsComputeWhatIsKnown) {
  alignas(64) static uint8_t data[4096];
  for (size_t i = 0; i < sizeof data; ++i) data[i] = static_cast<uint8_t>(i * i * 31 + i / 64);
  const Loops all[] = {
      {Isa::kAvx2, &kRatesAvx2, {0, 3}, 4}, {Isa::kAvx512, &kRatesAvx512, {0}, 8}, {Isa::kAvx512, &kRatesAvx512Vnni, {0}, 8}};
  for (const Loops& loops : all) {
    bool can = false;
    for (Isa isa : TestedIsas()) can = can || isa == loops.isa;
    if (!can) continue;
    for (size_t bytes : {size_t{1024}, sizeof data}) {
      uint64_t want = 0;
      for (size_t line = 0; line < bytes / 8; line += loops.line) {
        for (size_t word : loops.words) {
          uint64_t value;
          std::memcpy(&value, data + 8 * (line + word), 8);
          want ^= value;
        }
      }
      CHECK_MSG(loops.kernels->read(data, bytes) == want, IsaName(loops.isa) << ", " << bytes << " bytes");
    }
    for (int64_t rounds : {0, 1, 100}) {
      // Twelve chains of 1 * 0.999 + 0.001, and of four products 3 * -2.
      CHECK_NEAR(loops.kernels->fp32(rounds), 12.0, 1e-2);
      CHECK(loops.kernels->int8(rounds) == -24 * 12 * rounds);
    }
  }
}

}  // namespace edgefront::testing
