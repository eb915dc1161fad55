// Judges early stopping, and writes and reads checkpoints, which end with a checksum.
#include "train/run_state.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "train/atomic_file.h"

namespace edgefront::train {
namespace {

// The head of a checkpoint, in this machine's byte order, because a checkpoint is only read on the machine
// that wrote it.
struct Head {
  char magic[8];
  uint64_t fingerprint, floats, reports, looks;
  int64_t step, in_window, stale, optimiser_steps;
  double window, norms, seconds, best;
};
constexpr char kMagic[8] = {'E', 'F', 'C', 'K', 'P', 'T', '0', '1'};

uint64_t Mix(uint64_t h, std::span<const uint8_t> bytes) {
  size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data() + i, 8);
    h = (h ^ word) * 0x100000001B3ull;
    h ^= h >> 29;
  }
  for (; i < bytes.size(); ++i) h = (h ^ bytes[i]) * 0x100000001B3ull;
  return h;
}

template <class T>
std::span<const uint8_t> Bytes(const T* p, size_t n) {
  return {reinterpret_cast<const uint8_t*>(p), n * sizeof(T)};
}

struct Close {
  void operator()(std::FILE* f) const { std::fclose(f); }
};

}  // namespace

bool RunState::Judge(const StopRule& rule, const Look& look) {
  looks.push_back(look);
  if (look.accuracy >= rule.accuracy) {
    stopped = Stopped::kConverged;
    return true;
  }
  if (rule.hopeless_step > 0 && look.step >= rule.hopeless_step && look.loss > rule.hopeless_loss) {
    stopped = Stopped::kHopeless;
    return true;
  }
  stale = look.loss < best * (1 - rule.improvement) ? 0 : stale + 1;
  if (look.loss < best) best = look.loss;
  if (rule.patience > 0 && stale >= rule.patience) {
    stopped = Stopped::kPlateau;
    return true;
  }
  return false;
}

Status RunState::Save(const std::string& path, uint64_t fingerprint, const Session::State& weights, size_t floats) const {
  Head head{};
  std::memcpy(head.magic, kMagic, sizeof kMagic);
  head.fingerprint = fingerprint;
  head.floats = floats;
  head.reports = reports.size();
  head.looks = looks.size();
  head.step = step;
  head.in_window = in_window;
  head.stale = stale;
  head.optimiser_steps = *weights.steps;
  head.window = window;
  head.norms = norms;
  head.seconds = seconds;
  head.best = best;
  std::vector<std::span<const uint8_t>> parts = {Bytes(&head, 1),
                                                 Bytes(reports.data(), reports.size()),
                                                 Bytes(looks.data(), looks.size()),
                                                 Bytes(weights.weights, floats),
                                                 Bytes(weights.moment1, floats),
                                                 Bytes(weights.moment2, floats)};
  uint64_t sum = 0;
  for (const auto& part : parts) sum = Mix(sum, part);
  parts.push_back(Bytes(&sum, 1));
  return WriteAtomically(path, parts);
}

Status RunState::Restore(const std::string& path, uint64_t fingerprint, const Session::State& weights, size_t floats, int64_t last) {
  const std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), "rb"));
  if (!file) {
    return errno == ENOENT ? Status::Ok() : BadCheckpoint("checkpoint " + path + ": " + std::strerror(errno));
  }
  const Status damaged = BadCheckpoint("checkpoint " + path + " is damaged; remove it to start over");
  Head head;
  if (std::fread(&head, sizeof head, 1, file.get()) != 1 || std::memcmp(head.magic, kMagic, sizeof kMagic) != 0) return damaged;
  if (head.fingerprint != fingerprint || head.floats != floats) {
    return BadCheckpoint("checkpoint " + path + " is of another run; name another file, or remove it");
  }
  if (head.step > last) return Status::Ok();
  // Values are read into separate memory, so a damaged file cannot leave a mixture.
  if (head.reports > 10'000'000 || head.looks > 10'000'000) return damaged;
  // The file's size is checked before any memory is allocated for the counts in its head.
  struct stat st;
  const uint64_t bytes =
      sizeof head + head.reports * sizeof(Report) + head.looks * sizeof(Look) + 3 * floats * sizeof(float) + sizeof(uint64_t);
  if (fstat(fileno(file.get()), &st) != 0 || static_cast<uint64_t>(st.st_size) != bytes) return damaged;
  RunState read;
  read.reports.resize(head.reports);
  read.looks.resize(head.looks);
  std::vector<float> values(3 * floats);
  uint64_t sum = 0;
  const auto take = [&](auto* p, size_t n) { return n == 0 || std::fread(p, sizeof *p, n, file.get()) == n; };
  if (!take(read.reports.data(), head.reports) || !take(read.looks.data(), head.looks) || !take(values.data(), values.size()) ||
      !take(&sum, 1)) {
    return damaged;
  }
  uint64_t want = Mix(0, Bytes(&head, 1));
  want = Mix(Mix(want, Bytes(read.reports.data(), head.reports)), Bytes(read.looks.data(), head.looks));
  for (int i = 0; i < 3; ++i) want = Mix(want, Bytes(values.data() + i * floats, floats));
  if (want != sum) return damaged;
  read.step = head.step;
  read.in_window = head.in_window;
  read.stale = head.stale;
  read.window = head.window;
  read.norms = head.norms;
  read.seconds = head.seconds;
  read.best = head.best;
  *this = std::move(read);
  std::memcpy(weights.weights, values.data(), floats * sizeof(float));
  std::memcpy(weights.moment1, values.data() + floats, floats * sizeof(float));
  std::memcpy(weights.moment2, values.data() + 2 * floats, floats * sizeof(float));
  *weights.steps = head.optimiser_steps;
  return Status::Ok();
}

}  // namespace edgefront::train
