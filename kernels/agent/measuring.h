// The measure job for any engine: the options of its request, warm-up, repetitions and the answer. Warm-up
// lasts until two repetitions in a row agree. An engine only resets, prefills and decodes. All raw samples are
// reported; the coordinator computes medians and intervals. A batch of B sequences is prefilled one after the
// other and decoded together, so one decode time covers a token of each sequence.
#ifndef EDGEFRONT_AGENT_MEASURING_H_
#define EDGEFRONT_AGENT_MEASURING_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agent/disturbance.h"
#include "agent/jobs.h"
#include "agent/machine.h"
#include "infer/profile.h"

namespace edgefront {

struct MeasureOptions {
  std::vector<int64_t> contexts;
  int64_t decode_tokens, repetitions, max_warmups;
  double tolerance;
  bool profile;

  int64_t longest() const;  // the longest context
};
// Error: kBadRequest.
Result<MeasureOptions> ReadMeasureOptions(const Json& request);

// A loaded model that can be timed.
class TimedEngine {
 public:
  virtual ~TimedEngine() = default;
  virtual void Reset() = 0;  // empties every sequence's cache
  // Appends the tokens of a prompt to sequence `seq`.
  virtual Status Prefill(std::span<const uint32_t> tokens, uint32_t seq) = 0;
  // Decodes one token of every sequence.
  virtual Status DecodeBatch(std::span<const uint32_t> tokens) = 0;
  // Returns the likeliest token after the last one of sequence `seq`: the lowest id among equals.
  virtual uint32_t ArgMax(uint32_t seq) = 0;
  // Profiles by operator, of prefill and of decode, for engines that have them.
  virtual void StartProfile() {}
  virtual std::vector<Profile> TakeProfile() { return {}; }
};

struct Repetition {
  double ttft_ms = 0, prefill_ms = 0;
  std::vector<double> decode_ms;              // of each step after the first token
  std::vector<std::vector<uint32_t>> tokens;  // greedy tokens of each sequence

  double decode_total() const;
};

// Returns the prompts of a batch: sequence s begins at the fixed token s * context.
std::vector<std::vector<uint32_t>> FixedPrompts(uint32_t batch, int64_t context, uint32_t vocab);
// Runs one repetition: empty cache, prefill, first token of every sequence (TTFT), then decode steps.
Result<Repetition> RunRepetition(TimedEngine* engine, const std::vector<std::vector<uint32_t>>& prompts, int64_t decode_tokens);

struct ContextSamples {
  int64_t context = 0;
  int warmups = 0;
  bool stable = false;
  std::vector<Repetition> repetitions;
  std::vector<Profile> profile;  // of prefill and decode; empty if not requested
};
struct Measured {
  std::vector<ContextSamples> contexts;
  double first_token_clock = 0;  // NowMs() at the very first token
};
// Measures every context.
Result<Measured> MeasureContexts(TimedEngine* engine, const MeasureOptions& options, uint32_t batch, uint32_t vocab, Reporter* reporter,
                                 DisturbanceMeter* meter);

// Reports {"phase":"load"}.
void ReportLoading(Reporter* reporter);

// The part of the answer that describes the engine and its model.
struct MeasuredModel {
  std::string isa;
  int threads = 0;
  uint32_t batch = 1;
  std::vector<int> affinity;
  std::string architecture;
  uint64_t parameters = 0;
  bool seeded = false;
  std::string sha256;  // of the plan or the file
  MemoryPlan plan;
  double load_start = 0, load_ms = 0;
  ProcessMemory memory;
  std::string runtime;  // JSON of another engine than this package's; else empty
};
// Reports the result.
void ReportMeasured(const MeasuredModel& model, const Measured& measured, const DisturbanceMeter& meter, Reporter* reporter);

}  // namespace edgefront

#endif  // EDGEFRONT_AGENT_MEASURING_H_
