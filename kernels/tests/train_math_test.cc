// build: x86_64:
// build: aarch64: -fno-tree-vectorize
// (GCC 12's vectoriser crashes on this file for aarch64: internal error in vect_transform_reduction.)
// The trainer's operators on every instruction set this machine has (GEMM: train_gemm_test.cc): each backward pass against central
// differences of its own forward pass written naively in double.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <utility>
#include <vector>

#include "tests/test.h"
#include "tests/train_matrix.h"

namespace edgefront::testing {
namespace {

using train::kPad;
using train::Math;
using train::PadUp;
using train::Stride;

// Checks `analytic` (d loss / d x at the elements x walks over) against central differences of `loss`, which is evaluated in double from
// float inputs. Error of the difference: O(h^2 f''') + rounding of x + h (exactly representable steps remove that); h = 2^-10.
void CompareWithDifferences(const char* isa, const char* what, Padded& x, Padded& analytic, const std::function<double()>& loss) {
  const float h = 0x1p-10f;
  double scale = 0.05;  // inputs are of size 1, so gradients that cancel to less are rounding
  for (int i = 0; i < x.rows; ++i) {
    for (int j = 0; j < x.cols; ++j) scale = std::fmax(scale, std::fabs(static_cast<double>(analytic.at(i, j))));
  }
  double worst = 0;
  int at_i = 0, at_j = 0;
  for (int i = 0; i < x.rows; ++i) {
    for (int j = 0; j < x.cols; ++j) {
      const float saved = x.at(i, j);
      const float up = saved + h, down = saved - h;
      x.at(i, j) = up;
      const double f1 = loss();
      x.at(i, j) = down;
      const double f0 = loss();
      x.at(i, j) = saved;
      const double difference = (f1 - f0) / (static_cast<double>(up) - static_cast<double>(down));
      const double error = std::fabs(difference - static_cast<double>(analytic.at(i, j)));
      if (error > worst) {
        worst = error;
        at_i = i;
        at_j = j;
      }
    }
  }
  // Curvature of these functions is of the size of their gradients: h^2 = 1e-6, times a margin of 20; fp32 rounding is below that.
  CHECK_MSG(worst <= 2e-5 * scale, isa << " " << what << ": error " << worst << " at (" << at_i << ", " << at_j << "), gradients up to " << scale);
}

TEST(TrainRmsNormGradient) {
  const int rows = 3;
  const double eps = 1e-5;
  for (const Math* math : AllMath()) {
    for (const int d : {1, 7, 16, 17, 33}) {
      Padded x(rows, d, 1), w(1, d, 2), dy(rows, d, 3), y(rows, d, 4), dx(rows, d, 5, 0), dw(1, d, 6, 0);
      std::vector<float> rstd(rows);
      math->rms_norm(rows, d, PadUp(d), x.p(), x.ld, w.p(), 1e-5f, y.p(), y.ld, rstd.data());
      math->rms_norm_grad(rows, d, PadUp(d), x.p(), x.ld, w.p(), rstd.data(), dy.p(), dy.ld, dx.p(), dx.ld, dw.p());
      const auto loss = [&] {
        double total = 0;
        for (int r = 0; r < rows; ++r) {
          double squares = 0;
          for (int i = 0; i < d; ++i) squares += static_cast<double>(x.at(r, i)) * x.at(r, i);
          for (int i = 0; i < d; ++i) total += x.at(r, i) / std::sqrt(squares / d + eps) * w.at(0, i) * dy.at(r, i);
        }
        return total;
      };
      double direct = 0;
      for (int r = 0; r < rows; ++r) {
        for (int i = 0; i < d; ++i) direct += static_cast<double>(y.at(r, i)) * dy.at(r, i);
      }
      CHECK_NEAR(direct, loss(), 1e-5 * d);
      if (d > 1) CompareWithDifferences(math->isa, "rms_norm dx", x, dx, loss);
      CompareWithDifferences(math->isa, "rms_norm dweight", w, dw, loss);
    }
  }
}

TEST(TrainConvGradient) {
  for (const Math* math : AllMath()) {
    for (const int k : {2, 3, 5, 8}) {
      for (const int length : {1, 4, 13}) {
        const int d = 19, width = PadUp(d);
        // B, C and h as three padded blocks side by side.
        Padded parts(3 * length, d, 1), taps(k, d, 2), du(length, d, 3), y(length, d, 4, 0), u(length, d, 5, 0), dtaps(k, d, 6, 0);
        Padded dparts(3 * length, d, 7, 0), dz(length, d, 8, 0);
        const ptrdiff_t ldb = Stride(3 * width);
        std::vector<float> bch(length * ldb), dbch(length * ldb), flat_taps(k * width), flat_dtaps(k * width);
        for (int t = 0; t < length; ++t) {
          for (int part = 0; part < 3; ++part) std::copy_n(&parts.at(part * length + t, 0), width, &bch[t * ldb + part * width]);
        }
        for (int j = 0; j < k; ++j) std::copy_n(&taps.at(j, 0), width, &flat_taps[j * width]);
        math->conv(length, width, k, flat_taps.data(), bch.data(), ldb, y.p(), u.p(), u.ld);
        math->conv_grad(length, width, k, flat_taps.data(), bch.data(), ldb, y.p(), du.p(), u.ld, dbch.data(), flat_dtaps.data(), dz.p());
        for (int t = 0; t < length; ++t) {
          for (int part = 0; part < 3; ++part) std::copy_n(&dbch[t * ldb + part * width], width, &dparts.at(part * length + t, 0));
        }
        for (int j = 0; j < k; ++j) std::copy_n(&flat_dtaps[j * width], width, &dtaps.at(j, 0));
        const auto loss = [&] {
          double total = 0;
          for (int t = 0; t < length; ++t) {
            for (int i = 0; i < d; ++i) {
              double z = 0;
              for (int j = 0; j < k; ++j) {
                const int s = t - (k - 1 - j);
                if (s >= 0) z += static_cast<double>(taps.at(j, i)) * parts.at(s, i) * parts.at(2 * length + s, i);
              }
              total += z * parts.at(length + t, i) * du.at(t, i);
            }
          }
          return total;
        };
        double direct = 0;
        for (int t = 0; t < length; ++t) {
          for (int i = 0; i < d; ++i) direct += static_cast<double>(u.at(t, i)) * du.at(t, i);
        }
        CHECK_NEAR(direct, loss(), 1e-5 * length * d);
        CompareWithDifferences(math->isa, "conv dB dC dh", parts, dparts, loss);
        CompareWithDifferences(math->isa, "conv dtaps", taps, dtaps, loss);
      }
    }
  }
}

TEST(TrainSwiGluGradient) {
  for (const Math* math : AllMath()) {
    const int rows = 2, f = 35;
    Padded gate(rows, f, 1, 6.0f), up(rows, f, 2), act(rows, f, 3), dact(rows, f, 4);
    math->swiglu(rows, PadUp(f), gate.p(), up.p(), gate.ld, act.p());
    Padded dgate = gate, dup = up;
    math->swiglu_grad(rows, PadUp(f), dgate.p(), dup.p(), gate.ld, dact.p());
    const auto loss = [&] {
      double total = 0;
      for (int r = 0; r < rows; ++r) {
        for (int i = 0; i < f; ++i) {
          const double g = gate.at(r, i);
          total += g / (1 + std::exp(-g)) * up.at(r, i) * dact.at(r, i);
        }
      }
      return total;
    };
    double direct = 0;
    for (int r = 0; r < rows; ++r) {
      for (int i = 0; i < f; ++i) direct += static_cast<double>(act.at(r, i)) * dact.at(r, i);
    }
    CHECK_NEAR(direct, loss(), 1e-4);
    CompareWithDifferences(math->isa, "swiglu dgate", gate, dgate, loss);
    CompareWithDifferences(math->isa, "swiglu dup", up, dup, loss);
  }
}

TEST(TrainHeadRopeGradient) {
  for (const Math* math : AllMath()) {
    for (const bool interleaved : {false, true}) {
      for (const bool norm : {false, true}) {
        for (const int hd : {2, 8, 16, 20}) {
          const int length = 3, heads = 2, wide = PadUp(hd), half = hd / 2;
          // One padded row a head.
          Padded x(length * heads, hd, 1), dy(length * heads, hd, 2), w(1, hd, 3), dw(1, hd, 4, 0);
          const ptrdiff_t ld = heads * wide;
          std::vector<float> cosines(length * half), sines(length * half), rstd(length * heads), xs(length * ld), ys(length * ld), gs(length * ld);
          for (int i = 0; i < length * half; ++i) {
            cosines[i] = std::cos(static_cast<float>(i));
            sines[i] = std::sin(static_cast<float>(i));
          }
          for (int r = 0; r < length * heads; ++r) {
            std::copy_n(&x.at(r, 0), wide, &xs[static_cast<size_t>(r) * wide]);
            std::copy_n(&dy.at(r, 0), wide, &gs[static_cast<size_t>(r) * wide]);
          }
          const float* weight = norm ? w.p() : nullptr;
          math->head_rope(length, heads, hd, wide, xs.data(), ys.data(), ld, weight, 1e-5f, rstd.data(), cosines.data(), sines.data(),
                          interleaved);
          math->head_rope_grad(length, heads, hd, wide, xs.data(), gs.data(), ld, weight, rstd.data(), cosines.data(), sines.data(),
                               interleaved, dw.p());
          Padded dx(length * heads, hd, 5, 0);
          for (int r = 0; r < length * heads; ++r) std::copy_n(&gs[static_cast<size_t>(r) * wide], wide, &dx.at(r, 0));
          const auto loss = [&] {
            double total = 0;
            for (int r = 0; r < length * heads; ++r) {
              double squares = 0;
              for (int i = 0; i < hd; ++i) squares += static_cast<double>(x.at(r, i)) * x.at(r, i);
              const double s = norm ? 1 / std::sqrt(squares / hd + 1e-5) : 1.0;
              for (int i = 0; i < half; ++i) {
                const int i0 = interleaved ? 2 * i : i, i1 = interleaved ? 2 * i + 1 : i + half;
                const double a = x.at(r, i0) * s * (norm ? w.at(0, i0) : 1.0f), b = x.at(r, i1) * s * (norm ? w.at(0, i1) : 1.0f);
                const double c = cosines[r / heads * half + i], n = sines[r / heads * half + i];
                total += (a * c - b * n) * dy.at(r, i0) + (a * n + b * c) * dy.at(r, i1);
              }
            }
            return total;
          };
          double direct = 0;
          for (int r = 0; r < length * heads; ++r) {
            for (int i = 0; i < hd; ++i) direct += static_cast<double>(ys[static_cast<size_t>(r) * wide + i]) * dy.at(r, i);
          }
          CHECK_NEAR(direct, loss(), 1e-4);
          if (hd > 2) CompareWithDifferences(math->isa, "head_rope dx", x, dx, loss);
          if (norm) CompareWithDifferences(math->isa, "head_rope dweight", w, dw, loss);
        }
      }
    }
  }
}

struct AttentionCase {
  int length, heads, kv_heads, hd, window;
};

const AttentionCase kAttentionCases[] = {{1, 1, 1, 16, 0}, {5, 2, 1, 16, 0}, {17, 4, 2, 16, 3}, {33, 1, 1, 32, 0}, {40, 2, 2, 16, 1}, {49, 1, 1, 16, 20}};

// Against the plain build, which the next test holds against differences: that one is too long for an emulated processor.
TEST(TrainAttentionAgrees) {
  struct Values {
    Padded o, dq, dk, dv;
  };
  const auto values = [](const Math& math, const AttentionCase& c) {
    const int wq = c.heads * c.hd, wkv = c.kv_heads * c.hd;
    Padded q(c.length, wq, 1), k(c.length, wkv, 2), v(c.length, wkv, 3), dout(c.length, wq, 4);
    Values out{Padded(c.length, wq, 5), Padded(c.length, wq, 6), Padded(c.length, wkv, 7), Padded(c.length, wkv, 8)};
    std::vector<float> lse(c.heads * c.length), scratch(train::AttentionScratch(c.length, c.hd));
    const train::Attention a{c.length, c.heads, c.kv_heads, c.hd, c.window, 1 / std::sqrt(static_cast<float>(c.hd)), q.p(), k.p(), v.p(), q.ld, k.ld,
                             out.o.p(), lse.data(), scratch.data()};
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
        CHECK_MSG(worst <= 1e-5, math->isa << ": " << x - &got.o << " of o, dq, dk, dv is off by " << worst << ", length " << c.length << ", window " << c.window);
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
      const train::Attention a{c.length, c.heads, c.kv_heads, c.hd, c.window, scale, q.p(), k.p(), v.p(), q.ld, k.ld, o.p(), lse.data(), scratch.data()};
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

TEST(TrainCrossEntropyGradient) {
  for (const Math* math : AllMath()) {
    for (const int vocab : {2, 15, 16, 33, 100}) {
      const int rows = 3;
      Padded logits(rows, vocab, 1, 8.0f);
      const uint16_t targets[rows] = {0, static_cast<uint16_t>(vocab - 1), static_cast<uint16_t>(vocab / 2)};
      logits.at(1, vocab - 1) = 9.0f;  // the only row that is right for sure
      Padded gradient = logits;
      const train::CrossEntropyResult r = math->cross_entropy(rows, vocab, gradient.p(), gradient.ld, targets, 0.5f);
      int right = 0;
      for (int i = 0; i < rows; ++i) {
        bool largest = true;
        for (int j = 0; j < vocab; ++j) largest = largest && (j == targets[i] || logits.at(i, j) < logits.at(i, targets[i]));
        right += largest;
        for (int j = vocab; j < PadUp(vocab); ++j) CHECK(gradient.at(i, j) == 0.0f);
      }
      CHECK(r.right == right && right >= 1);
      const auto loss = [&] {
        double total = 0;
        for (int i = 0; i < rows; ++i) {
          double sum = 0;
          for (int j = 0; j < vocab; ++j) sum += std::exp(static_cast<double>(logits.at(i, j)));
          total += std::log(sum) - logits.at(i, targets[i]);
        }
        return total * 0.5;
      };
      CHECK_NEAR(r.loss * 0.5, loss(), 1e-5);
      CompareWithDifferences(math->isa, "cross_entropy", logits, gradient, loss);
    }
  }
  // All-equal logits answer nothing.
  Padded flat(1, 8, 1, 0.0f);
  const uint16_t target = 3;
  CHECK(train::SelectMath("auto")->cross_entropy(1, 8, flat.p(), flat.ld, &target, 1.0f).right == 0);
}

TEST(TrainAdamMatchesDouble) {
  for (const Math* math : AllMath()) {
    Padded p(1, 32, 1), g(1, 32, 2, 1e-3f), m(1, 32, 3, 1e-3f), v(1, 32, 4, 1e-6f);
    for (int i = 0; i < 32; ++i) v.at(0, i) = std::fabs(v.at(0, i));
    Padded p0 = p, m0 = m, v0 = v;
    const train::AdamStep s{1e-2f, 0.9f, 0.95f, 1e-8f, 1e-3f, 0.19f, 0.0975f, 0.5f};
    math->adam(32, p.p(), g.p(), m.p(), v.p(), s);
    for (int i = 0; i < 32; ++i) {
      const double gi = 0.5 * g.at(0, i);
      const double mi = 0.9 * m0.at(0, i) + 0.1 * gi, vi = 0.95 * v0.at(0, i) + 0.05 * gi * gi;
      const double want = p0.at(0, i) * (1 - 1e-3) - 1e-2 * (mi / 0.19) / (std::sqrt(vi / 0.0975) + 1e-8);
      CHECK_NEAR(p.at(0, i), want, 1e-6 * (1 + std::fabs(want)));
    }
  }
}

}  // namespace
}  // namespace edgefront::testing
