// Warm-up, repetitions and the answer of the measure job. The engines are in measure.cc and llama/.
#include "agent/measuring.h"

#include <algorithm>
#include <cmath>

#include "agent/machine.h"
#include "agent/sha256.h"
#include "infer/seeded_weights.h"

namespace edgefront {
namespace {

bool Agree(double a, double b, double tolerance) { return std::abs(a - b) <= tolerance * std::min(a, b); }

void ReportProgress(Reporter* reporter, const char* phase, int64_t context, int64_t repetition) {
  JsonWriter json;
  json.BeginObject().Key("phase").String(phase).Key("context").Integer(context);
  json.Key("repetition").Integer(repetition).EndObject();
  reporter->Progress(json);
}

Result<ContextSamples> MeasureContext(TimedEngine* engine, const MeasureOptions& options, int64_t context, uint32_t batch, uint32_t vocab,
                                      Reporter* reporter, double* first_token_clock, DisturbanceMeter* meter) {
  const std::vector<std::vector<uint32_t>> prompts = FixedPrompts(batch, context, vocab);
  ContextSamples samples;
  samples.context = context;
  auto run = [&]() -> Result<Repetition> {
    const double start = NowMs();
    Result<Repetition> repetition = RunRepetition(engine, prompts, options.decode_tokens);
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
  if (options.profile) engine->StartProfile();
  for (int64_t i = 0; i < options.repetitions; ++i) {
    ReportProgress(reporter, "measure", context, i);
    meter->Start();
    Result<Repetition> now = run();
    meter->Stop();
    if (!now.ok()) return now.status();
    samples.repetitions.push_back(std::move(*now));
  }
  if (options.profile) samples.profile = engine->TakeProfile();
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

}  // namespace

int64_t MeasureOptions::longest() const { return *std::max_element(contexts.begin(), contexts.end()); }

double Repetition::decode_total() const {
  double sum = 0;
  for (double ms : decode_ms) sum += ms;
  return sum;
}

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

std::vector<std::vector<uint32_t>> FixedPrompts(uint32_t batch, int64_t context, uint32_t vocab) {
  std::vector<std::vector<uint32_t>> prompts(batch, std::vector<uint32_t>(static_cast<size_t>(context)));
  size_t next = 0;
  for (auto& prompt : prompts)
    for (uint32_t& token : prompt) token = FixedToken(next++, vocab);
  return prompts;
}

Result<Repetition> RunRepetition(TimedEngine* engine, const std::vector<std::vector<uint32_t>>& prompts, int64_t decode_tokens) {
  Repetition repetition;
  repetition.decode_ms.reserve(static_cast<size_t>(decode_tokens));
  repetition.tokens.assign(prompts.size(), {});
  for (auto& tokens : repetition.tokens) tokens.reserve(static_cast<size_t>(decode_tokens));
  std::vector<uint32_t> now(prompts.size());
  const auto sample = [&] {
    for (uint32_t s = 0; s < now.size(); ++s) {
      now[s] = engine->ArgMax(s);
      repetition.tokens[s].push_back(now[s]);
    }
  };
  engine->Reset();
  const double start = NowMs();
  for (uint32_t s = 0; s < prompts.size(); ++s) EDGEFRONT_RETURN_IF_ERROR(engine->Prefill(prompts[s], s));
  repetition.prefill_ms = NowMs() - start;
  sample();
  double last = NowMs();
  repetition.ttft_ms = last - start;
  for (int64_t i = 1; i < decode_tokens; ++i) {
    EDGEFRONT_RETURN_IF_ERROR(engine->DecodeBatch(now));
    sample();
    const double clock = NowMs();
    repetition.decode_ms.push_back(clock - last);
    last = clock;
  }
  return repetition;
}

Result<Measured> MeasureContexts(TimedEngine* engine, const MeasureOptions& options, uint32_t batch, uint32_t vocab, Reporter* reporter,
                                 DisturbanceMeter* meter) {
  Measured measured;
  for (int64_t context : options.contexts) {
    Result<ContextSamples> samples = MeasureContext(engine, options, context, batch, vocab, reporter, &measured.first_token_clock, meter);
    if (!samples.ok()) return samples.status();
    measured.contexts.push_back(std::move(*samples));
  }
  return measured;
}

void ReportLoading(Reporter* reporter) { ReportProgress(reporter, "load", 0, 0); }

void ReportMeasured(const MeasuredModel& model, const Measured& measured, const DisturbanceMeter& meter, Reporter* reporter) {
  Sha256 output;
  for (const ContextSamples& samples : measured.contexts) {
    for (const std::vector<uint32_t>& tokens : samples.repetitions.front().tokens)
      output.Update(tokens.data(), tokens.size() * sizeof(uint32_t));
  }
  JsonWriter json;
  json.BeginObject().Key("isa").String(model.isa).Key("threads").Integer(model.threads);
  json.Key("batch").Unsigned(model.batch);
  json.Key("affinity").BeginArray();
  for (int cpu : model.affinity) json.Integer(cpu);
  json.EndArray().Key("architecture").String(model.architecture).Key("parameters").Unsigned(model.parameters);
  json.Key("weightsFrom").String(model.seeded ? "seed" : "file").Key("modelSha256").String(model.sha256);
  json.Key("plan").BeginObject().Key("weightBytes").Unsigned(model.plan.weight_bytes);
  json.Key("cacheBytes").Unsigned(model.plan.cache_bytes).Key("activationBytes").Unsigned(model.plan.activation_bytes);
  json.Key("overheadBytes").Unsigned(model.plan.overhead_bytes);
  json.Key("predictedPeakBytes").Unsigned(model.plan.predicted_peak_bytes).EndObject();
  json.Key("loadMs").Number(model.load_ms).Key("firstTokenMs").Number(measured.first_token_clock - model.load_start);
  json.Key("contexts").BeginArray();
  for (const ContextSamples& samples : measured.contexts) WriteContext(samples, &json);
  json.EndArray().Key("memory").BeginObject().Key("peakBytes").Unsigned(model.memory.peak_bytes);
  json.Key("anonBytes").Unsigned(model.memory.anon_bytes).Key("fileBytes").Unsigned(model.memory.file_bytes);
  json.Key("swapBytes").Unsigned(model.memory.swap_bytes).EndObject();
  json.Key("outputHash").String(output.Finish()).Key("disturbance");
  meter.Write(&json);
  json.Key("frequencyMhz").NumberOrNull(FrequencyMhz()).Key("temperatureC").NumberOrNull(TemperatureC());
  if (!model.runtime.empty()) json.Key("runtime").Raw(model.runtime);
  json.EndObject();
  reporter->Result(json);
}

}  // namespace edgefront
