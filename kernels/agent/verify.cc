// The verify job: logits for given tokens, and three checks of the engine against itself. Measurements mean
// nothing unless these pass: chunk size must not matter, prefill and decode must agree, and the fast path
// must agree with the scalar one.
#include <algorithm>
#include <cmath>

#include "agent/base64_codec.h"
#include "agent/verifying.h"

namespace edgefront {
namespace {

constexpr size_t kMaxLogitBytes = size_t{11} << 20;  // in base64 still below the longest answer line
constexpr size_t kMaxCheckBytes = size_t{1} << 30;

// The allowed distance of two paths, as max |a-b| / max |b| over the logits of one position. Products are
// summed in another order (n * 2^-24 at worst, far less on average). A key or value between two F16 numbers
// may round to either, a difference of 2^-11 of itself. If activations are int8, such a value moves one
// product by 1/127 of its block's largest.
constexpr double kToleranceFloat = 1e-3;
constexpr double kToleranceQuantised = 2e-2;

// Returns max |a-b| / max |b| of the worst position, or infinity if anything is not finite.
double RelativeError(const Logits& a, const Logits& b, size_t vocab) {
  double worst = 0;
  for (size_t row = 0; row < b.size(); row += vocab) {
    double difference = 0, scale = 0;
    for (size_t i = row; i < row + vocab; ++i) {
      if (!std::isfinite(a[i]) || !std::isfinite(b[i])) return INFINITY;
      difference = std::max(difference, std::abs(static_cast<double>(a[i]) - b[i]));
      scale = std::max(scale, std::abs(static_cast<double>(b[i])));
    }
    worst = std::max(worst, scale > 0 ? difference / scale : difference);
  }
  return worst;
}

Result<std::vector<Check>> RunChecks(const std::shared_ptr<const Model>& model, const SessionOptions& options, const VerifyOptions& verify,
                                     const Logits& logits, double tolerance) {
  const size_t vocab = model->spec().vocab, n = verify.tokens.size();
  std::vector<Check> checks;
  // A short prompt gets chunks of 3 tokens, a long one three chunks. Both must differ from the request's
  // chunk size.
  SessionOptions chunked = options;
  chunked.chunk = static_cast<uint32_t>(n <= 64 ? 3 : n / 3 + 1);
  if (chunked.chunk == options.chunk) ++chunked.chunk;
  VerifyOptions all_prefill = verify, half = verify;
  all_prefill.prefill = n;
  half.prefill = n / 2;
  Result<Logits> whole = RunTokens(model, options, all_prefill);
  if (!whole.ok()) return whole.status();
  Result<Logits> other = RunTokens(model, chunked, all_prefill);
  if (!other.ok()) return other.status();
  checks.push_back({"chunking", RelativeError(*other, *whole, vocab), tolerance});
  Result<Logits> decoded = RunTokens(model, options, half);
  if (!decoded.ok()) return decoded.status();
  checks.push_back({"prefill-decode", RelativeError(*decoded, *whole, vocab), tolerance});
  SessionOptions scalar = options;
  scalar.isa = Isa::kScalar;
  Result<Logits> twin = RunTokens(model, scalar, verify);
  if (!twin.ok()) return twin.status();
  checks.push_back({"scalar-twin", RelativeError(logits, *twin, vocab), tolerance});
  return checks;
}

}  // namespace

bool HasQuantisedMatrices(const GgufFile& gguf) {
  return std::any_of(gguf.tensors().begin(), gguf.tensors().end(), [](const GgufTensor& t) { return IsQuantised(t.type); });
}

Result<VerifyOptions> ReadVerifyOptions(const Json& request, uint32_t vocab, std::vector<int64_t> fallback) {
  Fields fields(&request);
  VerifyOptions options;
  for (int64_t token : fields.Integers("tokens", std::move(fallback), 0, int64_t{vocab} - 1, 1 << 16)) {
    options.tokens.push_back(static_cast<uint32_t>(token));
  }
  if (options.tokens.empty()) fields.Fail("tokens must be an array of token ids");
  if (!fields.status().ok()) return fields.status();
  const size_t n = options.tokens.size();
  const int64_t last = static_cast<int64_t>(n) - 1;
  options.prefill = static_cast<size_t>(fields.Integer("prefill", last + 1, 0, last + 1));
  options.checks = fields.Boolean("checks", false);
  const std::string which = fields.Text("logits", "last");
  const size_t from = static_cast<size_t>(fields.Integer("from", 0, 0, last));
  if (which != "all" && which != "last" && which != "none") fields.Fail("logits must be all, last or none");
  if (!fields.status().ok()) return fields.status();
  options.first = which == "all" ? from : which == "last" ? n - 1 : n;
  if (which == "all" && (n - from) * vocab * sizeof(float) > kMaxLogitBytes) {
    return BadRequest("that many logits do not fit in an answer; ask for fewer tokens, for those `from` a position, or for the last");
  }
  if (n * vocab * sizeof(float) > kMaxCheckBytes) return BadRequest("too many tokens for this vocabulary");
  return options;
}

Result<Logits> RunTokens(const std::shared_ptr<const Model>& model, const SessionOptions& options, const VerifyOptions& verify) {
  Result<std::unique_ptr<Session>> session = Session::Create(model, options);
  if (!session.ok()) return session.status();
  const size_t vocab = model->spec().vocab;
  Logits logits(verify.tokens.size() * vocab);
  const std::span<const uint32_t> tokens(verify.tokens);
  if (verify.prefill > 0) {
    EDGEFRONT_RETURN_IF_ERROR((*session)->Prefill(tokens.first(verify.prefill), 0, logits.data()));
  }
  for (size_t i = verify.prefill; i < tokens.size(); ++i) {
    EDGEFRONT_RETURN_IF_ERROR((*session)->Decode(tokens[i]));
    const std::span<const float> row = (*session)->Logits();
    std::copy(row.begin(), row.end(), logits.begin() + static_cast<ptrdiff_t>(i * vocab));
  }
  return logits;
}

void ReportVerified(const std::string& isa, size_t vocab, const VerifyOptions& verify, const Logits& logits, const char* measure,
                    const std::vector<Check>& checks, Reporter* reporter) {
  const size_t first = verify.first, n = verify.tokens.size();
  JsonWriter json;
  json.BeginObject().Key("isa").String(isa).Key("vocab").Unsigned(vocab).Key("positions").BeginArray();
  for (size_t i = first; i < n; ++i) json.Unsigned(i);
  json.EndArray().Key("logits");
  json.String(EncodeBase64(reinterpret_cast<const uint8_t*>(logits.data() + first * vocab), (n - first) * vocab * sizeof(float)));
  json.Key("checks").BeginArray();
  for (const Check& check : checks) {
    json.BeginObject().Key("name").String(check.name).Key(measure).Number(check.error);
    json.Key("tolerance").Number(check.tolerance).Key("pass").Bool(check.error <= check.tolerance).EndObject();
  }
  json.EndArray().EndObject();
  reporter->Result(json);
}

Status RunVerify(const Json& request, Reporter* reporter) {
  Result<SessionOptions> options = ReadSessionOptions(request);
  if (!options.ok()) return options.status();
  if (options->batch != 1) return BadRequest("verify runs one sequence: batch must be 1");
  Result<ModelSource> source = ModelSource::From(request);
  if (!source.ok()) return source.status();
  Result<GgufFile> header = source->Header();
  if (!header.ok()) return header.status();
  Result<ModelSpec> spec = ModelSpec::FromGguf(*header);
  if (!spec.ok()) return spec.status();
  Result<VerifyOptions> verify = ReadVerifyOptions(request, spec->vocab);
  if (!verify.ok()) return verify.status();
  options->max_context = static_cast<uint32_t>(verify->tokens.size());
  Result<MemoryPlan> plan = PlanMemory(*header, *options);
  if (!plan.ok()) return plan.status();
  EDGEFRONT_RETURN_IF_ERROR(CheckFits(*plan));
  Result<std::shared_ptr<const Model>> model = source->Load(options->threads);
  if (!model.ok()) return model.status();
  Result<Logits> logits = RunTokens(*model, *options, *verify);
  if (!logits.ok()) return logits.status();
  const double tolerance = HasQuantisedMatrices(*header) || options->kv == KvType::kQ8_0 ? kToleranceQuantised : kToleranceFloat;
  std::vector<Check> checks;
  if (verify->checks) {
    Result<std::vector<Check>> result = RunChecks(*model, *options, *verify, *logits, tolerance);
    if (!result.ok()) return result.status();
    checks = std::move(*result);
  }
  const Isa isa = options->isa == Isa::kAuto ? BestIsa() : options->isa;
  ReportVerified(IsaName(isa), spec->vocab, *verify, *logits, "maxRelativeError", checks, reporter);
  return Status::Ok();
}

}  // namespace edgefront
