// build: x86_64:
// build: aarch64: -fno-tree-vectorize
// Mamba-2's recurrence in training against central differences of a naive version in double, also over several
// blocks of tokens. (Flags: see train_math_test.cc.)
#include <cmath>
#include <vector>

#include "tests/train_differences.h"

namespace edgefront::testing {
namespace {

using train::Math;
using train::PadUp;

// Inputs of one head, and their gradients. Decays are exp(log), from almost 0 to 1.
struct Head {
  int length, channels = 3, states = 5;
  Padded x{length, channels, 1}, b{length, states, 2}, c{length, states, 3}, dt{1, length, 4}, log{1, length, 5, 0}, d{1, 1, 6};
  Padded dy{length, channels, 7}, y{length, channels, 8, 0};
  Padded dx = y, db{length, states, 9, 0}, dc = db, ddt = log, dlog = log, dd{1, 1, 10, 0};
  std::vector<float> decay = std::vector<float>(length), kept, scratch;

  explicit Head(int tokens) : length(tokens) {
    for (int t = 0; t < length; ++t) log.at(0, t) = t % 7 == 3 ? -40.0f : t % 5 == 1 ? 0.0f : -std::fabs(dt.at(0, t));
    for (int t = 0; t < length; ++t) decay[t] = std::exp(log.at(0, t));
    kept.resize(train::SsmKept(length, channels, PadUp(states)));
    scratch.resize(train::SsmScratch(PadUp(states)));
  }

  void Run(const Math& math) {
    const train::Ssm s{length, channels, PadUp(states), x.p(),      x.ld,        b.p(),         c.p(),
                       b.ld,   dt.p(),   decay.data(),  d.at(0, 0), kept.data(), scratch.data()};
    math.ssm(s, y.p(), y.ld);
    dd.at(0, 0) = math.ssm_grad(s, {dy.p(), dy.ld, dx.p(), db.p(), dc.p(), ddt.p(), dlog.p()});
  }

  double Loss() {
    double total = 0;
    for (int p = 0; p < channels; ++p) {
      std::vector<double> s(states);
      for (int t = 0; t < length; ++t) {
        double out = static_cast<double>(d.at(0, 0)) * x.at(t, p);
        for (int i = 0; i < states; ++i) {
          s[i] = s[i] * std::exp(static_cast<double>(log.at(0, t))) + static_cast<double>(dt.at(0, t)) * x.at(t, p) * b.at(t, i);
          out += s[i] * c.at(t, i);
        }
        total += out * dy.at(t, p);
      }
    }
    return total;
  }
};

TEST(TrainSsmGradient) {
  for (const Math* math : AllMath()) {
    for (const int length : {1, 5, 64, 65, 130}) {
      Head head(length);
      head.Run(*math);
      double direct = 0;
      for (int t = 0; t < length; ++t) {
        for (int p = 0; p < head.channels; ++p) direct += static_cast<double>(head.y.at(t, p)) * head.dy.at(t, p);
      }
      CHECK_NEAR(direct, head.Loss(), 1e-5 * length * head.channels);
      const auto loss = [&] { return head.Loss(); };
      CompareWithDifferences(math->isa, "ssm dx", head.x, head.dx, loss);
      CompareWithDifferences(math->isa, "ssm db", head.b, head.db, loss);
      CompareWithDifferences(math->isa, "ssm dc", head.c, head.dc, loss);
      CompareWithDifferences(math->isa, "ssm ddt", head.dt, head.ddt, loss);
      CompareWithDifferences(math->isa, "ssm dlog", head.log, head.dlog, loss);
      CompareWithDifferences(math->isa, "ssm dd", head.d, head.dd, loss);
    }
  }
}

}  // namespace
}  // namespace edgefront::testing
