// Times the kernel tables on the decisive product: Q4_0 panels that stay in the cache, with a prefill's tile
// of tokens and with one token. The speed of an instruction set differs by processor: i8mm has been seen both
// slower than dotprod and twice as fast.
#include "agent/kernel_rates.h"

#include <cmath>
#include <cstring>
#include <memory>

#include "agent/rate_loop.h"
#include "infer/seeded_weights.h"
#include "quant/blocks.h"
#include "quant/panel.h"
#include "targets/kernels.h"

namespace edgefront {
namespace {

constexpr size_t kDepth = 1024, kPanels = 8, kTokens = 32;
// The last path of AvailableIsas() is kept unless another is faster by more than this factor. Noise then does
// not change the path between sessions.
constexpr double kClearlyFaster = 1.05;

struct Product {
  std::vector<uint8_t> storage;
  const uint8_t* panels = nullptr;  // aligned to 64 bytes
  std::vector<int8_t> q;
  std::vector<float> scale;
  std::vector<int32_t> sum8;
  std::vector<int16_t> sum16;

  Product()
      : storage(kPanels * PanelBytes(DType::kQ4_0, kDepth) + 64),
        q(kTokens * kDepth),
        scale(q.size() / 32),
        sum8(scale.size()),
        sum16(2 * scale.size()) {
    uint8_t* at = storage.data() + (-reinterpret_cast<uintptr_t>(storage.data()) & 63);
    panels = at;
    const size_t row_bytes = RowBytes(DType::kQ4_0, kDepth);
    std::vector<float> floats(kDepth);
    std::vector<uint8_t> rows(kPanelRows * row_bytes);
    const SeededTensor values(1, "probe", WeightKind::kMatrix, kDepth);
    for (size_t p = 0; p < kPanels; ++p) {
      for (size_t r = 0; r < kPanelRows; ++r) {
        values.Fill(floats.data(), (p * kPanelRows + r) * kDepth, kDepth);
        QuantiseRow(DType::kQ4_0, floats.data(), kDepth, rows.data() + r * row_bytes);
      }
      PackPanel(DType::kQ4_0, kDepth, rows.data(), row_bytes, at + p * PanelBytes(DType::kQ4_0, kDepth));
    }
    std::vector<float> x(q.size());
    values.Fill(x.data(), 0, x.size());
    ScalarKernels().quantise(x.data(), x.size(), 32, q.data(), scale.data(), sum8.data(), sum16.data());
  }

  void Run(const Kernels& kernels, int64_t rounds, size_t tokens, float* out) const {
    Activations a;
    a.q = q.data(), a.scale = scale.data(), a.sum8 = sum8.data(), a.sum16 = sum16.data();
    for (int64_t i = 0; i < rounds; ++i) kernels.panel_mul(DType::kQ4_0, kDepth, panels, kPanels, a, 0, tokens, out);
  }
};

}  // namespace

Result<std::vector<KernelRate>> MeasureKernels(int threads) {
  auto created = ThreadPool::Create(threads, true);
  if (!created.ok()) return created.status();
  ThreadPool* pool = created->get();
  const Product product;
  constexpr size_t kOut = kTokens * kPanelRows * kPanels;
  std::vector<float> out(static_cast<size_t>(pool->size()) * kOut);
  std::vector<KernelRate> rates;
  for (Isa isa : AvailableIsas()) {
    // The reference is ten times slower than any other.
    if (isa != Isa::kScalar) rates.push_back({isa, 0, 0});
  }
  for (const size_t tokens : {kTokens, size_t{1}}) {
    const auto run = [&](const Kernels& kernels, int64_t rounds, int worker) {
      product.Run(kernels, rounds, tokens, out.data() + static_cast<size_t>(worker) * kOut);
    };
    std::vector<int64_t> rounds;
    for (const KernelRate& r : rates) rounds.push_back(Calibrate([&](int64_t n) { run(*GetKernels(r.isa), n, 0); }, 1));
    // Paths take turns and the best run of each counts, because other work on the machine only makes runs
    // slower.
    for (int repetition = 0; repetition < kRuns; ++repetition) {
      for (size_t i = 0; i < rates.size(); ++i) {
        const Kernels& kernels = *GetKernels(rates[i].isa);
        const double start = NowMs();
        pool->Run([&](int worker, int) { run(kernels, rounds[i], worker); });
        const double ops =
            2.0 * kDepth * kPanelRows * kPanels * static_cast<double>(tokens) * static_cast<double>(rounds[i]) * pool->size();
        double& best = tokens == 1 ? rates[i].decode_gops : rates[i].prefill_gops;
        best = std::max(best, ops * 1e-6 / std::max(NowMs() - start, 1e-6));
      }
    }
  }
  return rates;
}

Isa FastestIsa(const std::vector<KernelRate>& rates) {
  if (rates.empty()) return BestIsa();
  const auto both = [](const KernelRate& r) { return std::sqrt(r.prefill_gops * r.decode_gops); };
  const KernelRate* best = &rates.back();
  for (const KernelRate& r : rates) {
    if (both(r) > kClearlyFaster * both(rates.back()) && both(r) > both(*best)) best = &r;
  }
  return best->isa;
}

}  // namespace edgefront
