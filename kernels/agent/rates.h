// What this machine can do at best: read bandwidth, fp32 FMA and int8 multiply-add rates with all threads. These are the ceilings
// a measurement is held against, so each comes from a loop with nothing else in it.
#ifndef EDGEFRONT_AGENT_RATES_H_
#define EDGEFRONT_AGENT_RATES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "include/edgefront/status.h"

namespace edgefront {

// The inner loops of one instruction set. Each returns a value that depends on all its work, so that none of it is dropped.
struct RateKernels {
  // Reads `bytes` (a multiple of 1024) from a 64-byte aligned address.
  uint64_t (*read)(const uint8_t* data, size_t bytes);
  // `rounds` times fp32_ops_per_round operations (a fused multiply-add is two).
  float (*fp32)(int64_t rounds);
  int64_t fp32_ops_per_round;
  int32_t (*int8)(int64_t rounds);
  int64_t int8_ops_per_round;
};

// nullptr where the instruction set is not compiled in; calling one on a CPU without it is SIGILL.
extern const RateKernels kRatesGeneric;
#if defined(__x86_64__)
extern const RateKernels kRatesAvx2;
extern const RateKernels kRatesAvx512;
extern const RateKernels kRatesAvx512Vnni;
#elif defined(__aarch64__)
extern const RateKernels kRatesNeon;
extern const RateKernels kRatesDotprod;
extern const RateKernels kRatesI8mm;
#endif

// Instruction-set extensions of this CPU that matter here, by their usual names.
std::vector<std::string> CpuFeatures();

struct Rates {
  double read_bandwidth_gbs = 0;
  double int8_gops = 0;
  double fp32_gflops = 0;
};
// Median of several runs on `threads` pinned workers (0 = one per allowed CPU); takes about a second.
Result<Rates> MeasureRates(int threads);

}  // namespace edgefront

#endif  // EDGEFRONT_AGENT_RATES_H_
