// The engine's public face: a Model (weights in memory, packed), a Session on it (cache, buffers, threads) that runs
// prefill and decode, and the memory plan of both, which needs neither. Sampling beyond arg-max is the caller's business.
#ifndef EDGEFRONT_INFER_SESSION_H_
#define EDGEFRONT_INFER_SESSION_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "include/edgefront/gguf.h"
#include "include/edgefront/isa.h"
#include "include/edgefront/status.h"
#include "infer/profile.h"
#include "infer/model_spec.h"

namespace edgefront {

enum class KvType { kF16, kQ8_0, kF32 };  // F32 is for checking the rest exactly

struct SessionOptions {
  uint32_t max_context = 4096;  // tokens a sequence may hold; the cache is sized for it
  uint32_t chunk = 512;         // prefill runs this many tokens at a time
  int threads = 0;              // 0 = one per allowed CPU
  bool pin = true;
  Isa isa = Isa::kAuto;
  KvType kv = KvType::kF16;
  uint32_t batch = 1;  // sequences decoded together
};

struct MemoryPlan {
  uint64_t weight_bytes = 0, cache_bytes = 0, activation_bytes = 0;
  uint64_t overhead_bytes = 0;        // the process itself: code, libc, stacks; a stated constant
  uint64_t predicted_peak_bytes = 0;  // the sum: what VmHWM of a fresh process should read
};

// From the header alone: allocates nothing of the model.
Result<MemoryPlan> PlanMemory(const GgufFile& gguf, const SessionOptions& options);
// One line a fused op: shapes, types, bytes and FLOPs of a decoding step at `options.max_context`; then the plan.
Result<std::string> ListProgram(const GgufFile& gguf, const SessionOptions& options);

class Model {
 public:
  // A plan's weights are made from its seed; a file's are read. Both are packed on the way in, in parallel, without a
  // second copy. `threads` as in SessionOptions.
  static Result<std::shared_ptr<const Model>> FromBytes(std::span<const uint8_t> gguf, int threads = 0);
  static Result<std::shared_ptr<const Model>> FromFile(const std::string& path, int threads = 0);
  ~Model();

  const ModelSpec& spec() const;
  bool seeded() const;            // weightsFrom: seed, else file
  uint64_t weight_bytes() const;  // as packed
  Result<MemoryPlan> Plan(const SessionOptions& options) const;

 private:
  friend class Session;
  Model();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class Session {
 public:
  static Result<std::unique_ptr<Session>> Create(std::shared_ptr<const Model> model, const SessionOptions& options);
  ~Session();

  void Reset();  // empties every sequence's cache

  // Appends tokens to sequence `seq` and leaves the last one's logits in Logits(seq). With `all_logits` (room for
  // tokens.size() * vocab floats) also writes every position's. Errors: token outside the vocabulary, cache full.
  Status Prefill(std::span<const uint32_t> tokens, uint32_t seq = 0, float* all_logits = nullptr);
  // One token for every sequence (tokens.size() == batch).
  Status DecodeBatch(std::span<const uint32_t> tokens);
  Status Decode(uint32_t token) { return DecodeBatch({&token, 1}); }

  std::span<const float> Logits(uint32_t seq = 0) const;  // [V]
  uint32_t ArgMax(uint32_t seq = 0) const;                // lowest id among equals
  uint32_t Position(uint32_t seq = 0) const;              // tokens in the cache

  Isa isa() const;
  int threads() const;
  std::vector<int> Affinity() const;  // CPU of each worker, read back
  const MemoryPlan& plan() const;

  // From now on the time of each operation is added up, in prefill and in decode; some hundred clock reads a step.
  void StartProfile();
  const Profile& profile(bool decode) const;

 private:
  Session();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct MaterializeResult {
  uint64_t bytes;
};
// Writes the plan's header unchanged, then data made from its seed (or copied, where `gguf` has data), to `out` + ".part",
// flushed, then renamed to `out`.
Result<MaterializeResult> Materialize(std::span<const uint8_t> gguf, const std::string& out);

}  // namespace edgefront

#endif  // EDGEFRONT_INFER_SESSION_H_
