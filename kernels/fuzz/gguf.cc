// Fuzzes the loader: header, spec, memory plan, listing and, for small models, the packed weights and one
// token. Only one input in 8 runs the last two, which cost a hundred times as much as the header.
// test/fuzz/fuzz.ts builds and runs this.
#include <cstddef>
#include <cstdint>

#include "include/edgefront/gguf.h"
#include "infer/session.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace edgefront;
  constexpr uint64_t kSmall = 1u << 17;
  uint32_t sum = 0;
  for (size_t i = 0; i < size; ++i) sum = 31 * sum + data[i];
  const auto gguf = GgufFile::Parse({data, size});
  if (!gguf.ok()) return 0;
  SessionOptions options;
  options.max_context = options.chunk = 2;
  options.threads = 1;
  options.pin = false;
  options.isa = Isa::kAuto;
  const auto plan = PlanMemory(*gguf, options);
  (void)ListProgram(*gguf, options);
  if (!plan.ok() || sum % 8 != 0 || plan->weight_bytes + plan->activation_bytes + plan->cache_bytes > kSmall) return 0;
  const auto model = Model::FromBytes({data, size}, 1);
  if (!model.ok()) return 0;
  auto session = Session::Create(*model, options);
  const uint32_t token = 0;
  if (session.ok()) (void)(*session)->Prefill({&token, 1});
  return 0;
}
