// Which instruction sets a kernel path exists for, which of them this CPU has, and their names.
// The kernels themselves are in targets/.
#ifndef EDGEFRONT_ISA_H_
#define EDGEFRONT_ISA_H_

#include <optional>
#include <string_view>
#include <vector>

namespace edgefront {

enum class Isa { kAuto, kScalar, kAvx2, kAvxVnni, kAvx512, kNeon, kDotprod, kI8mm };

const char* IsaName(Isa isa);  // "auto", "scalar", "avx2", "avxvnni", "avx512", "neon", ...
std::optional<Isa> ParseIsa(std::string_view name);

// The paths that are compiled in and that this CPU and OS can run, slowest first; always starts with kScalar.
std::vector<Isa> AvailableIsas();
// The last of AvailableIsas(): the one kAuto stands for.
Isa BestIsa();

}  // namespace edgefront

#endif  // EDGEFRONT_ISA_H_
