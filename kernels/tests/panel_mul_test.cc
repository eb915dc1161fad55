// Products of panels on every kernel table of this machine, against the scalar one, and the round trip of
// packing. Sizes run from 0 past two tiles, inputs are misaligned, and tolerances derive from the arithmetic.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "quant/blocks.h"
#include "quant/panel.h"
#include "tests/kernel_inputs.h"

namespace edgefront::testing {
namespace {

// Products take panels in twos where they can, so three panels have both ways.
constexpr size_t kPanels = 3, kRows = kPanels * kPanelRows;

// Returns a 64-byte aligned address inside `store`, followed by `bytes` bytes.
uint8_t* Aligned(size_t bytes, std::vector<uint8_t>& store) {
  store.assign(bytes + 64, 0xAA);
  return store.data() + (64 - reinterpret_cast<uintptr_t>(store.data()) % 64) % 64;
}

// Returns panels of `rows` rows of quantised uniform weights; the last panel's rows beyond are zero.
const uint8_t* MakePanels(DType type, size_t k, size_t rows, std::vector<uint8_t>& store) {
  const std::vector<float> w = Uniform(rows * k, 11 + k);
  const size_t row_bytes = RowBytes(type, k), bytes = PanelBytes(type, k), count = PanelCount(rows);
  std::vector<uint8_t> packed(count * kPanelRows * row_bytes);
  for (size_t r = 0; r < rows; ++r) QuantiseRow(type, w.data() + r * k, k, packed.data() + r * row_bytes);
  uint8_t* panels = Aligned(count * bytes, store);
  for (size_t p = 0; p < count; ++p) PackPanel(type, k, packed.data() + p * kPanelRows * row_bytes, row_bytes, panels + p * bytes);
  return panels;
}

// Returns all depths from 0 past two vectors of the widest instruction set, and some longer ones.
std::vector<size_t> FloatDepths() {
  std::vector<size_t> ks(34);
  for (size_t k = 0; k < ks.size(); ++k) ks[k] = k;
  ks.insert(ks.end(), {64, 65, 100});
  return ks;
}

void PanelMulAgrees(DType type, const std::vector<size_t>& ks) {
  constexpr size_t kTokens = 19;  // more than twice the longest tile
  for (size_t k : ks) {
    std::vector<uint8_t> store;
    const uint8_t* panels = MakePanels(type, k, k % 3 == 0 ? kRows - 3 : kRows, store);
    const std::vector<float> x = Uniform(kTokens * k + 1, 5);
    QuantStore qs;
    Activations a = IsQuantised(type) ? Quantise(ScalarKernels(), x, 1, kTokens, k, qs) : Activations{};
    a.f32 = x.data() + 1;
    a.stride = k;
    std::vector<float> want(kRows * kTokens), row(k), tolerance(kRows * kTokens);
    ScalarKernels().panel_mul(type, k, panels, kPanels, a, 0, kTokens, want.data());
    // Summing k products in F32 has an error of at most about k eps sum|w a|. Two products of scales add a
    // few eps.
    for (size_t r = 0; r < kRows; ++r) {
      UnpackColumns(type, panels + r / kPanelRows * PanelBytes(type, k), r % kPanelRows, 0, k, row.data());
      double magnitude = 0;
      for (float w : row) magnitude += std::fabs(w);
      for (size_t t = 0; t < kTokens; ++t)
        tolerance[kRows * t + r] = static_cast<float>((static_cast<double>(k) + 4) * kEps * magnitude + 1e-30);
    }
    for (const Kernels* table : FastTables()) {
      for (size_t n = 0; n <= kTokens; ++n) {
        for (size_t t0 : {size_t{0}, kTokens - n}) {
          std::vector<float> got(kRows * n + 1, 777.0f);
          table->panel_mul(type, k, panels, kPanels, a, t0, n, got.data());
          CHECK(got.back() == 777.0f);
          got.pop_back();
          ExpectClose(DTypeName(type), table->isa, got, {want.begin() + kRows * t0, want.begin() + kRows * (t0 + n)},
                      {tolerance.begin() + kRows * t0, tolerance.begin() + kRows * (t0 + n)});
        }
      }
    }
  }
}

// A column is the same for any number of tokens and panels, so prefill and decode agree to the last bit.
void TilesAgreeExactly(DType type, size_t k) {
  std::vector<uint8_t> store;
  const uint8_t* panels = MakePanels(type, k, kRows, store);
  const std::vector<float> x = Uniform(19 * k, 5);
  for (const Kernels* table : FastTables()) {
    QuantStore qs;
    Activations a = IsQuantised(type) ? Quantise(*table, x, 0, 19, k, qs) : Activations{};
    a.f32 = x.data();
    a.stride = k;
    std::vector<float> together(kRows * 19), alone(kPanelRows);
    table->panel_mul(type, k, panels, kPanels, a, 0, 19, together.data());
    for (size_t t = 0; t < 19; ++t) {
      for (size_t p = 0; p < kPanels; ++p) {
        table->panel_mul(type, k, panels + p * PanelBytes(type, k), 1, a, t, 1, alone.data());
        CHECK_MSG(std::memcmp(alone.data(), together.data() + kRows * t + kPanelRows * p, 64) == 0,
                  DTypeName(type) << " on " << IsaName(table->isa) << ", token " << t << ", panel " << p);
      }
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

// The places of activations and of the product must not change any bit, at every offset up to two cache
// lines.
TEST(PanelMulAnywhere) {
  for (DType type : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ4_0, DType::kQ8_0, DType::kQ6_K}) {
    const size_t k = IsQuantised(type) ? 256 : 37, n = 5;
    std::vector<uint8_t> store;
    const uint8_t* panels = MakePanels(type, k, kRows, store);
    const std::vector<float> x = Uniform(n * k, 5);
    for (const Kernels* table : FastTables()) {
      QuantStore qs;
      const Activations a = Quantise(*table, x, 0, n, k, qs);
      std::vector<float> want;
      for (size_t offset = 0; offset <= 32; ++offset) {
        std::vector<float> moved(n * k + offset), scale(n * (k / 32) + offset), out(kRows * n + offset + 1, 777.0f);
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
        table->panel_mul(type, k, panels, kPanels, b, 0, n, out.data() + offset);
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
  for (size_t k : {32, 544, 1056})
    // Part of a span that is split at once, and one block more than one span and than two.
    TilesAgreeExactly(DType::kQ4_0, k);
}

// Extreme weights and activations: the int16 sums of the AVX2 path must not saturate.
TEST(PanelMulExtremes) {
  for (DType type : {DType::kQ4_0, DType::kQ8_0, DType::kQ6_K}) {
    const size_t k = 256, n = 10;  // enough tokens for every tile
    std::vector<uint8_t> rows(16 * RowBytes(type, k)), store;
    for (size_t variant = 0; variant < 4; ++variant) {
      for (size_t i = 0; i < rows.size(); ++i) {
        const size_t in_block = i % BlockOf(type).bytes;
        const bool is_d = type == DType::kQ6_K ? in_block >= 208 : in_block < 2;
        const bool is_scale = type == DType::kQ6_K && in_block >= 192;
        rows[i] = is_d       ? (in_block % 2 ? 0x3C : 0x00)
                  : is_scale ? (variant & 2 ? 0x80 : 0x7F)
                             : (variant & 1            ? 0xFF
                                : type == DType::kQ8_0 ? 0x80
                                                       : 0x00);
      }
      uint8_t* panels = Aligned(kPanels * PanelBytes(type, k), store);
      for (size_t p = 0; p < kPanels; ++p) PackPanel(type, k, rows.data(), RowBytes(type, k), panels + p * PanelBytes(type, k));
      std::vector<float> x(n * k);
      for (size_t i = 0; i < x.size(); ++i) x[i] = i / k % 2 == 0 ? 1.0f : (variant & 2) ? -1.0f : (i % 2 ? 1.0f : -1.0f);
      for (const Kernels* table : FastTables()) {
        QuantStore qs;
        const Activations a = Quantise(*table, x, 0, n, k, qs);
        std::vector<float> want(kRows * n), got(kRows * n), tolerance(kRows * n);
        ScalarKernels().panel_mul(type, k, panels, kPanels, a, 0, n, want.data());
        table->panel_mul(type, k, panels, kPanels, a, 0, n, got.data());
        for (size_t i = 0; i < kRows * n; ++i) tolerance[i] = std::fabs(want[i]) * 1e-5f + 1e-2f;
        ExpectClose(DTypeName(type), table->isa, got, want, tolerance);
      }
    }
  }
}

TEST(PanelsUnpackToTheirRows) {
  for (DType type : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ4_0, DType::kQ8_0, DType::kQ6_K}) {
    // More than whole vectors, or an odd number of blocks.
    const size_t block = BlockOf(type).elements, odd = block == 1 ? 77 : 3 * block;
    for (size_t k : {size_t{512}, block, odd}) {
      std::vector<uint8_t> store;
      const size_t rows = k == 512 ? 16 : 13;
      const uint8_t* panel = MakePanels(type, k, rows, store);
      const std::vector<float> w = Uniform(rows * k, 11 + k);
      std::vector<uint8_t> row(RowBytes(type, k));
      std::vector<float> want(k), got(k);
      for (size_t r = 0; r < rows; ++r) {
        QuantiseRow(type, w.data() + r * k, k, row.data());
        DequantiseRow(type, row.data(), k, want.data());
        UnpackColumns(type, panel, r, 0, k, got.data());
        CHECK_MSG(got == want, DTypeName(type) << " row " << r << " of " << k);
        // A quantised value has an error of at most half a step, plus that of Q6_K's coarse scales or Q4_0's
        // clipped end.
        const float step = type == DType::kF32    ? 0
                           : type == DType::kF16  ? 0x1p-11f
                           : type == DType::kBF16 ? 0x1p-8f
                           : type == DType::kQ4_0 ? 0.13f
                           : type == DType::kQ8_0 ? 0.0045f
                                                  : 0.04f;
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

}  // namespace edgefront::testing
