// The verify job on llama.cpp: its logits beside those of this package's engine on the same file, and beside
// its own by other ways. A distance is the KL divergence of next-token distributions: the mean over the
// positions. Where routers choose experts it is the median, since a rounding that changes a choice moves one
// position far.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "agent/verifying.h"
#include "infer/seeded_weights.h"
#include "llama/jobs.h"
#include "llama/opened_model.h"
#include "llama/session.h"

namespace edgefront::llama {
namespace {

constexpr size_t kTokens = 128;  // of a request that names none

// Both engines round activations alike, and then differ in the order of sums only (kernels/BENCHMARKS.md,
// "Correctness against other engines", has what was found over many layouts).
constexpr double kLimitQuantised = 1e-3;
constexpr double kLimitFloat = 1e-5;
// In some layouts, as with random routers, a rounding decides more. llama.cpp is then as far from itself when
// it decodes what it could prefill, and the limit is this many of those distances. That distance has its own.
constexpr double kOwnDistances = 3;
constexpr double kOwnLimit = 10;
// Flash attention rounds queries and sums of values to F16.
constexpr double kFlashLimit = 3;

bool HasRouters(const ModelSpec& spec) {
  return std::any_of(spec.layers.begin(), spec.layers.end(), [](const LayerSpec& layer) { return layer.moe.experts > 0; });
}

// Returns log(sum(exp(row))).
double LogSum(const float* row, size_t vocab) {
  const double most = *std::max_element(row, row + vocab);
  double sum = 0;
  for (size_t i = 0; i < vocab; ++i) sum += std::exp(row[i] - most);
  return most + std::log(sum);
}

// Returns KL(p || q) of one position, each [V]; infinity if anything is not finite.
double Divergence(const float* p, const float* q, size_t vocab) {
  const double p_sum = LogSum(p, vocab), q_sum = LogSum(q, vocab);
  double total = 0;
  for (size_t i = 0; i < vocab; ++i) total += std::exp(p[i] - p_sum) * ((p[i] - p_sum) - (q[i] - q_sum));
  return std::isfinite(total) ? total : INFINITY;
}

// Returns the distance of two engines' logits of the same positions.
double Distance(const Logits& p, const Logits& q, const ModelSpec& spec) {
  std::vector<double> each;
  for (size_t at = 0; at < q.size(); at += spec.vocab) each.push_back(Divergence(&p[at], &q[at], spec.vocab));
  if (HasRouters(spec)) {
    std::nth_element(each.begin(), each.begin() + static_cast<ptrdiff_t>(each.size() / 2), each.end());
    return each[each.size() / 2];
  }
  return std::accumulate(each.begin(), each.end(), 0.0) / static_cast<double>(each.size());
}

struct Way {
  bool flash_attention = false;
  uint32_t chunk = 0;
  size_t prefill = 0;
};

class Verifier {
 public:
  Verifier(const OpenedModel& model, Weights weights, const LlamaOptions& options, const VerifyOptions& verify)
      : model_(model), weights_(std::move(weights)), options_(options), verify_(verify) {}

  // Returns the logits of every position.
  Result<Logits> Run(const Way& way) const {
    LlamaOptions options = options_;
    options.all_logits = true;
    options.flash_attention = way.flash_attention;
    options.session.chunk = way.chunk;
    Result<std::unique_ptr<LlamaSession>> session = LlamaSession::Create(model_.library, weights_, model_.spec.vocab, options);
    if (!session.ok()) return session.status();
    const std::span<const uint32_t> tokens(verify_.tokens);
    const size_t vocab = model_.spec.vocab;
    Logits logits(tokens.size() * vocab);
    EDGEFRONT_RETURN_IF_ERROR((*session)->Prefill(tokens.first(way.prefill), 0, logits.data()));
    for (size_t i = way.prefill; i < tokens.size(); ++i) {
      EDGEFRONT_RETURN_IF_ERROR((*session)->DecodeBatch(tokens.subspan(i, 1)));
      const std::span<const float> row = (*session)->Logits();
      std::copy(row.begin(), row.end(), logits.begin() + static_cast<ptrdiff_t>(i * vocab));
    }
    return logits;
  }

  // Returns the logits of the last position in a batch, beside another sequence: [V].
  Result<Logits> RunInBatch(const Way& way) const {
    LlamaOptions options = options_;
    options.flash_attention = way.flash_attention;
    options.session.chunk = way.chunk;
    options.session.batch = 2;
    Result<std::unique_ptr<LlamaSession>> session = LlamaSession::Create(model_.library, weights_, model_.spec.vocab, options);
    if (!session.ok()) return session.status();
    const std::span<const uint32_t> tokens(verify_.tokens);
    const std::vector<uint32_t> other(tokens.rbegin(), tokens.rend());
    EDGEFRONT_RETURN_IF_ERROR((*session)->Prefill(std::span(other).first(tokens.size() - 1), 0));
    EDGEFRONT_RETURN_IF_ERROR((*session)->Prefill(tokens.first(tokens.size() - 1), 1));
    const uint32_t next[] = {other.back(), tokens.back()};
    EDGEFRONT_RETURN_IF_ERROR((*session)->DecodeBatch(next));
    const std::span<const float> row = (*session)->Logits();
    return Logits(row.begin(), row.end());
  }

 private:
  const OpenedModel& model_;
  Weights weights_;
  LlamaOptions options_;
  const VerifyOptions& verify_;
};

Result<std::vector<Check>> RunChecks(const OpenedModel& model, const Verifier& verifier, const SessionOptions& options,
                                     const VerifyOptions& verify, const Logits& logits) {
  const size_t n = verify.tokens.size();
  const double limit = model.quantised || options.kv == KvType::kQ8_0 ? kLimitQuantised : kLimitFloat;
  const bool flash = options.kv == KvType::kQ8_0;
  std::vector<Check> checks;
  const auto distance = [&](const Logits& other) { return Distance(logits, other, model.spec); };
  Result<Logits> decoded = verifier.Run({flash, options.chunk, n / 2});
  if (!decoded.ok()) return decoded.status();
  const double own = distance(*decoded);
  checks.push_back({"prefill-decode", own, kOwnLimit * limit});
  const double tolerance = std::max(limit, kOwnDistances * own);

  Result<std::shared_ptr<const edgefront::Model>> reference = edgefront::Model::FromFile(model.file.path(), options.threads);
  if (!reference.ok()) return reference.status();
  Result<Logits> ours = RunTokens(*reference, options, verify);
  if (!ours.ok()) return ours.status();
  checks.push_back({"reference", distance(*ours), tolerance});
  *reference = nullptr;

  Result<Logits> chunks = verifier.Run({flash, static_cast<uint32_t>(n / 3 + 1), n});
  if (!chunks.ok()) return chunks.status();
  checks.push_back({"chunking", distance(*chunks), tolerance});
  Result<Logits> other = verifier.Run({true, options.chunk, n});
  if (!other.ok()) return other.status();
  checks.push_back({"flash-attention", distance(*other), kFlashLimit * tolerance});
  Result<Logits> row = verifier.RunInBatch({flash, options.chunk, n});
  if (!row.ok()) return row.status();
  checks.push_back({"batch", Distance(Logits(logits.end() - model.spec.vocab, logits.end()), *row, model.spec), tolerance});
  return checks;
}

}  // namespace

Status RunLlamaVerify(const Json& request, Reporter* reporter) {
  Result<Library> library = OpenLibrary(request);
  if (!library.ok()) return library.status();
  Result<LlamaOptions> read = ReadOptions(request, *library);
  if (!read.ok()) return read.status();
  LlamaOptions& options = *read;
  if (options.session.batch != 1) return BadRequest("verify runs one sequence: batch must be 1");
  options.session.max_context = static_cast<uint32_t>(kTokens);
  Result<OpenedModel> model = OpenModel(request, *library, options.session);
  if (!model.ok()) return model.status();
  std::vector<int64_t> tokens;
  for (size_t i = 0; i < kTokens; ++i) tokens.push_back(FixedToken(i, model->spec.vocab));
  Result<VerifyOptions> verify = ReadVerifyOptions(request, model->spec.vocab, std::move(tokens));
  if (!verify.ok()) return verify.status();
  options.session.max_context = static_cast<uint32_t>(verify->tokens.size());
  Result<Weights> weights = LoadWeights(*library, model->file.path());
  if (!weights.ok()) return weights.status();
  const Verifier verifier(*model, std::move(*weights), options, *verify);
  Result<Logits> logits = verifier.Run({options.session.kv == KvType::kQ8_0, options.session.chunk, verify->prefill});
  if (!logits.ok()) return logits.status();
  std::vector<Check> checks;
  if (verify->checks) {
    Result<std::vector<Check>> result = RunChecks(*model, verifier, options.session, *verify, *logits);
    if (!result.ok()) return result.status();
    checks = std::move(*result);
  }
  ReportVerified(library->isa, model->spec.vocab, *verify, *logits, "divergence", checks, reporter);
  return Status::Ok();
}

}  // namespace edgefront::llama
