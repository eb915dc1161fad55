// The verify job for any engine: its request, the logits of this package's engine, and its answer.
#ifndef EDGEFRONT_AGENT_VERIFYING_H_
#define EDGEFRONT_AGENT_VERIFYING_H_

#include <memory>
#include <string>
#include <vector>

#include "agent/jobs.h"

namespace edgefront {

struct VerifyOptions {
  std::vector<uint32_t> tokens;
  size_t prefill;  // that many are prefilled, the rest decoded
  bool checks;
  size_t first;  // the answer has the logits of the positions from this one on
};
// `fallback`: the tokens of a request without any. Error: kBadRequest.
Result<VerifyOptions> ReadVerifyOptions(const Json& request, uint32_t vocab, std::vector<int64_t> fallback = {});

using Logits = std::vector<float>;  // [tokens, V]

// Returns the logits of every position by this package's engine.
Result<Logits> RunTokens(const std::shared_ptr<const Model>& model, const SessionOptions& options, const VerifyOptions& verify);

struct Check {
  const char* name;
  double error;
  double tolerance;
};
// Reports the result. `measure` is the key of the errors: what they measure.
void ReportVerified(const std::string& isa, size_t vocab, const VerifyOptions& verify, const Logits& logits, const char* measure,
                    const std::vector<Check>& checks, Reporter* reporter);

bool HasQuantisedMatrices(const GgufFile& gguf);

}  // namespace edgefront

#endif  // EDGEFRONT_AGENT_VERIFYING_H_
