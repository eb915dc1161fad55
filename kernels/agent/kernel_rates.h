// Which of the usable kernel paths is the fastest on this machine: measured, not assumed from the instruction sets' names.
#ifndef EDGEFRONT_AGENT_KERNEL_RATES_H_
#define EDGEFRONT_AGENT_KERNEL_RATES_H_

#include <vector>

#include "include/edgefront/isa.h"
#include "include/edgefront/status.h"

namespace edgefront {

struct KernelRate {
  Isa isa;
  double prefill_gops, decode_gops;  // 10^9 operations a second of all threads; a multiply-add is two
};

// Every usable path but the scalar one, in the order of AvailableIsas(); 0 threads = one per allowed CPU. The best of several runs, taken in turn;
// a quarter of a second each.
Result<std::vector<KernelRate>> MeasureKernels(int threads);

// The last path, unless another is clearly faster by the geometric mean of both rates: prefill and decode count the same.
Isa FastestIsa(const std::vector<KernelRate>& rates);

}  // namespace edgefront

#endif  // EDGEFRONT_AGENT_KERNEL_RATES_H_
