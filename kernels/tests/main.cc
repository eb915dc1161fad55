// Runs the registered tests and prints `N passed, N failed`; the exit status is 1 if any failed.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <vector>

#include "include/edgefront/isa.h"
#include "targets/kernels.h"
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
int failures = 0;  // of the running test

}  // namespace

Registrar::Registrar(const char* name, TestFn fn) { Entries().push_back({name, fn}); }

void Fail(const char* file, int line, const std::string& what) {
  if (++failures <= 20) std::fprintf(stderr, "  %s:%d: %s\n", file, line, what.c_str());
}

// Which instruction sets the kernel tests went through, and which of this architecture's they could not.
void PrintIsas() {
#if defined(__aarch64__)
  constexpr Isa kCompiled[] = {Isa::kScalar, Isa::kNeon, Isa::kDotprod, Isa::kI8mm};
#else
  constexpr Isa kCompiled[] = {Isa::kScalar, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512};
#endif
  const std::vector<Isa> available = AvailableIsas();
  for (Isa isa : kCompiled) {
    const bool can = std::find(available.begin(), available.end(), isa) != available.end();
    const bool twin = isa == Isa::kAvxVnni && GetKernels(Isa::kAvx512) != nullptr;
    std::printf("isa %s: %s%s\n", IsaName(isa), can ? "tested" : "skipped, this processor does not have it",
                twin && !can ? " (its kernels were tested in AVX-512's encoding)" : "");
  }
  std::printf("trainer in float32: %s; in bfloat16: %s\n", train::SelectMath("auto")->isa,
              train::SelectMath("auto", train::Precision::kBfloat16)->isa);
}

int Main(int argc, char** argv) {
  int passed = 0, failed = 0;
  for (const Entry& e : Entries()) {
    bool wanted = argc < 2;
    for (int i = 1; i < argc; ++i) wanted = wanted || std::strstr(e.name, argv[i]);
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
