// The public interface of the engine: a Model (packed weights in memory), a Session on it (cache, buffers,
// threads) for prefill and decode, and their memory plan, which needs neither. Sampling other than arg-max is
// left to the caller.
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

enum class KvType { kF16, kQ8_0, kF32 };  // kF32 is for checking everything else exactly

// Options of a session, checked by Create.
struct SessionOptions {
  uint32_t max_context = 4096;  // tokens a sequence may hold; the cache is sized for it
  uint32_t chunk = 512;         // tokens that one prefill step processes
  int threads = 0;              // 0 = DefaultThreads()
  bool pin = true;
  Isa isa = Isa::kAuto;
  KvType kv = KvType::kF16;
  uint32_t batch = 1;  // sequences decoded together
};

// The memory of a model and a session, in bytes.
struct MemoryPlan {
  uint64_t weight_bytes = 0, cache_bytes = 0, activation_bytes = 0;
  uint64_t overhead_bytes = 0;        // code, libc and stacks of the process; kProcessOverheadBytes
  uint64_t predicted_peak_bytes = 0;  // the sum: the expected VmHWM of a fresh process
};

// Returns the memory plan from the header alone, without allocating anything of the model.
Result<MemoryPlan> PlanMemory(const GgufFile& gguf, const SessionOptions& options);
// Returns a listing: one line for each operation with shapes, types, bytes and FLOPs of a decode step at
// `options.max_context`, then the memory plan.
Result<std::string> ListProgram(const GgufFile& gguf, const SessionOptions& options);

// Immutable weights, which several sessions may share.
class Model {
 public:
  // Generates the weights of a plan from its seed, or reads those of a file. Both are packed in parallel
  // while loading, so no second copy exists. `threads` as in SessionOptions.
  static Result<std::shared_ptr<const Model>> FromBytes(std::span<const uint8_t> gguf, int threads = 0);
  static Result<std::shared_ptr<const Model>> FromFile(const std::string& path, int threads = 0);
  ~Model();

  const ModelSpec& spec() const;
  bool seeded() const;            // true: weights from the seed; false: from the file
  uint64_t weight_bytes() const;  // as packed
  // Returns the memory plan with these options. Error: kBadRequest.
  Result<MemoryPlan> Plan(const SessionOptions& options) const;

 private:
  friend class Session;
  Model();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// One cache and one set of workers. Not thread-safe.
class Session {
 public:
  // Allocates everything that a session needs. Errors: kBadRequest (options), kUnavailable (isa),
  // kOutOfMemory.
  static Result<std::unique_ptr<Session>> Create(std::shared_ptr<const Model> model, const SessionOptions& options);
  ~Session();

  void Reset();  // empties every sequence's cache

  // Appends tokens to sequence `seq`; Logits(seq) then has the logits of the last one. `all_logits`, if not
  // null, receives the logits of every position: [tokens.size()][vocab] floats. Errors: token outside the
  // vocabulary, cache full.
  Status Prefill(std::span<const uint32_t> tokens, uint32_t seq = 0, float* all_logits = nullptr);
  // Decodes one token of every sequence: tokens.size() == batch. Errors as for Prefill.
  Status DecodeBatch(std::span<const uint32_t> tokens);
  Status Decode(uint32_t token) { return DecodeBatch({&token, 1}); }

  std::span<const float> Logits(uint32_t seq = 0) const;  // [V]
  uint32_t ArgMax(uint32_t seq = 0) const;                // the lowest id among equals
  uint32_t Position(uint32_t seq = 0) const;              // tokens in the cache

  Isa isa() const;
  int threads() const;
  std::vector<int> Affinity() const;  // CPU of each worker, read back
  const MemoryPlan& plan() const;

  // Starts adding up the time of each stage, in prefill and in decode. Costs some hundred clock reads in each
  // step.
  void StartProfile();
  // Returns the profile of decode or of prefill since StartProfile.
  const Profile& profile(bool decode) const;

 private:
  Session();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct MaterializeResult {
  uint64_t bytes;
};
// Writes the header of `gguf` unchanged, then its data: copied, or generated from the seed if `gguf` has
// none. The file is written to `out` + ".part", flushed, and renamed to `out`.
Result<MaterializeResult> Materialize(std::span<const uint8_t> gguf, const std::string& out);

}  // namespace edgefront

#endif  // EDGEFRONT_INFER_SESSION_H_
