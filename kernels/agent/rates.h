// The ceilings of this machine with all threads: read bandwidth, fp32 FMA rate and int8 multiply-add rate.
// Measurements are compared with these ceilings, so each loop does nothing else.
#ifndef EDGEFRONT_AGENT_RATES_H_
#define EDGEFRONT_AGENT_RATES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "include/edgefront/status.h"

namespace edgefront {

// The inner loops of one instruction set. Each returns a value that depends on all its work, so that the
// compiler removes none of it.
struct RateKernels {
  // Reads `bytes` bytes (a multiple of 1024) from `data`, which is aligned to 64 bytes.
  uint64_t (*read)(const uint8_t* data, size_t bytes);
  // Runs `rounds` times fp32_ops_per_round operations; a fused multiply-add is two.
  float (*fp32)(int64_t rounds);
  int64_t fp32_ops_per_round;
  int32_t (*int8)(int64_t rounds);
  int64_t int8_ops_per_round;
};

// One table for each instruction set. Calling a kernel on a CPU without that instruction set raises SIGILL.
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

// Returns the relevant instruction-set extensions of this CPU, by their usual names.
std::vector<std::string> CpuFeatures();

// Rates of the whole machine: 10^9 bytes, int8 operations and fp32 operations a second. A multiply-add is
// two.
struct Rates {
  double read_bandwidth_gbs = 0;
  double int8_gops = 0;
  double fp32_gflops = 0;
};
// Returns the median of several runs on `threads` pinned workers (0: DefaultThreads()). Takes about a second.
Result<Rates> MeasureRates(int threads);

}  // namespace edgefront

#endif  // EDGEFRONT_AGENT_RATES_H_
