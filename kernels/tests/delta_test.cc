// The states of linear attention of every kernel table against the scalar one, with and without decays and the delta
// rule, at the extremes of their rates; and the functions that compute rates and decays.
#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/delta/rates.h"
#include "tests/kernel_inputs.h"

namespace edgefront::testing {
namespace {

enum class Decay { kNone, kShared, kChannel };
struct Kind {
  Decay decay;
  bool corrects;  // by the delta rule
};
constexpr Kind kKinds[] = {{Decay::kNone, false}, {Decay::kChannel, false}, {Decay::kShared, true}, {Decay::kChannel, true}};

// One head's inputs: a row holds q, k, v, then decays, the rate and k . q, and some columns of other heads.
struct Head {
  Kind kind;
  size_t n, key_dim, channels, stride;
  std::vector<float> rows, state;

  Head(Kind of, size_t tokens, size_t dim, size_t width)
      : kind(of), n(tokens), key_dim(dim), channels(width), stride(3 * dim + width + 6), rows(Uniform(stride * tokens + 1, dim)) {
    state = Uniform(key_dim * kDeltaStrip + 1, 77);
    for (size_t i = 0; i < key_dim; ++i)
      for (size_t c = channels; c < kDeltaStrip; ++c) state[1 + i * kDeltaStrip + c] = 0;
    constexpr float kDecays[] = {0.9f, 1.0f, 0.0f, 0.5f, 1e-30f}, kRates[] = {0.3f, 1.0f, 0.0f, 0.8f};
    for (size_t t = 0; t < n; ++t) {
      float *q = Row(t), *k = q + key_dim;
      UnitLength(q, key_dim, 1 / std::sqrt(static_cast<double>(key_dim)));
      UnitLength(k, key_dim, 1);
      if (t % 6 == 5) std::fill_n(k, key_dim, 0.0f);
      for (size_t i = 0; i < key_dim; ++i) Decays(t)[i] = kDecays[(t + i) % 5];
      Scalars(t)[0] = kRates[t % 4];
      Scalars(t)[1] = DotProduct(q, k, key_dim);
    }
  }
  float* Row(size_t t) { return rows.data() + 1 + t * stride; }  // misaligned on purpose
  float* Decays(size_t t) { return Row(t) + 2 * key_dim + channels; }
  float* Scalars(size_t t) { return Decays(t) + key_dim; }
  void Run(const Kernels& table, size_t first, size_t count) {
    float* row = Row(first);
    const float* rate = kind.corrects ? Scalars(first) : nullptr;
    table.delta({state.data() + 1, count, key_dim, channels, stride, row, row + key_dim, row + 2 * key_dim,
                 kind.decay == Decay::kNone ? nullptr : Decays(first), kind.decay == Decay::kChannel, rate, rate + 1});
  }
};

void CheckDelta(const Kernels& table, Kind kind, size_t key_dim, size_t channels, size_t n) {
  const Head head(kind, n, key_dim, channels);
  Head want = head, got = head, split = head;
  want.Run(ScalarKernels(), 0, n);
  got.Run(table, 0, n);
  // Keys have length 1 and rates are at most 1, so errors of a corrected state do not grow; else they do with the
  // sum. A sum of key_dim products has an error of at most that many roundings of the state's largest column, of
  // length sqrt(key_dim) at the start.
  const float growth = kind.corrects ? 1.0f : static_cast<float>(n + 1);
  const float bound = 4 * static_cast<float>(key_dim + 8) * std::sqrt(static_cast<float>(key_dim) + 1) * kEps * growth;
  ExpectClose("delta", table.isa, got.rows, want.rows, std::vector<float>(got.rows.size(), bound));
  ExpectClose("delta state", table.isa, got.state, want.state, std::vector<float>(got.state.size(), bound));
  split.Run(table, 0, n / 3);
  for (size_t t = n / 3; t < n; ++t) split.Run(table, t, 1);
  CHECK_MSG(split.rows == got.rows && split.state == got.state, "delta in several calls on " << IsaName(table.isa));
  for (size_t i = 0; i < key_dim; ++i)
    for (size_t c = channels; c < kDeltaStrip; ++c) CHECK(got.state[1 + i * kDeltaStrip + c] == 0);
}

}  // namespace

TEST(DeltaAgrees) {
  for (const Kernels* table : FastTables()) {
    for (const Kind kind : kKinds) {
      for (size_t key_dim : {1, 2, 3, 7, 8, 16, 31, 64, 128}) {
        for (size_t channels : {1, 5, 8, 15, 16}) {
          for (size_t n : {0, 1, 2, 13, 40}) CheckDelta(*table, kind, key_dim, channels, n);
        }
      }
    }
  }
}

// Over 32,768 tokens, sums without decay stay close to sums in double, and states with decays or corrections stay
// bounded.
TEST(DeltaOverLongSequences) {
  constexpr size_t kTokens = 32768, kKeys = 3;
  for (Isa isa : TestedIsas()) {
    for (const Kind kind : kKinds) {
      Head head(kind, kTokens, kKeys, 2);
      for (float& x : head.state) x = 0;
      for (size_t t = 0; t < kTokens; ++t) {
        float *q = head.Row(t), *k = q + kKeys;
        for (size_t i = 0; i < kKeys; ++i) {
          q[i] = std::fabs(q[i]);
          k[i] = std::fabs(k[i]);
          head.Decays(t)[i] = i == 0 ? 1.0f : i == 1 ? 0.999f : 0.0f;
        }
        if (kind.decay == Decay::kShared) head.Decays(t)[0] = 0.999f;
        head.Scalars(t)[1] = DotProduct(q, k, kKeys);
        q[2 * kKeys] = 1;  // the first value
      }
      Head start = head;
      double state[kKeys] = {}, worst = 0, largest = 0;
      head.Run(*GetKernels(isa), 0, kTokens);
      for (size_t t = 0; t < kTokens; ++t) {
        const float *q = start.Row(t), *k = q + kKeys, *decay = start.Decays(t);
        double recalled = 0, out = 0;
        for (size_t i = 0; i < kKeys; ++i) {
          if (kind.decay != Decay::kNone) state[i] *= decay[kind.decay == Decay::kChannel ? i : 0];
          recalled += state[i] * k[i];
        }
        const double change = kind.corrects ? start.Scalars(t)[0] * (1 - recalled) : 1;
        for (size_t i = 0; i < kKeys; ++i) {
          state[i] += k[i] * change;
          out += state[i] * q[i];
        }
        worst = std::fmax(worst, std::fabs(out - head.Row(t)[2 * kKeys]));
        largest = std::fmax(largest, std::fabs(out));
      }
      CHECK_MSG(worst <= 1e-4 * largest, IsaName(isa) << ": error " << worst << " of " << largest);
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
      table.delta({state.data(), 1, 2, 1, 0, k, k, &value, &decay, false, &rate, &dot});
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

TEST(GatesAgree) {
  for (const Kernels* table : FastTables()) {
    for (size_t n : {1, 7, 16, 33, 100}) {
      std::vector<float> x = Uniform(n, 1), up = Uniform(n, 2), bias = Uniform(n, 3), want(n), got(n);
      constexpr float kExtremes[] = {0.0f, -0.0f, 90.0f, -90.0f, 1e4f, -1e4f, 17.0f, -17.0f};
      for (size_t i = 0; i < n; ++i) x[i] = i % 3 == 0 ? kExtremes[i / 3 % 8] : 8 * x[i];
      std::vector<float> tolerance(n, 8 * kEps);
      ScalarKernels().sigmoid_gate(x.data(), up.data(), n, want.data());
      table->sigmoid_gate(x.data(), up.data(), n, got.data());
      ExpectClose("sigmoid gate", table->isa, got, want, tolerance);
      for (const float sign : {1.0f, -1.0f}) {
        for (const float rate : {-16.0f, -1.0f, kGlaRate, 0.0f}) {
          want = got = x;
          ScalarKernels().decays(bias.data(), sign, rate, n, want.data());
          table->decays(bias.data(), sign, rate, n, got.data());
          // An error of the logarithm is multiplied by it; where that is large, the decay is small.
          ExpectClose("decays", table->isa, got, want, tolerance);
        }
      }
      want = got = x;
      ScalarKernels().elu_plus_one(want.data(), n);
      table->elu_plus_one(got.data(), n);
      for (size_t i = 0; i < n; ++i) tolerance[i] = 8 * kEps * (1 + std::fabs(want[i]));
      ExpectClose("elu + 1", table->isa, got, want, tolerance);
    }
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
