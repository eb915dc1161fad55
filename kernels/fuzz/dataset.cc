// Fuzzes EFD1 data files. The first bytes of an input are the request's parameters; the rest is the file.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "fuzz/file.h"
#include "train/dataset.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace edgefront;
  using train::Dataset;
  if (size < 4) return 0;
  const bool examples = data[0] % 2 == 0;
  const int length = data[1];
  const uint32_t vocab = data[2] | data[3] << 8;
  const auto set = Dataset::Open(fuzz::FileOf(data + 4, size - 4), examples, length, vocab);
  if (!set.ok()) return 0;
  std::vector<uint16_t> tokens(length), targets(length);
  const auto read = [&](uint64_t index) {
    const int scored = set->Read(index, tokens.data(), targets.data());
    fuzz::Require(scored >= Dataset::kUnreadable && scored <= length);
    if (scored < 0) return;
    for (const uint16_t token : tokens) fuzz::Require(token < vocab);
  };
  fuzz::Require(set->choices() > 0);
  read(0);
  read(set->choices() - 1);
  for (const uint64_t index : set->Spread(8)) read(index);
  // Shuffling needs memory for each row of an examples file, but the file itself is at least as large.
  train::Order order(7, *set, examples);
  for (uint64_t n = 0; n < 8; ++n) {
    const uint64_t index = order.At(n);
    fuzz::Require(index < set->choices());
    read(index);
  }
  return 0;
}
