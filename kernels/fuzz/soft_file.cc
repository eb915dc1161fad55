// Fuzzes EFL1 files of a teacher's log-probabilities. The first bytes of an input describe the training data;
// the rest is the file.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "fuzz/file.h"
#include "train/soft_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace edgefront;
  if (size < 4) return 0;
  const int k = data[0];
  const uint64_t positions = data[1];
  const uint32_t vocab = data[2] | data[3] << 8;
  const auto file = train::SoftFile::Open(fuzz::FileOf(data + 4, size - 4), k, positions, vocab);
  if (!file.ok()) return 0;
  const int n = positions < 4 ? static_cast<int>(positions) : 4;
  std::vector<uint16_t> ids(static_cast<size_t>(k) * n);
  std::vector<float> log_probs(ids.size());
  for (uint64_t first = 0; first + n <= positions; first += n) {
    if (!file->Read(first, n, ids.data(), log_probs.data())) continue;
    for (const uint16_t id : ids) fuzz::Require(id < vocab);
  }
  return 0;
}
