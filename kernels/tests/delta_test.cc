// The gated delta rule of every kernel table against the scalar one, at the extremes of its rates, and the
// functions that compute rates and decays.
#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/delta/rates.h"
#include "tests/kernel_inputs.h"

namespace edgefront::testing {
namespace {

// One head's inputs: a row holds q, k, v, then the decay, the rate and k . q, and some columns of other heads.
struct Head {
  size_t n, key_dim, channels, stride;
  std::vector<float> rows, state;

  Head(size_t tokens, size_t dim, size_t width)
      : n(tokens), key_dim(dim), channels(width), stride(2 * dim + width + 6), rows(Uniform(stride * tokens + 1, dim)) {
    state = Uniform(key_dim * kDeltaStrip + 1, 77);
    for (size_t i = 0; i < key_dim; ++i)
      for (size_t c = channels; c < kDeltaStrip; ++c) state[1 + i * kDeltaStrip + c] = 0;
    constexpr float kDecays[] = {0.9f, 1.0f, 0.0f, 0.5f, 1e-30f}, kRates[] = {0.3f, 1.0f, 0.0f, 0.8f};
    for (size_t t = 0; t < n; ++t) {
      float *q = Row(t), *k = q + key_dim;
      UnitLength(q, key_dim, 1 / std::sqrt(static_cast<double>(key_dim)));
      UnitLength(k, key_dim, 1);
      if (t % 6 == 5) std::fill_n(k, key_dim, 0.0f);
      Scalars(t)[0] = kDecays[t % 5];
      Scalars(t)[1] = kRates[t % 4];
      Scalars(t)[2] = DotProduct(q, k, key_dim);
    }
  }
  float* Row(size_t t) { return rows.data() + 1 + t * stride; }  // misaligned on purpose
  float* Scalars(size_t t) { return Row(t) + 2 * key_dim + channels; }
  void Run(const Kernels& table, size_t first, size_t count) {
    float* row = Row(first);
    table.delta({state.data() + 1, count, key_dim, channels, stride, row, row + key_dim, Scalars(first), Scalars(first) + 1,
                 Scalars(first) + 2, row + 2 * key_dim});
  }
};

}  // namespace

TEST(DeltaAgrees) {
  for (const Kernels* table : FastTables()) {
    for (size_t key_dim : {1, 2, 3, 7, 8, 16, 31, 64, 128}) {
      for (size_t channels : {1, 5, 8, 15, 16}) {
        for (size_t n : {0, 1, 2, 13, 40}) {
          const Head head(n, key_dim, channels);
          Head want = head, got = head, split = head;
          want.Run(ScalarKernels(), 0, n);
          got.Run(*table, 0, n);
          // Keys have length 1 and rates are at most 1, so errors of the state do not grow. A sum of key_dim
          // products has an error of at most that many roundings of the state's largest column, of length
          // sqrt(key_dim) at the start.
          const float bound = 4 * static_cast<float>(key_dim + 8) * std::sqrt(static_cast<float>(key_dim) + 1) * kEps;
          ExpectClose("delta", table->isa, got.rows, want.rows, std::vector<float>(got.rows.size(), bound));
          ExpectClose("delta state", table->isa, got.state, want.state, std::vector<float>(got.state.size(), bound));
          split.Run(*table, 0, n / 3);
          for (size_t t = n / 3; t < n; ++t) split.Run(*table, t, 1);
          CHECK_MSG(split.rows == got.rows && split.state == got.state, "delta in several calls on " << IsaName(table->isa));
          for (size_t i = 0; i < key_dim; ++i)
            for (size_t c = channels; c < kDeltaStrip; ++c) CHECK(got.state[1 + i * kDeltaStrip + c] == 0);
        }
      }
    }
  }
}

// With rate 1 and no decay, a key recalls its own value; a decay of 0 forgets all earlier ones; a rate of 0
// changes nothing.
TEST(DeltaRemembersAndForgets) {
  for (Isa isa : TestedIsas()) {
    const Kernels& table = *GetKernels(isa);
    std::vector<float> state(2 * kDeltaStrip, 0.0f);
    const auto step = [&](float k0, float k1, float v, float decay, float rate) {
      const float k[] = {k0, k1}, dot = k0 * k0 + k1 * k1;
      float value = v;
      table.delta({state.data(), 1, 2, 1, 0, k, k, &decay, &rate, &dot, &value});
      return value;
    };
    CHECK_NEAR(step(1, 0, 3, 1, 1), 3, 1e-6);
    CHECK_NEAR(step(0, 1, 5, 1, 1), 5, 1e-6);
    CHECK_NEAR(step(1, 0, 9, 1, 0), 3, 1e-6);  // rate 0: recalled, not written
    CHECK_NEAR(step(1, 0, 4, 1, 1), 4, 1e-6);  // replaced, not added
    CHECK_NEAR(step(0, 1, 0, 0.5f, 0), 2.5, 1e-6);
    CHECK_NEAR(step(0, 0, 7, 1, 1), 0, 1e-6);  // a zero key
    CHECK_NEAR(step(1, 0, 0, 0, 0), 0, 1e-6);
    CHECK_NEAR(step(0, 1, 0, 1, 0), 0, 1e-6);
  }
}

TEST(RatesAtTheirExtremes) {
  CHECK(Softplus(1e4) == 1e4 && Softplus(-1e4) == 0);
  CHECK_NEAR(Softplus(0), std::log(2.0), 1e-15);
  CHECK_NEAR(Softplus(-30) / std::exp(-30.0), 1, 1e-12);
  CHECK(Sigmoid(1e4f) == 1 && Sigmoid(-1e4f) == 0 && Sigmoid(0) == 0.5f);
  CHECK(DecayOf(-16, 1e6f) == 0 && DecayOf(-16, -1e6f) == 1 && DecayOf(0, 3) == 1);
  CHECK_NEAR(DecayOf(-1, 0), 0.5, 1e-7);
  std::vector<float> zero(9, 0.0f), long_vector(9, 1e18f);
  UnitLength(zero.data(), 9, 1);
  UnitLength(long_vector.data(), 9, 2);
  for (float x : zero) CHECK(x == 0);
  for (float x : long_vector) CHECK_NEAR(x, 2.0 / 3, 1e-6);
}

}  // namespace edgefront::testing
