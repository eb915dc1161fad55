// Every kernel table this machine can run against the scalar one: all sizes from 0 past two tiles, misaligned inputs, tolerances
// derived from the arithmetic, and the worst element named on failure.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "infer/seeded_weights.h"
#include "quant/blocks.h"
#include "quant/half.h"
#include "quant/panel.h"
#include "targets/kernels.h"
#include "tests/avxvnni_twin.h"
#include "tests/isas.h"
#include "tests/test.h"

namespace edgefront::testing {
namespace {

constexpr float kEps = 0x1p-23f;

std::vector<float> Uniform(size_t n, uint64_t seed) {
  std::vector<float> x(n);
  SeededTensor(seed, "x", WeightKind::kMatrix, 3).Fill(x.data(), 0, n);  // in [-1, 1)
  return x;
}

std::vector<const Kernels*> FastTables() {
  std::vector<const Kernels*> tables;
  for (Isa isa : TestedIsas()) {
    if (isa != Isa::kScalar) tables.push_back(GetKernels(isa));
  }
#if defined(__x86_64__)
  if (GetKernels(Isa::kAvxVnni) == nullptr && GetKernels(Isa::kAvx512) != nullptr && IsaWanted("avxvnni")) tables.push_back(&AvxVnniTwin());
#endif
  return tables;
}

// |got - want| <= tolerance[i]; reports the element that misses it by most.
void ExpectClose(const char* what, Isa isa, const std::vector<float>& got, const std::vector<float>& want, const std::vector<float>& tolerance) {
  size_t worst = 0;
  double worst_ratio = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double ratio = std::fabs(static_cast<double>(got[i]) - want[i]) / tolerance[i];
    if (!(ratio <= worst_ratio)) worst = i, worst_ratio = ratio;  // also catches NaN
  }
  CHECK_MSG(worst_ratio <= 1.0, what << " on " << IsaName(isa) << ": worst element " << worst << " is " << got[worst] << ", should be " << want[worst]
                                     << ", tolerance " << tolerance[worst]);
}

// A panel of 16 rows of quantised uniform weights, 64-byte aligned inside `store`.
const uint8_t* MakePanel(DType type, size_t k, size_t rows, std::vector<uint8_t>& store) {
  const std::vector<float> w = Uniform(rows * k, 11 + k);
  std::vector<uint8_t> packed(16 * RowBytes(type, k));  // rows beyond are zero
  for (size_t r = 0; r < rows; ++r) QuantiseRow(type, w.data() + r * k, k, packed.data() + r * RowBytes(type, k));
  store.assign(PanelBytes(type, k) + 64, 0xAA);
  uint8_t* panel = store.data() + (64 - reinterpret_cast<uintptr_t>(store.data()) % 64) % 64;
  PackPanel(type, k, packed.data(), RowBytes(type, k), panel);
  return panel;
}

struct QuantStore {
  std::vector<int8_t> q;
  std::vector<float> scale;
  std::vector<int32_t> sum8;
  std::vector<int16_t> sum16;
};

// Of no values where k is no multiple of a block: a float product looks at none.
Activations Quantise(const Kernels& table, const std::vector<float>& x, size_t offset, size_t n, size_t k, QuantStore& s, size_t share = 32) {
  if (k % 32 != 0) return {};
  s.q.resize(n * k + 3);
  s.scale.resize(n * (k / 32) + 1);
  s.sum8.resize(n * (k / 32) + 1);
  s.sum16.resize(n * (k / 16) + 1);
  int8_t* q = s.q.data() + 3;  // misaligned on purpose
  for (size_t t = 0; t < n; ++t) {
    table.quantise(x.data() + offset + t * k, k, share, q + t * k, s.scale.data() + t * (k / 32), s.sum8.data() + t * (k / 32), s.sum16.data() + t * (k / 16));
  }
  Activations a;
  a.q = q;
  a.scale = s.scale.data();
  a.sum8 = s.sum8.data();
  a.sum16 = s.sum16.data();
  return a;
}

// 0 .. past two vectors of the widest instruction set, and some longer ones.
std::vector<size_t> FloatDepths() {
  std::vector<size_t> ks(34);
  for (size_t k = 0; k < ks.size(); ++k) ks[k] = k;
  ks.insert(ks.end(), {64, 65, 100});
  return ks;
}

void PanelMulAgrees(DType type, const std::vector<size_t>& ks) {
  constexpr size_t kTokens = 19;  // past twice the widest tile
  for (size_t k : ks) {
    std::vector<uint8_t> store;
    const uint8_t* panel = MakePanel(type, k, k % 3 == 0 ? 13 : 16, store);
    const std::vector<float> x = Uniform(kTokens * k + 1, 5);
    QuantStore qs;
    Activations a = IsQuantised(type) ? Quantise(ScalarKernels(), x, 1, kTokens, k, qs) : Activations{};
    a.f32 = x.data() + 1;
    a.stride = k;
    std::vector<float> want(16 * kTokens), row(k), tolerance(16 * kTokens);
    ScalarKernels().panel_mul(type, k, panel, a, 0, kTokens, want.data());
    // Summing k products in F32 errs by at most about k eps sum|w a|; two products of scales add a few eps.
    for (size_t r = 0; r < 16; ++r) {
      UnpackColumns(type, panel, r, 0, k, row.data());
      double magnitude = 0;
      for (float w : row) magnitude += std::fabs(w);
      for (size_t t = 0; t < kTokens; ++t) tolerance[16 * t + r] = static_cast<float>((static_cast<double>(k) + 4) * kEps * magnitude + 1e-30);
    }
    for (const Kernels* table : FastTables()) {
      for (size_t n = 0; n <= kTokens; ++n) {
        for (size_t t0 : {size_t{0}, kTokens - n}) {
          std::vector<float> got(16 * n + 1, 777.0f);
          table->panel_mul(type, k, panel, a, t0, n, got.data());
          CHECK(got[16 * n] == 777.0f);
          got.pop_back();
          ExpectClose(DTypeName(type), table->isa, got, {want.begin() + 16 * t0, want.begin() + 16 * (t0 + n)},
                      {tolerance.begin() + 16 * t0, tolerance.begin() + 16 * (t0 + n)});
        }
      }
    }
  }
}

// The same columns whatever the number of tokens together: prefill and decode agree to the last bit.
void TilesAgreeExactly(DType type, size_t k) {
  std::vector<uint8_t> store;
  const uint8_t* panel = MakePanel(type, k, 16, store);
  const std::vector<float> x = Uniform(19 * k, 5);
  for (const Kernels* table : FastTables()) {
    QuantStore qs;
    Activations a = IsQuantised(type) ? Quantise(*table, x, 0, 19, k, qs) : Activations{};
    a.f32 = x.data();
    a.stride = k;
    std::vector<float> together(16 * 19), alone(16);
    table->panel_mul(type, k, panel, a, 0, 19, together.data());
    for (size_t t = 0; t < 19; ++t) {
      table->panel_mul(type, k, panel, a, t, 1, alone.data());
      CHECK_MSG(std::memcmp(alone.data(), together.data() + 16 * t, 64) == 0, DTypeName(type) << " on " << IsaName(table->isa) << ", token " << t);
    }
  }
}

}  // namespace

TEST(PanelMulF32) { PanelMulAgrees(DType::kF32, FloatDepths()); }
TEST(PanelMulF16) { PanelMulAgrees(DType::kF16, FloatDepths()); }
TEST(PanelMulBF16) { PanelMulAgrees(DType::kBF16, FloatDepths()); }
TEST(PanelMulQ4) { PanelMulAgrees(DType::kQ4_0, {0, 32, 64, 96, 128, 160, 1024}); }
TEST(PanelMulQ8) { PanelMulAgrees(DType::kQ8_0, {0, 32, 64, 96, 128, 160, 1024}); }
TEST(PanelMulQ6) { PanelMulAgrees(DType::kQ6_K, {0, 256, 512, 768, 2048}); }

// Where activations lie and where the product goes must not matter to a bit: every offset of a value up to two cache lines.
TEST(PanelMulAnywhere) {
  for (DType type : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ4_0, DType::kQ8_0, DType::kQ6_K}) {
    const size_t k = IsQuantised(type) ? 256 : 37, n = 5;
    std::vector<uint8_t> store;
    const uint8_t* panel = MakePanel(type, k, 16, store);
    const std::vector<float> x = Uniform(n * k, 5);
    for (const Kernels* table : FastTables()) {
      QuantStore qs;
      const Activations a = Quantise(*table, x, 0, n, k, qs);
      std::vector<float> want;
      for (size_t offset = 0; offset <= 32; ++offset) {
        std::vector<float> moved(n * k + offset), scale(n * (k / 32) + offset), out(16 * n + offset + 1, 777.0f);
        std::vector<int8_t> q(n * k + offset);
        std::vector<int32_t> sum8(n * (k / 32) + offset);
        std::vector<int16_t> sum16(n * (k / 16) + offset);
        std::copy(x.begin(), x.end(), moved.begin() + offset);
        if (IsQuantised(type)) {
          std::copy_n(a.q, n * k, q.begin() + offset);
          std::copy_n(a.scale, n * (k / 32), scale.begin() + offset);
          std::copy_n(a.sum8, n * (k / 32), sum8.begin() + offset);
          std::copy_n(a.sum16, n * (k / 16), sum16.begin() + offset);
        }
        Activations b;
        b.f32 = moved.data() + offset, b.stride = k;
        b.q = q.data() + offset, b.scale = scale.data() + offset, b.sum8 = sum8.data() + offset, b.sum16 = sum16.data() + offset;
        table->panel_mul(type, k, panel, b, 0, n, out.data() + offset);
        CHECK(out.back() == 777.0f && (offset == 0 || out[offset - 1] == 777.0f));
        const std::vector<float> got(out.begin() + offset, out.end() - 1);
        if (offset == 0) want = got;
        CHECK_MSG(got == want, DTypeName(type) << " on " << IsaName(table->isa) << ", offset " << offset);
      }
    }
  }
}
TEST(TokensTogetherOrAloneAreBitEqual) {
  for (DType type : {DType::kF32, DType::kF16, DType::kBF16}) TilesAgreeExactly(type, 77);
  for (DType type : {DType::kQ4_0, DType::kQ8_0, DType::kQ6_K}) TilesAgreeExactly(type, 512);
  for (size_t k : {32, 544, 1056}) TilesAgreeExactly(DType::kQ4_0, k);  // part of a span that is split at once, and a block past one and two
}

// Extreme weights and activations: the int16 sums of the AVX2 path must not saturate.
TEST(PanelMulExtremes) {
  for (DType type : {DType::kQ4_0, DType::kQ8_0, DType::kQ6_K}) {
    const size_t k = 256, n = 10;  // enough tokens for every tile
    std::vector<uint8_t> rows(16 * RowBytes(type, k)), panel_store(PanelBytes(type, k) + 64);
    for (size_t variant = 0; variant < 4; ++variant) {
      for (size_t i = 0; i < rows.size(); ++i) {
        const size_t in_block = i % BlockOf(type).bytes;
        const bool is_d = type == DType::kQ6_K ? in_block >= 208 : in_block < 2;
        const bool is_scale = type == DType::kQ6_K && in_block >= 192;
        rows[i] = is_d ? (in_block % 2 ? 0x3C : 0x00) : is_scale ? (variant & 2 ? 0x80 : 0x7F) : (variant & 1 ? 0xFF : type == DType::kQ8_0 ? 0x80 : 0x00);
      }
      uint8_t* panel = panel_store.data() + (64 - reinterpret_cast<uintptr_t>(panel_store.data()) % 64) % 64;
      PackPanel(type, k, rows.data(), RowBytes(type, k), panel);
      std::vector<float> x(n * k);
      for (size_t i = 0; i < x.size(); ++i) x[i] = i / k % 2 == 0 ? 1.0f : (variant & 2) ? -1.0f : (i % 2 ? 1.0f : -1.0f);
      for (const Kernels* table : FastTables()) {
        QuantStore qs;
        const Activations a = Quantise(*table, x, 0, n, k, qs);
        std::vector<float> want(16 * n), got(16 * n), tolerance(16 * n);
        ScalarKernels().panel_mul(type, k, panel, a, 0, n, want.data());
        table->panel_mul(type, k, panel, a, 0, n, got.data());
        for (size_t i = 0; i < 16 * n; ++i) tolerance[i] = std::fabs(want[i]) * 1e-5f + 1e-2f;
        ExpectClose(DTypeName(type), table->isa, got, want, tolerance);
      }
    }
  }
}

TEST(PanelsUnpackToTheirRows) {
  for (DType type : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ4_0, DType::kQ8_0, DType::kQ6_K}) {
    const size_t block = BlockOf(type).elements, odd = block == 1 ? 77 : 3 * block;  // past the vectors, or half a pair left over
    for (size_t k : {size_t{512}, block, odd}) {
      std::vector<uint8_t> store;
      const size_t rows = k == 512 ? 16 : 13;
      const uint8_t* panel = MakePanel(type, k, rows, store);
      const std::vector<float> w = Uniform(rows * k, 11 + k);
      std::vector<uint8_t> row(RowBytes(type, k));
      std::vector<float> want(k), got(k);
      for (size_t r = 0; r < rows; ++r) {
        QuantiseRow(type, w.data() + r * k, k, row.data());
        DequantiseRow(type, row.data(), k, want.data());
        UnpackColumns(type, panel, r, 0, k, got.data());
        CHECK_MSG(got == want, DTypeName(type) << " row " << r << " of " << k);
        // A quantised value is off by at most half a step (Q6_K: and its coarse scales; Q4_0: its clipped end).
        const float step = type == DType::kF32 ? 0 : type == DType::kF16 ? 0x1p-11f : type == DType::kBF16 ? 0x1p-8f
                           : type == DType::kQ4_0 ? 0.13f : type == DType::kQ8_0 ? 0.0045f : 0.04f;
        for (size_t i = 0; i < k; ++i) CHECK_MSG(std::fabs(want[i] - w[r * k + i]) <= step, DTypeName(type) << " element " << i);
      }
      for (size_t r = rows; r < 16; ++r) {
        UnpackColumns(type, panel, r, 0, k, got.data());
        CHECK_MSG(got == std::vector<float>(k), DTypeName(type) << " row " << r << " should be zero");
      }
      CHECK_MSG(panel[PanelBytes(type, k)] == 0xAA, DTypeName(type) << " wrote past its panel");
    }
  }
}

// Every code: a product that is not rounded to a float before it becomes one differs once in 100,000, so there are a million.
TEST(QuantiseAgrees) {
  for (const Kernels* table : FastTables()) {
    for (size_t share : {32, 256}) {
      for (size_t k : {size_t{0}, share, 2 * share, 3 * share, size_t{1024}, size_t{1} << 20}) {
        std::vector<float> x = Uniform(k + 1, 3);
        if (k >= 2 * share) std::fill(x.begin() + 1, x.begin() + 1 + static_cast<ptrdiff_t>(share), 0.0f);  // zeros only
        QuantStore a, b;
        Quantise(ScalarKernels(), x, 1, 1, k, a, share);
        Quantise(*table, x, 1, 1, k, b, share);
        CHECK(a.q == b.q && a.scale == b.scale && a.sum8 == b.sum8 && a.sum16 == b.sum16);
      }
    }
  }
}

// A file may hold weights that make NaN and infinities: they are clamped like any number too large, never turned into an integer as they are.
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
          ScalarKernels().conv({want.data(), taps.data(), want_state.data(), n, d, k, d > 16 ? size_t{16} : 0, d});
          table->conv({got.data(), taps.data(), got_state.data(), n, d, k, d > 16 ? size_t{16} : 0, d});
          std::vector<float> want_out, got_out;
          for (size_t t = 0; t < n; ++t) {
            want_out.insert(want_out.end(), want.begin() + (3 * t + 1) * d, want.begin() + (3 * t + 2) * d);
            got_out.insert(got_out.end(), got.begin() + (3 * t + 1) * d, got.begin() + (3 * t + 2) * d);
          }
          ExpectClose("conv", table->isa, got_out, want_out, std::vector<float>(want_out.size(), static_cast<float>(k + 2) * static_cast<float>(k) * kEps));
          CHECK_MSG(got_state == want_state, "conv state, k " << k << " d " << d << " n " << n << " on " << IsaName(table->isa));
        }
      }
    }
  }
}

TEST(AttendAgrees) {
  for (const Kernels* table : FastTables()) {
    for (KvFormat format : {KvFormat::kF16, KvFormat::kQ8, KvFormat::kF32}) {
      for (size_t hd : {32, 64, 96, 128, 256}) {
        const size_t ring = 192, head_dim = hd - (hd == 96 ? 14 : 0), count = 300;  // wraps
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
          AttendArgs g{kv, rows, 0.7f, q.data(), first.data(), last.data(), begin, end, want.data(), want_max.data(), want_sum.data(),
                       factor.data(), want_out.data(), scratch.data()};
          ScalarKernels().attend_weights(g);
          g.weights = got.data(), g.max = max.data(), g.sum = sum.data();
          table->attend_weights(g);
          // Scores err by hd eps |q||k|, and so do the weights relatively, which are at most 1.
          const float bound = static_cast<float>(4 * hd + 100) * kEps;
          ExpectClose("attend max", table->isa, max, want_max, std::vector<float>(rows, bound));
          ExpectClose("attend weights", table->isa, got, want, std::vector<float>(stored, 2 * bound));
          for (int r = 0; r < rows; ++r) CHECK(std::fabs(sum[r] - want_sum[r]) <= 2 * bound * want_sum[r]);
          // The same weights into both, as they may be rounded to half.
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
