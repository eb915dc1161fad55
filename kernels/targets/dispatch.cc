// Run-time choice of a kernel table: what is compiled in, what this CPU and its OS can run.
#include "targets/kernels.h"

#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace edgefront {
namespace {

struct Named {
  Isa isa;
  const char* name;
};
constexpr Named kNames[] = {{Isa::kAuto, "auto"},       {Isa::kScalar, "scalar"}, {Isa::kAvx2, "avx2"},
                            {Isa::kAvxVnni, "avxvnni"}, {Isa::kAvx512, "avx512"}, {Isa::kNeon, "neon"},
                            {Isa::kDotprod, "dotprod"}, {Isa::kI8mm, "i8mm"}};

#if defined(__x86_64__)
// __builtin_cpu_supports knows no AVX-VNNI before GCC 11 / Clang 12-ish runtimes: ask cpuid leaf 7.1, EAX bit 4.
bool HasAvxVnni() {
  unsigned a = 7, b = 0, c = 1, d = 0;
  asm volatile("cpuid" : "+a"(a), "+b"(b), "+c"(c), "+d"(d));
  return (a >> 4 & 1) != 0;
}
#endif

bool CanRun(Isa isa) {
  switch (isa) {
    case Isa::kScalar: return true;
#if defined(__x86_64__)
    case Isa::kAvx2: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    case Isa::kAvxVnni: return CanRun(Isa::kAvx2) && HasAvxVnni();
    case Isa::kAvx512:
      return CanRun(Isa::kAvx2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
#elif defined(__aarch64__)
    case Isa::kNeon: return true;
    case Isa::kDotprod: return (getauxval(AT_HWCAP) >> 20 & 1) != 0;   // HWCAP_ASIMDDP
    case Isa::kI8mm: return (getauxval(AT_HWCAP2) >> 13 & 1) != 0 && CanRun(Isa::kDotprod);  // HWCAP2_I8MM
#endif
    default: return false;
  }
}

}  // namespace

const char* IsaName(Isa isa) {
  for (const Named& n : kNames) {
    if (n.isa == isa) return n.name;
  }
  return "?";
}

std::optional<Isa> ParseIsa(std::string_view name) {
  for (const Named& n : kNames) {
    if (n.name == name) return n.isa;
  }
  return {};
}

std::vector<Isa> AvailableIsas() {
  std::vector<Isa> isas;
  for (const Named& n : kNames) {
    if (n.isa != Isa::kAuto && CanRun(n.isa)) isas.push_back(n.isa);
  }
  return isas;
}

Isa BestIsa() { return AvailableIsas().back(); }

const Kernels* GetKernels(Isa isa) {
  if (isa == Isa::kAuto) isa = BestIsa();
  if (!CanRun(isa)) return nullptr;
  switch (isa) {
#if defined(__x86_64__)
    case Isa::kAvx2: return &Avx2Kernels();
    case Isa::kAvxVnni: return &AvxVnniKernels();
    case Isa::kAvx512: return &Avx512Kernels();
#elif defined(__aarch64__)
    case Isa::kNeon: return &NeonKernels();
    case Isa::kDotprod: return &DotprodKernels();
    case Isa::kI8mm: return &I8mmKernels();
#endif
    default: return &ScalarKernels();
  }
}

}  // namespace edgefront
