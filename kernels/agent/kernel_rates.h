// Finds the fastest usable kernel path by measurement, because the name of an instruction set does not decide
// it.
#ifndef EDGEFRONT_AGENT_KERNEL_RATES_H_
#define EDGEFRONT_AGENT_KERNEL_RATES_H_

#include <vector>

#include "include/edgefront/isa.h"
#include "include/edgefront/status.h"

namespace edgefront {

// The measured rates of one kernel path.
struct KernelRate {
  Isa isa;
  double prefill_gops, decode_gops;  // 10^9 operations a second of all threads; a multiply-add is two
};

// Measures every usable path except the scalar one, in the order of AvailableIsas(). `threads` 0 means
// DefaultThreads(). A rate is the best of several runs; the paths take turns. A path takes about a quarter of
// a second.
Result<std::vector<KernelRate>> MeasureKernels(int threads);

// Returns the last path, unless another is clearly faster by the geometric mean of both rates. Prefill and
// decode count equally.
Isa FastestIsa(const std::vector<KernelRate>& rates);

}  // namespace edgefront

#endif  // EDGEFRONT_AGENT_KERNEL_RATES_H_
