// Mamba's recurrence: every kernel table of this machine against the scalar one, and its extremes.
#include <cmath>
#include <vector>

#include "tests/kernel_inputs.h"

namespace edgefront::testing {
namespace {

// The inputs of `n` tokens: x and dt [d], b and c [states], and a gap.
struct MambaInputs {
  size_t d, states, n, stride = 2 * d + 2 * states + 3;
  std::vector<float> rows = Uniform(stride * n + 1, d + states), bias = Uniform(d, 3), skip = Uniform(d, 4), a = Uniform(states * d, 6);
  std::vector<float> state = Uniform((d + kFilterStrip - 1) / kFilterStrip * kFilterStrip * states, 5);

  // Runs tokens [first, first + count), in two parts of the channels.
  void Run(const Kernels& table, size_t first, size_t count) {
    float* x = rows.data() + first * stride;
    MambaArgs g{x,
                x + d,
                x + 2 * d,
                x + 2 * d + states,
                stride,
                bias.data(),
                skip.data(),
                a.data(),
                state.data(),
                count,
                d,
                states,
                0,
                d / 2 / kFilterStrip * kFilterStrip};
    table.mamba(g);
    g.c0 = g.c1, g.c1 = d;
    table.mamba(g);
  }
};

}  // namespace

// Raw steps are small, large (where the exponential of softplus overflows) and far below 0; rates are 0, -1e4
// and between.
TEST(MambaAgrees) {
  for (const Kernels* table : FastTables()) {
    for (size_t d : {1, 16, 19, 70}) {
      for (size_t states : {1, 5, 16}) {
        for (size_t n : {0, 1, 2, 65, 130}) {
          MambaInputs want{d, states, n};
          for (size_t i = 0; i < want.a.size(); ++i) want.a[i] = i % 7 == 3 ? 0.0f : i % 7 == 5 ? -1e4f : -std::fabs(want.a[i]);
          for (size_t t = 0; t < n; ++t) {
            for (size_t c = 0; c < d; ++c) {
              float& dt = want.rows[t * want.stride + d + c];
              dt = (t + c) % 13 == 5 ? 100.0f : (t + c) % 13 == 7 ? -200.0f : 6 * dt;
            }
          }
          MambaInputs got = want, split = want;
          want.Run(ScalarKernels(), 0, n);
          got.Run(*table, 0, n);
          float largest = 1;
          for (float v : want.rows) largest = std::fmax(largest, std::fabs(v));
          for (float v : want.state) largest = std::fmax(largest, std::fabs(v));
          const float bound = static_cast<float>(states + n + 16) * kEps * largest;
          ExpectClose("mamba y", table->isa, got.rows, want.rows, std::vector<float>(got.rows.size(), bound));
          ExpectClose("mamba state", table->isa, got.state, want.state, std::vector<float>(got.state.size(), bound));
          split.Run(*table, 0, n / 3);
          split.Run(*table, n / 3, n - n / 3);
          CHECK_MSG(split.rows == got.rows && split.state == got.state, "mamba in two calls on " << IsaName(table->isa));
        }
      }
    }
  }
}

TEST(MambaExtremes) {
  for (Isa isa : TestedIsas()) {
    const auto run = [&](float raw, float rate) {
      MambaInputs in{16, 3, 1};
      std::fill(in.a.begin(), in.a.end(), rate);
      std::fill(in.bias.begin(), in.bias.end(), 0.0f);
      std::fill(in.rows.begin() + 16, in.rows.begin() + 32, raw);
      in.Run(*GetKernels(isa), 0, 1);
      return in;
    };
    const MambaInputs before{16, 3, 1}, still = run(-300.0f, -1.0f), wiped = run(1e4f, -1.0f), kept = run(1e4f, 0.0f);
    CHECK_MSG(still.state == before.state, "a step of 0 changes the state on " << IsaName(isa));
    for (size_t i = 0; i < before.state.size(); ++i) {
      const float added = 1e4f * before.rows[i % 16] * before.rows[32 + i / 16], bound = 8 * kEps * (std::fabs(added) + 1);
      CHECK_MSG(std::fabs(wiped.state[i] - added) <= bound, "decay 0 on " << IsaName(isa) << ": " << wiped.state[i] << ", not " << added);
      CHECK_MSG(std::fabs(kept.state[i] - added - before.state[i]) <= bound, "decay 1 on " << IsaName(isa));
    }
    // Small steps keep their digits: softplus(-15) = 3.059e-7.
    const MambaInputs small = run(-15.0f, 0.0f);
    const double moved = static_cast<double>(small.state[0]) - before.state[0];
    const double want = std::log1p(std::exp(-15.0)) * before.rows[0] * before.rows[32];
    CHECK_MSG(std::fabs(moved - want) <= kEps, "a small step on " << IsaName(isa) << ": " << moved << ", not " << want);
  }
}

// Constant inputs lead to the fixed point in B / (1 - decay).
TEST(MambaLongSequence) {
  const size_t n = 32768;
  for (Isa isa : TestedIsas()) {
    MambaInputs in{16, 1, n};
    std::fill(in.rows.begin(), in.rows.end(), 1.0f);
    std::fill(in.bias.begin(), in.bias.end(), -6.0f);
    std::fill(in.a.begin(), in.a.end(), -0.1f);
    in.Run(*GetKernels(isa), 0, n);
    const double dt = std::log1p(std::exp(-5.0)), want = dt / -std::expm1(-0.1 * dt);
    CHECK_MSG(std::fabs(in.state[0] - want) <= 1e-3 * want, "state " << in.state[0] << ", not " << want << " on " << IsaName(isa));
  }
}

}  // namespace edgefront::testing
