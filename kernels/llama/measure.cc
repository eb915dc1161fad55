// The measure job on llama.cpp. Flash attention is slower than the plain one on some processors, so both are
// tried, and the plain one is measured where it is clearly faster.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "agent/machine.h"
#include "llama/jobs.h"
#include "llama/opened_model.h"
#include "llama/session.h"

namespace edgefront::llama {
namespace {

constexpr int64_t kTrialDecode = 8, kTrialWarmup = 32;
// Plain attention is chosen if it takes less than this share of the time. Chance would choose between nearly
// equal ones, and their roundings differ.
constexpr double kClearly = 0.95;

// Makes the peak of this process's memory start again at its present size, where the system allows it.
void ResetPeakMemory() {
  const int file = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
  if (file < 0) return;
  [[maybe_unused]] const ssize_t n = write(file, "5", 1);
  close(file);
}

struct Trial {
  std::unique_ptr<LlamaSession> session;
  double prefill_ms = 0, decode_ms = 0;

  double product() const { return prefill_ms * decode_ms; }
};

// Makes a session and times the longest context on it once, after a short run.
Result<Trial> Try(const Library& library, const Weights& weights, uint32_t vocab, const LlamaOptions& options,
                  const MeasureOptions& measure) {
  Result<std::unique_ptr<LlamaSession>> session = LlamaSession::Create(library, weights, vocab, options);
  if (!session.ok()) return session.status();
  const uint32_t batch = options.session.batch;
  const int64_t decode = std::min(measure.decode_tokens, kTrialDecode);
  Result<Repetition> timed = Repetition();
  for (int64_t context : {std::min(measure.longest(), kTrialWarmup), measure.longest()}) {
    timed = RunRepetition(session->get(), FixedPrompts(batch, context, vocab), decode);
    if (!timed.ok()) return timed.status();
  }
  return Trial{std::move(*session), timed->prefill_ms, timed->decode_total()};
}

// Returns a session with the kind of attention that is faster, prefill and decode counting equally. `options`
// is set to it.
Result<std::unique_ptr<LlamaSession>> CreateFaster(const Library& library, const Weights& weights, uint32_t vocab,
                                                   const MeasureOptions& measure, LlamaOptions* options) {
  options->flash_attention = true;
  // A quantised cache of values has no other.
  if (options->session.kv == KvType::kQ8_0) return LlamaSession::Create(library, weights, vocab, *options);
  double flash = 0;
  {
    Result<Trial> on = Try(library, weights, vocab, *options, measure);
    if (!on.ok()) return on.status();
    flash = on->product();
  }
  options->flash_attention = false;
  {
    Result<Trial> off = Try(library, weights, vocab, *options, measure);
    if (!off.ok()) return off.status();
    if (off->product() < kClearly * kClearly * flash) return std::move(off->session);
  }
  options->flash_attention = true;
  return LlamaSession::Create(library, weights, vocab, *options);
}

// Refuses a measurement in which a repetition chose other tokens than the first one: something of the one
// before was left in the cache.
Status CheckRepetitions(const Measured& measured) {
  for (const ContextSamples& samples : measured.contexts) {
    for (const Repetition& repetition : samples.repetitions) {
      if (repetition.tokens != samples.repetitions.front().tokens)
        return Unsupported("llama.cpp chooses other tokens when the same prompt is repeated");
    }
  }
  return Status::Ok();
}

}  // namespace

Status RunLlamaMeasure(const Json& request, Reporter* reporter) {
  Result<MeasureOptions> measure = ReadMeasureOptions(request);
  if (!measure.ok()) return measure.status();
  if (measure->profile) return Unsupported("llama.cpp does not tell the time of its operators; measure without a profile");
  Result<Library> library = OpenLibrary(request);
  if (!library.ok()) return library.status();
  Result<LlamaOptions> read = ReadOptions(request, *library);
  if (!read.ok()) return read.status();
  LlamaOptions& options = *read;
  options.session.max_context = static_cast<uint32_t>(measure->longest() + measure->decode_tokens);
  Result<OpenedModel> model = OpenModel(request, *library, options.session);
  if (!model.ok()) return model.status();

  DisturbanceMeter meter;  // created before threads are bound
  MeasuredModel about;
  about.affinity = RestrictToCpus(options.session.threads);
  ReportLoading(reporter);
  about.load_start = NowMs();
  Result<Weights> weights = LoadWeights(*library, model->file.path());
  if (!weights.ok()) return weights.status();
  about.load_ms = NowMs() - about.load_start;
  const uint64_t peak_of_load = ReadProcessMemory().peak_bytes;
  Result<std::unique_ptr<LlamaSession>> session = CreateFaster(*library, *weights, model->spec.vocab, *measure, &options);
  if (!session.ok()) return session.status();
  ResetPeakMemory();
  // The trial is no part of the way to the first token.
  about.load_start = NowMs() - about.load_ms;

  Result<Measured> measured = MeasureContexts(session->get(), *measure, options.session.batch, model->spec.vocab, reporter, &meter);
  if (!measured.ok()) return measured.status();
  EDGEFRONT_RETURN_IF_ERROR(CheckRepetitions(*measured));
  about.memory = ReadProcessMemory();
  about.memory.peak_bytes = std::max(about.memory.peak_bytes, peak_of_load);
  Result<std::string> hash = model->source.Sha256();
  if (!hash.ok()) return hash.status();
  about.isa = library->isa;
  about.threads = options.session.threads;
  about.batch = options.session.batch;
  about.architecture = model->spec.architecture;
  about.parameters = model->spec.Parameters();
  about.seeded = model->source.path.empty();
  about.sha256 = *hash;
  // What llama.cpp needs beside weights and cache is not predicted.
  about.plan.weight_bytes = model->plan.weight_bytes;
  about.plan.cache_bytes = model->plan.cache_bytes;
  about.plan.predicted_peak_bytes = model->plan.weight_bytes + model->plan.cache_bytes;
  const Conduct conduct = {.flash_attention = options.flash_attention, .mmap = false};
  about.runtime = Describe(*library, &conduct);
  ReportMeasured(about, *measured, meter, reporter);
  return Status::Ok();
}

}  // namespace edgefront::llama
