// build: x86_64:
// build: aarch64: -fno-tree-vectorize
// (GCC 12's vectoriser crashes on this file for aarch64: internal error in vect_transform_reduction.)
// The trainer's operators on every instruction set of this machine. Each backward pass is compared with
// central differences of its forward pass, written naively in double. GEMM: train_gemm_test.cc; attention:
// train_attention_test.cc.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <utility>
#include <vector>

#include "tests/train_differences.h"

namespace edgefront::testing {
namespace {

using train::Math;
using train::PadUp;
using train::Stride;

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
        // B, C and h are three padded blocks side by side.
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
          // Each head has one padded row.
          Padded x(length * heads, hd, 1), dy(length * heads, hd, 2), w(1, hd, 3), dw(1, hd, 4, 0);
          const ptrdiff_t ld = heads * wide;
          std::vector<float> cosines(length * half), sines(length * half), rstd(length * heads), xs(length * ld), ys(length * ld),
              gs(length * ld);
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

TEST(TrainCrossEntropyGradient) {
  for (const Math* math : AllMath()) {
    for (const int vocab : {2, 15, 16, 33, 100}) {
      const int rows = 3;
      Padded logits(rows, vocab, 1, 8.0f);
      const uint16_t targets[rows] = {0, static_cast<uint16_t>(vocab - 1), static_cast<uint16_t>(vocab / 2)};
      logits.at(1, vocab - 1) = 9.0f;  // the only row that is certainly right
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
  // A row of equal logits is not counted as right.
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
