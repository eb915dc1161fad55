// Chooses a kernel table at run time, from those compiled in and those that this CPU and its OS can run.
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
constexpr Named kNames[] = {{Isa::kAuto, "auto"},     {Isa::kScalar, "scalar"}, {Isa::kAvx2, "avx2"},       {Isa::kAvxVnni, "avxvnni"},
                            {Isa::kAvx512, "avx512"}, {Isa::kNeon, "neon"},     {Isa::kDotprod, "dotprod"}, {Isa::kI8mm, "i8mm"}};

#if defined(__x86_64__)
// Reads CPUID directly, because compilers differ in the names that __builtin_cpu_supports knows. A feature
// counts only if the OS saves its registers (XCR0).
struct Cpu {
  bool avx2 = false, avxvnni = false, avx512 = false;

  Cpu() {
    const auto max_leaf = Leaf(0, 0).a;
    const Registers one = Leaf(1, 0);
    if (max_leaf < 7 || !Bit(one.c, 27)) return;  // OSXSAVE
    unsigned low, high;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    const Registers seven = Leaf(7, 0);
    // FMA, AVX, F16C, AVX2.
    avx2 = (low & 6) == 6 && Bit(one.c, 12) && Bit(one.c, 28) && Bit(one.c, 29) && Bit(seven.b, 5);
    avxvnni = avx2 && seven.a >= 1 && Bit(Leaf(7, 1).a, 4);
    avx512 = avx2 && (low & 0xE6) == 0xE6 && Bit(seven.b, 16) && Bit(seven.b, 17) && Bit(seven.b, 30) && Bit(seven.b, 31) &&
             Bit(seven.c, 11);  // F, DQ, BW, VL, VNNI
  }

 private:
  struct Registers {
    unsigned a, b, c, d;
  };
  static Registers Leaf(unsigned leaf, unsigned sub) {
    Registers r{leaf, 0, sub, 0};
    asm volatile("cpuid" : "+a"(r.a), "=b"(r.b), "+c"(r.c), "=d"(r.d));
    return r;
  }
  static bool Bit(unsigned word, int bit) { return (word >> bit & 1) != 0; }
};
#endif

bool CanRun(Isa isa) {
#if defined(__x86_64__)
  static const Cpu cpu;
#endif
  switch (isa) {
    case Isa::kScalar: return true;
#if defined(__x86_64__)
    case Isa::kAvx2: return cpu.avx2;
    case Isa::kAvxVnni: return cpu.avxvnni;
    case Isa::kAvx512: return cpu.avx512;
#elif defined(__aarch64__)
    case Isa::kNeon: return true;
    case Isa::kDotprod: return (getauxval(AT_HWCAP) >> 20 & 1) != 0;                         // HWCAP_ASIMDDP
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
