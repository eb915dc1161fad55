// Fuzzes checkpoints of training runs. Half of the inputs are files. The other half change a valid checkpoint
// in places, cut it or lengthen it, because its checksum rejects almost everything else. A refused file must
// leave the run unchanged.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "fuzz/file.h"
#include "train/run_state.h"

namespace {

constexpr size_t kFloats = 5;
constexpr uint64_t kFingerprint = 42;

struct Weights {
  float weights[kFloats] = {1, 2, 3, 4, 5}, moment1[kFloats] = {}, moment2[kFloats] = {};
  int64_t steps = 9;
  edgefront::train::Session::State state() { return {weights, moment1, moment2, &steps}; }
};

std::vector<uint8_t> WholeCheckpoint() {
  edgefront::train::RunState run;
  run.step = 20;
  run.reports = {{10, 2.5, 1.0}, {20, 2.0, 0.5}};
  run.looks = {{20, 2.1, 0.25}};
  Weights weights;
  const std::string path = (std::filesystem::temp_directory_path() / ("checkpoint-" + std::to_string(getpid()))).string();
  edgefront::fuzz::Require(run.Save(path, kFingerprint, weights.state(), kFloats).ok());
  std::ifstream in(path, std::ios::binary);
  std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(in), {}};
  std::remove(path.c_str());
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace edgefront;
  static const std::vector<uint8_t> whole = WholeCheckpoint();
  if (size < 2) return 0;
  std::vector<uint8_t> file(data + 1, data + size);
  if (data[0] % 2 == 0) {
    file = whole;
    for (size_t i = 2; i + 2 < size; i += 3) file[(data[i] | data[i + 1] << 8) % file.size()] = data[i + 2];
    if (data[1] != 0) file.resize(file.size() + data[1] - 128);
  }
  Weights weights;
  weights.steps = 3;
  train::RunState run;
  const Status status = run.Restore(fuzz::FileOf(file.data(), file.size()), kFingerprint, weights.state(), kFloats, 1000);
  if (!status.ok()) fuzz::Require(run.step == 0 && run.reports.empty() && weights.steps == 3 && weights.weights[4] == 5);
  if (status.ok() && run.step != 0 && data[0] % 2 == 0) fuzz::Require(file == whole);
  return 0;
}
