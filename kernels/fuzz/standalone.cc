// Runs a fuzz target without libFuzzer, for g++: every seed, then random changes of seeds from a fixed start.
// It sees no coverage, so it finds less in the same time. Options and last line are those of libFuzzer.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using Bytes = std::vector<uint8_t>;
using Random = std::mt19937_64;

// The current input, and the file that stores it if it ends the process.
const Bytes* current = nullptr;
std::string finding;

void Leave(int signal) {
  if (current != nullptr) {
    if (FILE* file = std::fopen(finding.c_str(), "wb")) {
      std::fwrite(current->data(), 1, current->size(), file);
      std::fclose(file);
    }
    std::fprintf(stderr, "finding: %s\n", finding.c_str());
  }
  std::_Exit(128 + signal);
}

void Change(Bytes* bytes, const std::vector<Bytes>& seeds, size_t most, Random& random) {
  static constexpr uint64_t kNumbers[] = {0, 1, 2, 127, 128, 255, 256, 65535, 65536, 1u << 31, UINT32_MAX, 1ull << 63, UINT64_MAX};
  const auto below = [&](size_t n) { return n == 0 ? 0 : static_cast<size_t>(random() % n); };
  const size_t at = below(bytes->size());
  switch (random() % 6) {
    case 0:
      if (!bytes->empty()) (*bytes)[at] ^= 1u << random() % 8;
      break;
    case 1:
      if (!bytes->empty()) (*bytes)[at] = static_cast<uint8_t>(random());
      break;
    case 2: bytes->resize(at); break;
    case 3: bytes->insert(bytes->begin() + at, 1 + below(8), static_cast<uint8_t>(random())); break;
    case 4: {  // a number of one to eight bytes
      const uint64_t number = kNumbers[below(std::size(kNumbers))];
      const size_t width = size_t{1} << random() % 4;
      if (at + width <= bytes->size()) std::memcpy(bytes->data() + at, &number, width);
      break;
    }
    case 5: {  // a piece of another seed
      const Bytes& other = seeds[below(seeds.size())];
      const size_t from = below(other.size()), length = below(other.size() - from);
      bytes->insert(bytes->begin() + at, other.begin() + from, other.begin() + from + length);
      break;
    }
  }
  if (bytes->size() > most) bytes->resize(most);
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t runs = 100000, seed = 1, most = 8192;
  double seconds = 1e9;
  std::vector<Bytes> seeds;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    const auto value = [&](const char* name) -> const char* { return option.rfind(name, 0) == 0 ? argv[i] + std::strlen(name) : nullptr; };
    if (const char* v = value("-runs=")) {
      runs = std::strtoull(v, nullptr, 10);
    } else if (const char* v = value("-seed=")) {
      seed = std::strtoull(v, nullptr, 10);
    } else if (const char* v = value("-max_len=")) {
      most = std::strtoull(v, nullptr, 10);
    } else if (const char* v = value("-max_total_time=")) {
      seconds = std::atof(v);
    } else if (const char* v = value("-artifact_prefix=")) {
      finding = std::string(v) + "finding";
    } else if (option[0] != '-') {
      for (const auto& entry : std::filesystem::directory_iterator(option)) {
        std::ifstream in(entry.path(), std::ios::binary);
        seeds.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
      }
    }
  }
  std::signal(SIGABRT, Leave);
  std::sort(seeds.begin(), seeds.end());
  if (seeds.empty()) seeds.emplace_back();
  Random random(seed);
  const auto begun = std::chrono::steady_clock::now();
  uint64_t done = 0;
  for (; done < runs; ++done) {
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begun;
    if (done % 256 == 0 && spent.count() > seconds) break;
    Bytes input = seeds[done % seeds.size()];
    if (done >= seeds.size()) {
      for (uint64_t changes = 1 + random() % 4; changes > 0; --changes) Change(&input, seeds, most, random);
    }
    current = &input;
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  std::fprintf(stderr, "stat::number_of_executed_units: %llu\n", static_cast<unsigned long long>(done));
  return 0;
}
