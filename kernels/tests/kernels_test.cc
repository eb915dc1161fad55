// Every kernel table of this machine against the scalar one, except products (panel_mul_test.cc). Inputs are
// misaligned, tolerances derive from the arithmetic, and failures name the worst element.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "quant/half.h"
#include "tests/kernel_inputs.h"

namespace edgefront::testing {

// Compares all int8 codes. An input that is not rounded to a float first changes one code in 100,000, so a
// million are compared.
TEST(QuantiseAgrees) {
  for (const Kernels* table : FastTables()) {
    for (size_t share : {32, 256}) {
      for (size_t k : {size_t{0}, share, 2 * share, 3 * share, size_t{1024}, size_t{1} << 20}) {
        std::vector<float> x = Uniform(k + 1, 3);
        // A block of zeros only.
        if (k >= 2 * share) std::fill(x.begin() + 1, x.begin() + 1 + static_cast<ptrdiff_t>(share), 0.0f);
        QuantStore a, b;
        Quantise(ScalarKernels(), x, 1, 1, k, a, share);
        Quantise(*table, x, 1, 1, k, b, share);
        CHECK(a.q == b.q && a.scale == b.scale && a.sum8 == b.sum8 && a.sum16 == b.sum16);
      }
    }
  }
}

// Weights in a file may produce NaN and infinities. These are clamped like large numbers, never converted to
// integers directly.
TEST(QuantiseOfWhatIsNoNumber) {
  const float bad[] = {std::nanf(""), -std::nanf(""), INFINITY, -INFINITY, 3e38f, -3e38f};
  for (Isa isa : TestedIsas()) {
    const Kernels& table = *GetKernels(isa);
    for (float x : bad) {
      for (size_t at = 0; at < 32; at += 5) {
        std::vector<float> values(32, 0.5f);
        values[at] = x;
        QuantStore s;
        const Activations a = Quantise(table, values, 0, 1, 32, s);
        for (size_t i = 0; i < 32; ++i) CHECK_MSG(a.q[i] != -128, IsaName(isa) << " " << x << " at " << at);
        if (x != x) CHECK_MSG(a.q[at] == 127, IsaName(isa) << ": NaN became " << int{a.q[at]});
        std::vector<int8_t> k(64 * 32), v(64 * 32);
        std::vector<uint16_t> ks(64), vs(64);
        table.store_kv({KvFormat::kQ8, 64, 32, k.data(), v.data(), ks.data(), vs.data()}, 0, values.data(), values.data(), 32);
        for (int8_t q : v) CHECK(q != -128);
      }
    }
  }
}

TEST(ElementwiseAgrees) {
  for (const Kernels* table : FastTables()) {
    for (size_t n = 1; n <= 67; ++n) {
      for (size_t offset : {0, 1, 3, 7, 16, 17}) {
        const std::vector<float> x = Uniform(n + offset, 3), w = Uniform(n + offset, 4);
        std::vector<float> want(n), got(n), tolerance(n);
        ScalarKernels().rmsnorm(x.data() + offset, w.data() + offset, n, 1e-5f, want.data());
        table->rmsnorm(x.data() + offset, w.data() + offset, n, 1e-5f, got.data());
        for (size_t i = 0; i < n; ++i) tolerance[i] = std::fabs(want[i]) * (static_cast<float>(n) / 16 + 8) * kEps + 1e-30f;
        ExpectClose("rmsnorm", table->isa, got, want, tolerance);

        std::vector<float> gate(n);
        for (size_t i = 0; i < n; ++i) gate[i] = x[i + offset] * (i % 5 == 0 ? 120.0f : 8.0f);
        ScalarKernels().swiglu(gate.data(), w.data() + offset, n, want.data());
        table->swiglu(gate.data(), w.data() + offset, n, got.data());
        for (size_t i = 0; i < n; ++i) tolerance[i] = std::fabs(want[i]) * 8 * kEps + 1e-34f;
        ExpectClose("swiglu", table->isa, got, want, tolerance);
      }
    }
  }
}

TEST(ConvAgrees) {
  for (const Kernels* table : FastTables()) {
    for (size_t k = 1; k <= 9; ++k) {
      for (size_t d : {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 65, 131}) {
        for (size_t n : {0, 1, 2, 3, 7, 8, 9, 20}) {
          const std::vector<float> proj = Uniform(3 * d * n, k), taps = Uniform(k * d, 2), state = Uniform(k * d, 9);
          std::vector<float> want = proj, got = proj, want_state = state, got_state = state;
          ScalarKernels().conv({{want.data(), want_state.data(), n, d, d > 16 ? size_t{16} : 0, d}, taps.data(), k});
          table->conv({{got.data(), got_state.data(), n, d, d > 16 ? size_t{16} : 0, d}, taps.data(), k});
          std::vector<float> want_out, got_out;
          for (size_t t = 0; t < n; ++t) {
            want_out.insert(want_out.end(), want.begin() + (3 * t + 1) * d, want.begin() + (3 * t + 2) * d);
            got_out.insert(got_out.end(), got.begin() + (3 * t + 1) * d, got.begin() + (3 * t + 2) * d);
          }
          ExpectClose("conv", table->isa, got_out, want_out,
                      std::vector<float>(want_out.size(), static_cast<float>(k + 2) * static_cast<float>(k) * kEps));
          CHECK_MSG(got_state == want_state, "conv state, k " << k << " d " << d << " n " << n << " on " << IsaName(table->isa));
        }
      }
    }
  }
}

// Tokens in two calls as in one: the state is exact on every instruction set, whatever the chunk.
TEST(ConvSiluAgrees) {
  for (const Kernels* table : FastTables()) {
    for (size_t k = 1; k <= 9; ++k) {
      for (size_t d : {1, 7, 8, 16, 17, 33, 64, 65, 131}) {
        for (size_t n : {0, 1, 2, 3, 7, 8, 20}) {
          const size_t stride = d + 5, c0 = d > 16 ? 16 : 0;
          std::vector<float> x = Uniform(stride * n + 1, k);
          for (size_t i = 0; i < x.size(); i += 7) x[i] *= 300;  // where SiLU's exponential overflows
          const std::vector<float> taps = Uniform(k * d, 2), state = Uniform(k * d, 9), bias = Uniform(d, 4);
          const float* biases[] = {bias.data(), nullptr};
          for (const float* b : biases) {
            std::vector<float> want = x, got = x, split = x, want_state = state, got_state = state, split_state = state;
            ScalarKernels().conv_silu({want.data(), stride, taps.data(), b, want_state.data(), n, d, k, c0, d});
            table->conv_silu({got.data(), stride, taps.data(), b, got_state.data(), n, d, k, c0, d});
            ExpectClose("conv_silu", table->isa, got, want, std::vector<float>(x.size(), 300 * static_cast<float>((k + 8) * k) * kEps));
            CHECK_MSG(got_state == want_state, "conv_silu state, k " << k << " d " << d << " n " << n << " on " << IsaName(table->isa));
            const size_t half = n / 2;
            table->conv_silu({split.data(), stride, taps.data(), b, split_state.data(), half, d, k, c0, d});
            table->conv_silu({split.data() + half * stride, stride, taps.data(), b, split_state.data(), n - half, d, k, c0, d});
            CHECK_MSG(split == got && split_state == got_state, "conv_silu in two calls on " << IsaName(table->isa));
          }
        }
      }
    }
  }
}

TEST(AttendAgrees) {
  for (const Kernels* table : FastTables()) {
    for (KvFormat format : {KvFormat::kF16, KvFormat::kQ8, KvFormat::kF32}) {
      for (size_t hd : {32, 64, 96, 128, 256}) {
        const size_t ring = 192, head_dim = hd - (hd == 96 ? 14 : 0), count = 300;  // the ring wraps
        std::vector<uint8_t> k(ring * hd * 4 + 64), v(ring * hd * 4 + 64);
        std::vector<uint16_t> ks(ring * hd / 32), vs(ring * hd / 32);
        const KvHead kv{format, ring, hd, k.data() + 4, v.data() + 4, ks.data(), vs.data()};
        for (size_t p = 0; p < count; ++p) {
          const std::vector<float> row = Uniform(2 * hd, 100 + p);
          table->store_kv(kv, p % ring, row.data(), row.data() + hd, head_dim);
        }
        for (int rows = 1; rows <= kAttendRows; ++rows) {
          std::vector<float> q = Uniform(rows * hd, rows);
          for (int r = 0; r < rows; ++r) std::fill(q.begin() + r * hd + head_dim, q.begin() + (r + 1) * hd, 0.0f);
          std::vector<uint32_t> first(rows), last(rows);
          for (int r = 0; r < rows; ++r) {
            last[r] = static_cast<uint32_t>(count) - 1 - 3 * (rows - 1 - r);
            first[r] = last[r] - (rows % 2 ? 100 : 63) + 1;
          }
          const uint32_t begin = first[0] / 64 * 64, end = last[rows - 1] + 1;
          const size_t stored = (end - begin + 63) / 64 * 64 * rows;
          std::vector<float> want(stored), got(stored), want_max(rows), max(rows), want_sum(rows), sum(rows), factor(rows);
          std::vector<float> want_out(rows * hd), out(rows * hd), scratch(kAttendRows * kAttendBlock);
          AttendArgs g{kv,
                       rows,
                       0.7f,
                       q.data(),
                       first.data(),
                       last.data(),
                       begin,
                       end,
                       want.data(),
                       want_max.data(),
                       want_sum.data(),
                       factor.data(),
                       want_out.data(),
                       scratch.data()};
          ScalarKernels().attend_weights(g);
          g.weights = got.data(), g.max = max.data(), g.sum = sum.data();
          table->attend_weights(g);
          // Scores have an error of hd eps |q||k|. Weights, at most 1, have the same relative error.
          const float bound = static_cast<float>(4 * hd + 100) * kEps;
          ExpectClose("attend max", table->isa, max, want_max, std::vector<float>(rows, bound));
          ExpectClose("attend weights", table->isa, got, want, std::vector<float>(stored, 2 * bound));
          for (int r = 0; r < rows; ++r) CHECK(std::fabs(sum[r] - want_sum[r]) <= 2 * bound * want_sum[r]);
          // Both paths get the same weights, because these may be rounded to F16.
          for (int r = 0; r < rows; ++r) factor[r] = 1 / want_sum[r];
          got = want;
          g.weights = want.data();
          ScalarKernels().attend_values(g);
          g.weights = got.data(), g.out = out.data();
          table->attend_values(g);
          ExpectClose("attend values", table->isa, out, want_out, std::vector<float>(out.size(), 200 * kEps));
        }
      }
    }
  }
}

}  // namespace edgefront::testing
