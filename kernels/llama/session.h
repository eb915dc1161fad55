// A model that llama.cpp runs, behind the interface of the measure job.
#ifndef EDGEFRONT_LLAMA_SESSION_H_
#define EDGEFRONT_LLAMA_SESSION_H_

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "agent/measuring.h"
#include "infer/session.h"
#include "llama/library.h"

namespace edgefront::llama {

// Weights in memory, freed with the last pointer.
using Weights = std::shared_ptr<Model>;
// Reads a file into memory; mapping it would count repacked weights twice. Error: kBadModel.
Result<Weights> LoadWeights(const Library& library, const std::string& path);

// Restricts this process to as many CPUs as it has threads, one of every core first: llama.cpp's threads then
// stay on them. Returns the CPU of each thread, read back; threads move among these.
std::vector<int> RestrictToCpus(int threads);

struct LlamaOptions {
  SessionOptions session;  // max_context, chunk, threads, kv, batch
  bool flash_attention = false;
  bool all_logits = false;  // keeps the logits of every position of a prefill
};

class LlamaSession : public TimedEngine {
 public:
  // Errors: kUnsupported where llama.cpp makes no context for the model, kOutOfMemory.
  static Result<std::unique_ptr<LlamaSession>> Create(const Library& library, Weights weights, uint32_t vocab, const LlamaOptions& options);
  ~LlamaSession() override;

  void Reset() override;
  Status Prefill(std::span<const uint32_t> tokens, uint32_t seq) override { return Prefill(tokens, seq, nullptr); }
  // `all_logits`, if not null, receives [tokens.size()][vocab] floats; it needs the option of that name.
  Status Prefill(std::span<const uint32_t> tokens, uint32_t seq, float* all_logits);
  Status DecodeBatch(std::span<const uint32_t> tokens) override;
  uint32_t ArgMax(uint32_t seq) override { return likeliest_[seq]; }
  // Returns the logits [V] of the last token of the last call; of the last sequence after DecodeBatch.
  std::span<const float> Logits() const { return {logits_, vocab_}; }

 private:
  LlamaSession(const Library& library, Weights weights, uint32_t vocab, const LlamaOptions& options);
  void Add(uint32_t token, uint32_t seq, bool wants_logits);
  Status Run();
  // Reads the logits of token i of the last batch, and keeps the likeliest token.
  Status Read(size_t i, uint32_t seq);

  Library library_;
  Weights weights_;
  uint32_t vocab_;
  uint32_t chunk_;
  Context* context_ = nullptr;
  Threadpool* threads_ = nullptr;
  const float* logits_ = nullptr;
  std::vector<uint32_t> likeliest_, position_;  // by sequence
  // The batch in the making, one entry a token.
  std::vector<int32_t> token_, pos_, n_seq_id_, seq_;
  std::vector<int32_t*> seq_id_;
  std::vector<int8_t> wanted_;
};

}  // namespace edgefront::llama

#endif  // EDGEFRONT_LLAMA_SESSION_H_
