// The public interface of a session: its single allocation, and the checks before each step. step.cc has the
// steps.
#include <algorithm>
#include <cstring>

#include "infer/engine.h"
#include "infer/mixer_kind.h"
#include "infer/model_impl.h"

namespace edgefront {

struct Session::Impl : Engine {
  std::shared_ptr<const Model> model;
  MemoryPlan plan;
};

Session::Session() : impl_(new Impl) {}
Session::~Session() = default;

Result<std::unique_ptr<Session>> Session::Create(std::shared_ptr<const Model> model, const SessionOptions& options) {
  std::unique_ptr<Session> session(new Session);
  Impl& s = *session->impl_;
  s.kernels = GetKernels(options.isa);
  if (s.kernels == nullptr) return Unavailable(std::string("this machine has no ") + IsaName(options.isa));
  s.model = std::move(model);
  s.options = options;
  const Model::Impl& m = *s.model->impl_;
  s.spec = &m.spec;
  s.weights = &m.weights;
  auto program = BuildProgram(m.spec, m.types, options);
  if (!program.ok()) return program.status();
  s.program = std::move(*program);
  s.plan = PlanOf(m.spec, m.types, s.program);
  auto pool = ThreadPool::Create(s.program.threads, options.pin);
  if (!pool.ok()) return pool.status();
  s.pool = std::move(*pool);
  EDGEFRONT_RETURN_IF_ERROR(s.cache.Allocate(s.program.cache_bytes, false));
  EDGEFRONT_RETURN_IF_ERROR(s.activations.Allocate(s.program.activation_bytes, false));
  s.PlanStages();
  s.positions.assign(options.batch, 0);
  return session;
}

void Session::Reset() {
  Impl& s = *impl_;
  std::fill(s.positions.begin(), s.positions.end(), 0);
  for (size_t l = 0; l < s.spec->layers.size(); ++l) {
    if (!KindOf(s.spec->layers[l].mixer).starts_from_zero) continue;
    const LayerPlan& plan = s.program.layers[l];
    std::memset(s.State(plan, 0), 0, plan.seq_bytes * s.options.batch);
  }
}

Status Session::Prefill(std::span<const uint32_t> tokens, uint32_t seq, float* all_logits) {
  Impl& s = *impl_;
  if (seq >= s.options.batch) return BadRequest("no sequence " + std::to_string(seq));
  if (tokens.size() > s.options.max_context - s.positions[seq]) return BadRequest("the cache is full");
  for (uint32_t t : tokens) {
    if (t >= s.spec->vocab) return BadRequest("token " + std::to_string(t) + " is outside the vocabulary");
  }
  s.decode = false;
  s.seq = seq;
  for (size_t at = 0; at < tokens.size(); at += s.n) {
    s.tokens = tokens.data() + at;
    s.n = static_cast<uint32_t>(std::min<size_t>({tokens.size() - at, s.options.chunk, s.program.rows}));
    const bool last = at + s.n == tokens.size();
    s.first_logit = all_logits ? 0 : s.n - 1;
    s.logit_rows = all_logits ? s.n : last ? 1 : 0;
    s.logits_out = all_logits ? all_logits + at * s.spec->vocab : s.Buffer(s.program.logits) + size_t{seq} * s.spec->vocab;
    s.Step();
  }
  if (all_logits && !tokens.empty()) {
    std::memcpy(s.Buffer(s.program.logits) + size_t{seq} * s.spec->vocab, all_logits + (tokens.size() - 1) * s.spec->vocab,
                4 * size_t{s.spec->vocab});
  }
  return Status::Ok();
}

Status Session::DecodeBatch(std::span<const uint32_t> tokens) {
  Impl& s = *impl_;
  if (tokens.size() != s.options.batch)
    return BadRequest("decoding takes one token for each of the " + std::to_string(s.options.batch) + " sequences, but got " +
                      std::to_string(tokens.size()));
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (s.positions[i] >= s.options.max_context) return BadRequest("the cache is full");
    if (tokens[i] >= s.spec->vocab) return BadRequest("token " + std::to_string(tokens[i]) + " is outside the vocabulary");
  }
  s.decode = true;
  s.tokens = tokens.data();
  s.n = s.logit_rows = s.options.batch;
  s.first_logit = 0;
  s.logits_out = s.Buffer(s.program.logits);
  s.Step();
  return Status::Ok();
}

std::span<const float> Session::Logits(uint32_t seq) const {
  const size_t vocab = impl_->spec->vocab;
  return {impl_->Buffer(impl_->program.logits) + seq * vocab, vocab};
}

uint32_t Session::ArgMax(uint32_t seq) const {
  const std::span<const float> logits = Logits(seq);
  return static_cast<uint32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

uint32_t Session::Position(uint32_t seq) const { return impl_->positions[seq]; }
void Session::StartProfile() {
  impl_->profiling = true;
  impl_->profiles.fill(EmptyProfile());
}
const Profile& Session::profile(bool decode) const { return impl_->profiles[decode]; }
Isa Session::isa() const { return impl_->kernels->isa; }
int Session::threads() const { return impl_->pool->size(); }
std::vector<int> Session::Affinity() const { return impl_->pool->Affinity(); }
const MemoryPlan& Session::plan() const { return impl_->plan; }

}  // namespace edgefront
