// Runs every registered test, or those whose name contains the first argument; prints one line a failure and the tally.
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "tests/check.h"

namespace edgefront::testing {
namespace {

std::vector<std::pair<const char*, TestFn>>& Tests() {
  static std::vector<std::pair<const char*, TestFn>> tests;
  return tests;
}
int failures_in_test = 0;

}  // namespace

bool Register(const char* name, TestFn fn) {
  Tests().emplace_back(name, fn);
  return true;
}

void Fail(const char* file, int line, const std::string& what) {
  if (++failures_in_test <= 20) std::printf("  %s:%d: %s\n", file, line, what.c_str());
}

}  // namespace edgefront::testing

int main(int argc, char** argv) {
  using namespace edgefront::testing;
  int passed = 0, failed = 0;
  for (const auto& [name, fn] : Tests()) {
    if (argc > 1 && std::strstr(name, argv[1]) == nullptr) continue;
    failures_in_test = 0;
    const auto start = std::chrono::steady_clock::now();
    fn();
    const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    if (failures_in_test > 0) std::printf("FAILED %s (%d)\n", name, failures_in_test);
    if (failures_in_test == 0 && ms > 2000) std::printf("slow: %s took %.0f ms\n", name, ms);
    std::fflush(stdout);
    (failures_in_test > 0 ? failed : passed) += 1;
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed > 0 ? 1 : 0;
}
