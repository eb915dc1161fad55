// build: x86_64:
// build: aarch64: -fno-tree-vectorize
// (GCC 12's vectoriser crashes on this file for aarch64: internal error in vect_transform_reduction.)
// The trainer's attention on every instruction set of this machine: compared with the plain build, and its
// gradients with central differences of attention written naively in double.
#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "tests/train_differences.h"

namespace edgefront::testing {
namespace {

using train::Math;

struct AttentionCase {
  int length, heads, kv_heads, hd, window;
};

const AttentionCase kAttentionCases[] = {{1, 1, 1, 16, 0},  {5, 2, 1, 16, 0},  {17, 4, 2, 16, 3},
                                         {33, 1, 1, 32, 0}, {40, 2, 2, 16, 1}, {49, 1, 1, 16, 20}};

// Compares with the plain build, which the next test compares with differences. That test takes too long on
// an emulated processor.
TEST(TrainAttentionAgrees) {
  struct Values {
    Padded o, dq, dk, dv;
  };
  const auto values = [](const Math& math, const AttentionCase& c) {
    const int wq = c.heads * c.hd, wkv = c.kv_heads * c.hd;
    Padded q(c.length, wq, 1), k(c.length, wkv, 2), v(c.length, wkv, 3), dout(c.length, wq, 4);
    Values out{Padded(c.length, wq, 5), Padded(c.length, wq, 6), Padded(c.length, wkv, 7), Padded(c.length, wkv, 8)};
    std::vector<float> lse(c.heads * c.length), scratch(train::AttentionScratch(c.length, c.hd));
    const train::Attention a{c.length,   c.heads,       c.kv_heads, c.hd, c.window, 1 / std::sqrt(static_cast<float>(c.hd)),
                             q.p(),      k.p(),         v.p(),      q.ld, k.ld,     out.o.p(),
                             lse.data(), scratch.data()};
    math.attention(a);
    math.attention_grad(a, {dout.p(), out.dq.p(), out.dk.p(), out.dv.p()});
    return out;
  };
  const Math* plain = train::SelectMath("scalar") ? train::SelectMath("scalar") : train::SelectMath("neon");
  REQUIRE(plain != nullptr);
  for (const AttentionCase& c : kAttentionCases) {
    Values want = values(*plain, c);
    for (const Math* math : AllMath()) {
      Values got = values(*math, c);
      const std::pair<Padded*, Padded*> pairs[] = {{&got.o, &want.o}, {&got.dq, &want.dq}, {&got.dk, &want.dk}, {&got.dv, &want.dv}};
      for (const auto& [x, y] : pairs) {
        double worst = 0;
        for (int i = 0; i < x->rows; ++i) {
          for (int j = 0; j < x->cols; ++j) {
            const double error = std::fabs(static_cast<double>(x->at(i, j)) - y->at(i, j));
            if (!(error <= worst)) worst = error == error ? error : INFINITY;
          }
        }
        CHECK_MSG(worst <= 1e-5, math->isa << ": " << x - &got.o << " of o, dq, dk, dv is off by " << worst << ", length " << c.length
                                           << ", window " << c.window);
      }
    }
  }
}

TEST(TrainAttentionGradient) {
  for (const Math* math : AllMath()) {
    for (const AttentionCase& c : kAttentionCases) {
      const int wq = c.heads * c.hd, wkv = c.kv_heads * c.hd;
      Padded q(c.length, wq, 1), k(c.length, wkv, 2), v(c.length, wkv, 3), dout(c.length, wq, 4), o(c.length, wq, 5);
      Padded dq(c.length, wq, 6), dk(c.length, wkv, 7), dv(c.length, wkv, 8);
      std::vector<float> lse(c.heads * c.length), scratch(train::AttentionScratch(c.length, c.hd));
      const float scale = 1 / std::sqrt(static_cast<float>(c.hd));
      const train::Attention a{c.length, c.heads, c.kv_heads, c.hd, c.window, scale,      q.p(),
                               k.p(),    v.p(),   q.ld,       k.ld, o.p(),    lse.data(), scratch.data()};
      math->attention(a);
      math->attention_grad(a, {dout.p(), dq.p(), dk.p(), dv.p()});
      const auto loss = [&] {
        double total = 0;
        std::vector<double> p(c.length);
        for (int h = 0; h < c.heads; ++h) {
          const int kvh = h / (c.heads / c.kv_heads) * c.hd;
          for (int t = 0; t < c.length; ++t) {
            const int first = c.window > 0 ? std::max(0, t - c.window + 1) : 0;
            double sum = 0;
            for (int s = first; s <= t; ++s) {
              double dot = 0;
              for (int i = 0; i < c.hd; ++i) dot += static_cast<double>(q.at(t, h * c.hd + i)) * k.at(s, kvh + i);
              sum += p[s] = std::exp(dot * scale);
            }
            for (int s = first; s <= t; ++s) {
              for (int i = 0; i < c.hd; ++i) total += p[s] / sum * v.at(s, kvh + i) * dout.at(t, h * c.hd + i);
            }
          }
        }
        return total;
      };
      double direct = 0;
      for (int t = 0; t < c.length; ++t) {
        for (int i = 0; i < wq; ++i) direct += static_cast<double>(o.at(t, i)) * dout.at(t, i);
      }
      CHECK_NEAR(direct, loss(), 1e-6 * c.length * wq);
      CompareWithDifferences(math->isa, "attention dq", q, dq, loss);
      CompareWithDifferences(math->isa, "attention dk", k, dk, loss);
      CompareWithDifferences(math->isa, "attention dv", v, dv, loss);
    }
  }
}

}  // namespace
}  // namespace edgefront::testing
