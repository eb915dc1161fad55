// Mamba-2's recurrence: every kernel table of this machine against the scalar one, and its extremes.
#include <cmath>
#include <vector>

#include "tests/kernel_inputs.h"

namespace edgefront::testing {
namespace {

// The inputs of one head for `n` tokens: x [channels], b and c [states], dt, and a gap.
struct SsmInputs {
  size_t channels, states, n, stride = channels + 2 * states + 4;
  std::vector<float> rows = Uniform(stride * n + 1, channels + states), state = Uniform(channels * states, 5);

  SsmArgs Args(float a, size_t first, size_t count) {
    float* x = rows.data() + first * stride;
    return {x,        x + channels, x + channels + states, x + channels + 2 * states, stride, 0.3f, a, 0.7f, state.data(), count,
            channels, states};
  }
};

}  // namespace

// Step sizes are small, large (where the exponential of softplus overflows) and zero; decays are 0, 1 and
// between.
TEST(SsmAgrees) {
  for (const Kernels* table : FastTables()) {
    for (size_t channels : {1, 3, 4, 6, 17}) {
      for (size_t states : {1, 5, 8, 16, 33, 128}) {
        for (size_t n : {0, 1, 2, 65, 130}) {
          for (float a : {-0.5f, 0.0f, -1e4f}) {
            SsmInputs want{channels, states, n};
            for (size_t t = 0; t < n; ++t) {
              float& dt = want.rows[(t + 1) * want.stride - 4];
              dt = t % 13 == 5 ? 100.0f : t % 13 == 7 ? -200.0f : 4 * dt;
            }
            SsmInputs got = want, split = want;
            ScalarKernels().ssm(want.Args(a, 0, n));
            table->ssm(got.Args(a, 0, n));
            float largest = 1;
            for (float v : want.rows) largest = std::fmax(largest, std::fabs(v));
            for (float v : want.state) largest = std::fmax(largest, std::fabs(v));
            const float bound = static_cast<float>(states + n + 16) * kEps * largest;
            ExpectClose("ssm y", table->isa, got.rows, want.rows, std::vector<float>(got.rows.size(), bound));
            ExpectClose("ssm state", table->isa, got.state, want.state, std::vector<float>(got.state.size(), bound));
            table->ssm(split.Args(a, 0, n / 3));
            table->ssm(split.Args(a, n / 3, n - n / 3));
            CHECK_MSG(split.rows == got.rows && split.state == got.state, "ssm in two calls on " << IsaName(table->isa));
          }
        }
      }
    }
  }
}

TEST(SsmExtremes) {
  for (Isa isa : TestedIsas()) {
    const Kernels& table = *GetKernels(isa);
    const auto run = [&](float raw, float a) {
      SsmInputs in{4, 16, 1};
      in.rows[in.stride - 4] = raw;
      table.ssm(in.Args(a, 0, 1));
      return in;
    };
    const SsmInputs before{4, 16, 1}, still = run(-300.0f, -1.0f), wiped = run(1e4f, -1.0f), kept = run(1e4f, 0.0f);
    CHECK_MSG(still.state == before.state, "a step of 0 changes the state on " << IsaName(isa));
    for (size_t i = 0; i < before.state.size(); ++i) {
      const float x = before.rows[i / 16], b = before.rows[4 + i % 16], added = (1e4f + 0.3f) * x * b;
      const float bound = 8 * kEps * (std::fabs(added) + 1);
      CHECK_MSG(std::fabs(wiped.state[i] - added) <= bound, "decay 0 on " << IsaName(isa) << ": " << wiped.state[i] << ", not " << added);
      CHECK_MSG(std::fabs(kept.state[i] - added - before.state[i]) <= bound, "decay 1 on " << IsaName(isa));
    }
  }
}

}  // namespace edgefront::testing
