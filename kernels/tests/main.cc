// Runs the registered tests, or those whose name contains an argument, and prints `N passed, N failed`. The
// exit status is 1 if any failed. `--isa NAME`, which may be repeated, limits tests to these instruction
// sets, because emulated processors are slow.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "include/edgefront/isa.h"
#include "targets/kernels.h"
#include "tests/isas.h"
#include "tests/test.h"
#include "train/math.h"

namespace edgefront::testing {
namespace {

struct Entry {
  const char* name;
  TestFn fn;
};
std::vector<Entry>& Entries() {
  static std::vector<Entry> entries;
  return entries;
}
int failures = 0;                      // of the running test
std::vector<std::string> wanted_isas;  // empty: all

}  // namespace

Registrar::Registrar(const char* name, TestFn fn) { Entries().push_back({name, fn}); }

void Fail(const char* file, int line, const std::string& what) {
  if (++failures <= 20) std::fprintf(stderr, "  %s:%d: %s\n", file, line, what.c_str());
}

bool IsaWanted(std::string_view name) {
  return wanted_isas.empty() || std::find(wanted_isas.begin(), wanted_isas.end(), name) != wanted_isas.end();
}

std::vector<Isa> TestedIsas() {
  std::vector<Isa> isas = AvailableIsas();
  std::erase_if(isas, [](Isa isa) { return !IsaWanted(IsaName(isa)); });
  return isas;
}

// Prints the instruction sets that the kernel tests used, and those of this architecture that the machine
// lacks.
void PrintIsas() {
#if defined(__aarch64__)
  constexpr Isa kCompiled[] = {Isa::kScalar, Isa::kNeon, Isa::kDotprod, Isa::kI8mm};
#else
  constexpr Isa kCompiled[] = {Isa::kScalar, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512};
#endif
  const std::vector<Isa> available = AvailableIsas();
  for (Isa isa : kCompiled) {
    if (!IsaWanted(IsaName(isa))) {
      std::printf("isa %s: left out\n", IsaName(isa));
      continue;
    }
    const bool can = std::find(available.begin(), available.end(), isa) != available.end();
    const bool twin = isa == Isa::kAvxVnni && GetKernels(Isa::kAvx512) != nullptr;
    std::printf("isa %s: %s%s\n", IsaName(isa), can ? "tested" : "skipped, this processor does not have it",
                twin && !can ? " (its kernels were tested in AVX-512's encoding)" : "");
  }
  std::printf("trainer in float32: %s; in bfloat16: %s\n", train::SelectMath("auto")->isa,
              train::SelectMath("auto", train::Precision::kBfloat16)->isa);
}

int Main(int argc, char** argv) {
  std::vector<const char*> names;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--isa") != 0) {
      names.push_back(argv[i]);
    } else if (++i < argc && ParseIsa(argv[i]) && *ParseIsa(argv[i]) != Isa::kAuto) {
      wanted_isas.push_back(argv[i]);
    } else {
      std::fprintf(stderr, "--isa takes the name of an instruction set\n");
      return 2;
    }
  }
  int passed = 0, failed = 0;
  for (const Entry& e : Entries()) {
    bool wanted = names.empty();
    for (const char* name : names) wanted = wanted || std::strstr(e.name, name);
    if (!wanted) continue;
    failures = 0;
    e.fn();
    if (failures) std::fprintf(stderr, "FAIL %s (%d)\n", e.name, failures);
    (failures ? failed : passed) += 1;
  }
  PrintIsas();
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed || passed == 0;
}

}  // namespace edgefront::testing

int main(int argc, char** argv) { return edgefront::testing::Main(argc, argv); }
