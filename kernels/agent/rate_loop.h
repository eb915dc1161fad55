// Times a loop of the probe: on all workers at once, with enough rounds for the clock's resolution, as the
// median of several runs.
#ifndef EDGEFRONT_AGENT_RATE_LOOP_H_
#define EDGEFRONT_AGENT_RATE_LOOP_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "agent/machine.h"
#include "include/edgefront/thread_pool.h"

namespace edgefront {

inline constexpr int kRuns = 5;

// Returns the upper median of `values`, which must not be empty.
inline double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Returns units per second of `work(worker)` run on all workers at once: the median of kRuns runs.
template <class Work>
double RatePerSecond(ThreadPool* pool, double units, Work work) {
  std::vector<double> rates;
  for (int run = 0; run <= kRuns; ++run) {
    const double start = NowMs();
    pool->Run([&](int worker, int) { work(worker); });
    const double seconds = (NowMs() - start) * 1e-3;
    if (run > 0) rates.push_back(units / std::max(seconds, 1e-9));  // the first run warms up
  }
  return Median(rates);
}

// Returns the number of rounds that take about 20 ms on one thread. The shortest of three tries counts,
// because an interrupted try looks too long. Its result would be too few rounds, which would mostly time the
// start of the threads.
template <class Loop>
int64_t Calibrate(Loop loop, int64_t first = 256) {
  constexpr double kEnoughMs = 4;
  constexpr int64_t kMost = int64_t{1} << 40;  // a loop that the compiler removed never takes time
  for (int64_t rounds = first;; rounds *= 4) {
    double ms = 1e9;
    for (int i = 0; i < 3 && ms > kEnoughMs; ++i) {
      const double start = NowMs();
      loop(rounds);
      ms = std::min(ms, NowMs() - start);
    }
    if (rounds >= kMost) return rounds;
    if (ms > kEnoughMs) return std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(rounds) * 20 / ms));
  }
}

}  // namespace edgefront

#endif  // EDGEFRONT_AGENT_RATE_LOOP_H_
