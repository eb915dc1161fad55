// Runs the rate loops on all threads and returns medians. Every instruction set of this CPU is tried and the
// best rate kept: i8mm is not always faster than dotprod, nor AVX-512 than AVX2.
#include "agent/rates.h"

#include <string.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>

#include "agent/rate_loop.h"
#include "include/edgefront/thread_pool.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace edgefront {
namespace {

constexpr size_t kReadBytes = size_t{256} << 20;

uint64_t ReadGeneric(const uint8_t* data, size_t bytes) {
  uint64_t sums[8] = {};
  for (size_t i = 0; i < bytes; i += 64) {
    uint64_t words[8];
    memcpy(words, data + i, sizeof(words));
    for (int j = 0; j < 8; ++j) sums[j] += words[j];
  }
  uint64_t sum = 0;
  for (uint64_t s : sums) sum += s;
  return sum;
}

float Fp32Generic(int64_t rounds) {
  float acc[32];
  for (int j = 0; j < 32; ++j) acc[j] = static_cast<float>(j);
  for (int64_t i = 0; i < rounds; ++i) {
    for (float& a : acc) a = a * 0.999f + 0.001f;
  }
  float sum = 0;
  for (float a : acc) sum += a;
  return sum;
}

int32_t Int8Generic(int64_t rounds) {
  int8_t a[64], b[64];
  for (int j = 0; j < 64; ++j) a[j] = static_cast<int8_t>(j - 32), b[j] = static_cast<int8_t>(j * 3);
  int32_t sum = 0;
  for (int64_t i = 0; i < rounds; ++i) {
    a[i & 63] = static_cast<int8_t>(i);
    for (int j = 0; j < 64; ++j) sum += a[j] * b[j];
  }
  return sum;
}

std::vector<const RateKernels*> UsableKernels() {
  std::vector<const RateKernels*> usable;
  const std::vector<std::string> features = CpuFeatures();
  auto has = [&](const char* name) { return std::find(features.begin(), features.end(), name) != features.end(); };
#if defined(__x86_64__)
  if (has("avx2") && has("fma")) usable.push_back(&kRatesAvx2);
  if (has("avx512f") && has("avx512bw")) usable.push_back(&kRatesAvx512);
  if (has("avx512f") && has("avx512_vnni")) usable.push_back(&kRatesAvx512Vnni);
#elif defined(__aarch64__)
  usable.push_back(&kRatesNeon);
  if (has("asimddp")) usable.push_back(&kRatesDotprod);
  if (has("i8mm")) usable.push_back(&kRatesI8mm);
#endif
  // Plain loops are used only if there is nothing else, because they are never the fastest.
  if (usable.empty()) usable.push_back(&kRatesGeneric);
  return usable;
}

}  // namespace

const RateKernels kRatesGeneric = {ReadGeneric, Fp32Generic, 64, Int8Generic, 128};

std::vector<std::string> CpuFeatures() {
  std::vector<std::string> names;
  auto add = [&](bool present, const char* name) {
    if (present) names.emplace_back(name);
  };
#if defined(__x86_64__)
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return names;
  const bool osxsave = c & (1u << 27);
  uint64_t xcr0 = 0;
  if (osxsave) {
    unsigned low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    xcr0 = low;
  }
  // A feature counts only if the system saves its registers.
  const bool ymm = (xcr0 & 6) == 6, zmm = ymm && (xcr0 & 0xE0) == 0xE0;
  add(c & (1u << 20), "sse4_2");
  add(ymm && (c & (1u << 28)), "avx");
  add(ymm && (c & (1u << 12)), "fma");
  add(ymm && (c & (1u << 29)), "f16c");
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
    add(ymm && (b & (1u << 5)), "avx2");
    add(zmm && (b & (1u << 16)), "avx512f");
    add(zmm && (b & (1u << 17)), "avx512dq");
    add(zmm && (b & (1u << 30)), "avx512bw");
    add(zmm && (b & (1u << 31)), "avx512vl");
    add(zmm && (c & (1u << 11)), "avx512_vnni");
    add(d & (1u << 24), "amx_tile");
    add(d & (1u << 25), "amx_int8");
    unsigned a1 = 0;
    if (__get_cpuid_count(7, 1, &a1, &b, &c, &d)) {
      add(ymm && (a1 & (1u << 4)), "avx_vnni");
      add(zmm && (a1 & (1u << 5)), "avx512_bf16");
    }
  }
#elif defined(__aarch64__)
  const unsigned long caps = getauxval(AT_HWCAP), caps2 = getauxval(AT_HWCAP2);
  add(caps & HWCAP_ASIMD, "asimd");
  add(caps & HWCAP_ASIMDHP, "asimdhp");
  add(caps & HWCAP_ASIMDDP, "asimddp");
  add(caps & HWCAP_SVE, "sve");
  add(caps2 & (1ul << 1), "sve2");
  add(caps2 & (1ul << 13), "i8mm");
  add(caps2 & (1ul << 14), "bf16");
  add(caps2 & (1ul << 23), "sme");
#endif
  return names;
}

Result<Rates> MeasureRates(int threads) {
  auto created = ThreadPool::Create(threads, true);
  if (!created.ok()) return created.status();
  ThreadPool* pool = created->get();
  const int n = pool->size();
  void* memory = mmap(nullptr, kReadBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return OutOfMemory("the bandwidth probe needs 256 MiB");
  auto* data = static_cast<uint8_t*>(memory);
  const size_t share = kReadBytes / static_cast<size_t>(n) / 1024 * 1024;
  pool->Run([&](int worker, int) { memset(data + share * static_cast<size_t>(worker), worker + 1, share); });

  Rates rates;
  std::atomic<uint64_t> sink{0};
  for (const RateKernels* kernels : UsableKernels()) {
    const double read = RatePerSecond(pool, static_cast<double>(share) * n,
                                      [&](int worker) { sink += kernels->read(data + share * static_cast<size_t>(worker), share); });
    const int64_t fp32_rounds = Calibrate([&](int64_t r) { sink += static_cast<uint64_t>(kernels->fp32(r)); });
    const double fp32 = RatePerSecond(pool, static_cast<double>(fp32_rounds * kernels->fp32_ops_per_round) * n,
                                      [&](int) { sink += static_cast<uint64_t>(kernels->fp32(fp32_rounds)); });
    const int64_t int8_rounds = Calibrate([&](int64_t r) { sink += static_cast<uint64_t>(kernels->int8(r)); });
    const double int8 = RatePerSecond(pool, static_cast<double>(int8_rounds * kernels->int8_ops_per_round) * n,
                                      [&](int) { sink += static_cast<uint64_t>(kernels->int8(int8_rounds)); });
    rates.read_bandwidth_gbs = std::max(rates.read_bandwidth_gbs, read * 1e-9);
    rates.fp32_gflops = std::max(rates.fp32_gflops, fp32 * 1e-9);
    rates.int8_gops = std::max(rates.int8_gops, int8 * 1e-9);
  }
  munmap(memory, kReadBytes);
  return rates;
}

}  // namespace edgefront
