// The measure job: loads the model, warms up until two repetitions in a row agree, then times prefill and
// every decoded token. All raw samples are reported; the coordinator computes medians and intervals. A batch
// of B sequences is prefilled one after the other and decoded together, so one decode time covers a token of
// each sequence.
#include <cmath>
#include <optional>

#include "agent/disturbance.h"
#include "agent/jobs.h"
#include "agent/machine.h"
#include "agent/sha256.h"
#include "infer/seeded_weights.h"

namespace edgefront {
namespace {

struct MeasureOptions {
  std::vector<int64_t> contexts;
  int64_t decode_tokens, repetitions, max_warmups;
  double tolerance;
  bool profile;
};

struct Repetition {
  double ttft_ms = 0, prefill_ms = 0;
  std::vector<double> decode_ms;              // of each step after the first token
  std::vector<std::vector<uint32_t>> tokens;  // greedy tokens of each sequence

  double decode_total() const {
    double sum = 0;
    for (double ms : decode_ms) sum += ms;
    return sum;
  }
};

struct ContextSamples {
  int64_t context = 0;
  int warmups = 0;
  bool stable = false;
  std::vector<Repetition> repetitions;
  std::vector<Profile> profile;  // of prefill and decode; empty if not requested
};

Result<MeasureOptions> ReadMeasureOptions(const Json& request) {
  Fields fields(&request);
  MeasureOptions options;
  options.contexts = fields.Integers("contexts", {1024}, 1, 1 << 20, 64);
  options.decode_tokens = fields.Integer("decodeTokens", 32, 2, 1 << 16);
  options.repetitions = fields.Integer("repetitions", 5, 1, 1000);
  options.profile = fields.Boolean("profile", false);
  Fields warmup(fields.Member("warmup"));
  options.max_warmups = warmup.Integer("max", 4, 0, 100);
  options.tolerance = warmup.Real("tolerance", 0.03, 0, 1);
  if (!fields.status().ok()) return fields.status();
  if (!warmup.status().ok()) return warmup.status();
  return options;
}

// Runs one repetition: empty cache, prefill, first token of every sequence (TTFT), then decode steps.
Result<Repetition> RunRepetition(Session* session, const std::vector<std::vector<uint32_t>>& prompts, int64_t decode_tokens) {
  Repetition repetition;
  repetition.decode_ms.reserve(static_cast<size_t>(decode_tokens));
  repetition.tokens.assign(prompts.size(), {});
  for (auto& tokens : repetition.tokens) tokens.reserve(static_cast<size_t>(decode_tokens));
  std::vector<uint32_t> now(prompts.size());
  const auto sample = [&] {
    for (uint32_t s = 0; s < now.size(); ++s) {
      now[s] = session->ArgMax(s);
      repetition.tokens[s].push_back(now[s]);
    }
  };
  session->Reset();
  const double start = NowMs();
  for (uint32_t s = 0; s < prompts.size(); ++s) EDGEFRONT_RETURN_IF_ERROR(session->Prefill(prompts[s], s));
  repetition.prefill_ms = NowMs() - start;
  sample();
  double last = NowMs();
  repetition.ttft_ms = last - start;
  for (int64_t i = 1; i < decode_tokens; ++i) {
    EDGEFRONT_RETURN_IF_ERROR(session->DecodeBatch(now));
    sample();
    const double clock = NowMs();
    repetition.decode_ms.push_back(clock - last);
    last = clock;
  }
  return repetition;
}

bool Agree(double a, double b, double tolerance) { return std::abs(a - b) <= tolerance * std::min(a, b); }

void ReportProgress(Reporter* reporter, const char* phase, int64_t context, int64_t repetition) {
  JsonWriter json;
  json.BeginObject().Key("phase").String(phase).Key("context").Integer(context);
  json.Key("repetition").Integer(repetition).EndObject();
  reporter->Progress(json);
}

Result<ContextSamples> MeasureContext(Session* session, const MeasureOptions& options, int64_t context, uint32_t batch, uint32_t vocab,
                                      Reporter* reporter, double* first_token_clock, DisturbanceMeter* meter) {
  std::vector<std::vector<uint32_t>> prompts(batch, std::vector<uint32_t>(static_cast<size_t>(context)));
  size_t next = 0;
  for (auto& prompt : prompts)
    for (uint32_t& token : prompt) token = FixedToken(next++, vocab);
  ContextSamples samples;
  samples.context = context;
  auto run = [&]() -> Result<Repetition> {
    const double start = NowMs();
    Result<Repetition> repetition = RunRepetition(session, prompts, options.decode_tokens);
    if (repetition.ok() && *first_token_clock == 0) *first_token_clock = start + repetition->ttft_ms;
    return repetition;
  };
  std::optional<Repetition> previous;
  while (samples.warmups < options.max_warmups && !samples.stable) {
    ReportProgress(reporter, "warmup", context, samples.warmups);
    Result<Repetition> now = run();
    if (!now.ok()) return now.status();
    ++samples.warmups;
    samples.stable = previous && Agree(previous->prefill_ms, now->prefill_ms, options.tolerance) &&
                     Agree(previous->decode_total(), now->decode_total(), options.tolerance);
    previous = std::move(*now);
  }
  if (options.profile) session->StartProfile();
  for (int64_t i = 0; i < options.repetitions; ++i) {
    ReportProgress(reporter, "measure", context, i);
    meter->Start();
    Result<Repetition> now = run();
    meter->Stop();
    if (!now.ok()) return now.status();
    samples.repetitions.push_back(std::move(*now));
  }
  if (options.profile) samples.profile = {session->profile(false), session->profile(true)};
  return samples;
}

void WriteProfile(const std::vector<Profile>& phases, JsonWriter* json) {
  json->Key("profile").BeginArray();
  for (size_t phase = 0; phase < phases.size(); ++phase) {
    for (const OpProfile& p : phases[phase]) {
      if (p.calls == 0) continue;
      json->BeginObject().Key("phase").String(phase == 0 ? "prefill" : "decode").Key("op").String(p.op);
      json->Key("calls").Unsigned(p.calls).Key("ms").Number(p.ms);
      json->Key("bytes").Number(p.cost.bytes).Key("flops").Number(p.cost.flops).EndObject();
    }
  }
  json->EndArray();
}

void WriteContext(const ContextSamples& samples, JsonWriter* json) {
  json->BeginObject().Key("context").Integer(samples.context).Key("warmups").Integer(samples.warmups);
  json->Key("stable").Bool(samples.stable).Key("ttftMs").BeginArray();
  for (const Repetition& r : samples.repetitions) json->Number(r.ttft_ms);
  json->EndArray().Key("prefillMs").BeginArray();
  for (const Repetition& r : samples.repetitions) json->Number(r.prefill_ms);
  json->EndArray().Key("decodeMs").BeginArray();
  for (const Repetition& r : samples.repetitions) {
    json->BeginArray();
    for (double ms : r.decode_ms) json->Number(ms);
    json->EndArray();
  }
  json->EndArray();
  if (!samples.profile.empty()) WriteProfile(samples.profile, json);
  json->EndObject();
}

void WriteOptional(const char* key, std::optional<double> value, JsonWriter* json) {
  json->Key(key);
  if (value) {
    json->Number(*value);
  } else {
    json->Null();
  }
}

}  // namespace

Status RunMeasure(const Json& request, Reporter* reporter) {
  Result<MeasureOptions> measure = ReadMeasureOptions(request);
  if (!measure.ok()) return measure.status();
  Result<SessionOptions> options = ReadSessionOptions(request);
  if (!options.ok()) return options.status();
  int64_t longest = 0;
  for (int64_t context : measure->contexts) longest = std::max(longest, context);
  options->max_context = static_cast<uint32_t>(longest + measure->decode_tokens);
  Result<ModelSource> source = ModelSource::From(request);
  if (!source.ok()) return source.status();
  Result<GgufFile> header = source->Header();
  if (!header.ok()) return header.status();
  Result<MemoryPlan> plan = PlanMemory(*header, *options);
  if (!plan.ok()) return plan.status();
  EDGEFRONT_RETURN_IF_ERROR(CheckFits(*plan));
  // The beginning of the file was read for its header. It is freed because it is not part of the memory that
  // running the model needs.
  if (!source->path.empty()) {
    *header = GgufFile();
    source->bytes = std::vector<uint8_t>();
  }

  DisturbanceMeter meter;  // created before threads are bound
  ReportProgress(reporter, "load", 0, 0);
  const double load_start = NowMs();
  Result<std::shared_ptr<const Model>> model = source->Load(options->threads);
  if (!model.ok()) return model.status();
  Result<std::unique_ptr<Session>> created = Session::Create(*model, *options);
  if (!created.ok()) return created.status();
  Session* session = created->get();
  const double load_ms = NowMs() - load_start;
  const ModelSpec& spec = (*model)->spec();

  double first_token_clock = 0;
  std::vector<ContextSamples> contexts;
  for (int64_t context : measure->contexts) {
    Result<ContextSamples> samples =
        MeasureContext(session, *measure, context, options->batch, spec.vocab, reporter, &first_token_clock, &meter);
    if (!samples.ok()) return samples.status();
    contexts.push_back(std::move(*samples));
  }
  const ProcessMemory memory = ReadProcessMemory();
  Sha256 output;
  for (const ContextSamples& samples : contexts) {
    for (const std::vector<uint32_t>& tokens : samples.repetitions.front().tokens)
      output.Update(tokens.data(), tokens.size() * sizeof(uint32_t));
  }
  Result<std::string> model_hash = source->Sha256();
  if (!model_hash.ok()) return model_hash.status();

  JsonWriter json;
  json.BeginObject().Key("isa").String(IsaName(session->isa())).Key("threads").Integer(session->threads());
  json.Key("batch").Unsigned(options->batch);
  json.Key("affinity").BeginArray();
  for (int cpu : session->Affinity()) json.Integer(cpu);
  json.EndArray().Key("architecture").String(spec.architecture).Key("parameters").Unsigned(spec.Parameters());
  json.Key("weightsFrom").String((*model)->seeded() ? "seed" : "file").Key("modelSha256").String(*model_hash);
  const MemoryPlan& planned = session->plan();
  json.Key("plan").BeginObject().Key("weightBytes").Unsigned(planned.weight_bytes);
  json.Key("cacheBytes").Unsigned(planned.cache_bytes).Key("activationBytes").Unsigned(planned.activation_bytes);
  json.Key("overheadBytes").Unsigned(planned.overhead_bytes);
  json.Key("predictedPeakBytes").Unsigned(planned.predicted_peak_bytes).EndObject();
  json.Key("loadMs").Number(load_ms).Key("firstTokenMs").Number(first_token_clock - load_start);
  json.Key("contexts").BeginArray();
  for (const ContextSamples& samples : contexts) WriteContext(samples, &json);
  json.EndArray().Key("memory").BeginObject().Key("peakBytes").Unsigned(memory.peak_bytes);
  json.Key("anonBytes").Unsigned(memory.anon_bytes).Key("fileBytes").Unsigned(memory.file_bytes);
  json.Key("swapBytes").Unsigned(memory.swap_bytes).EndObject();
  json.Key("outputHash").String(output.Finish()).Key("disturbance");
  meter.Write(&json);
  WriteOptional("frequencyMhz", FrequencyMhz(), &json);
  WriteOptional("temperatureC", TemperatureC(), &json);
  json.EndObject();
  reporter->Result(json);
  return Status::Ok();
}

}  // namespace edgefront
