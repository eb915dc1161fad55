// libFuzzer entry over the loader, built on request only (it is no *_test.cc and has its own main):
//   clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -I. tests/fuzz_gguf.cc infer/*.cc quant/*.cc targets/scalar.cc ...
#include <cstddef>
#include <cstdint>

#include "include/edgefront/gguf.h"
#include "infer/session.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace edgefront;
  const auto gguf = GgufFile::Parse({data, size});
  if (!gguf.ok()) return 0;
  (void)PlanMemory(*gguf, {});
  (void)ListProgram(*gguf, {});
  return 0;
}
