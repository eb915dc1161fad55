// Instruction sets: those that have a kernel path, those that this CPU has, and their names. The kernels are
// in targets/.
#ifndef EDGEFRONT_ISA_H_
#define EDGEFRONT_ISA_H_

#include <optional>
#include <string_view>
#include <vector>

namespace edgefront {

enum class Isa { kAuto, kScalar, kAvx2, kAvxVnni, kAvx512, kNeon, kDotprod, kI8mm };

const char* IsaName(Isa isa);  // "auto", "scalar", "avx2", "avxvnni", "avx512", "neon", ...
// Returns the instruction set of a name that IsaName returns, or nothing.
std::optional<Isa> ParseIsa(std::string_view name);

// Returns the paths that are compiled in and that this CPU and OS can run, slowest first. The first is always
// kScalar.
std::vector<Isa> AvailableIsas();
// Returns the last of AvailableIsas(), which is the meaning of kAuto.
Isa BestIsa();

}  // namespace edgefront

#endif  // EDGEFRONT_ISA_H_
