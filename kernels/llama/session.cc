// Contexts of llama.cpp: parameters, thread pool, batches. Arg-max is part of every step, so it is timed.
#include "llama/session.h"

#include <sched.h>

#include <algorithm>

#include "include/edgefront/host.h"

namespace edgefront::llama {
namespace {

constexpr uint32_t kContextStep = 256;  // llama.cpp rounds the length of a cache up to it

std::string Why(const std::string& what) {
  const std::string error = TakeError();
  return error.empty() ? what : what + ": " + error;
}

GgmlType TypeOf(KvType kv) {
  if (kv == KvType::kF32) return kGgmlF32;
  return kv == KvType::kQ8_0 ? kGgmlQ8_0 : kGgmlF16;
}

}  // namespace

Result<Weights> LoadWeights(const Library& library, const std::string& path) {
  static BackendDevice* none[] = {nullptr};
  ModelParams params = library.api.llama_model_default_params();
  params.devices = none;  // the processor only
  params.n_gpu_layers = 0;
  params.load_mode = kLoadRead;
  Model* model = library.api.llama_model_load_from_file(path.c_str(), params);
  if (model == nullptr) return BadModel(Why("llama.cpp does not load the model"));
  return Weights(model, library.api.llama_model_free);
}

std::vector<int> RestrictToCpus(int threads) {
  std::vector<int> cpus = BindingOrder();
  if (static_cast<size_t>(threads) < cpus.size()) {
    cpu_set_t wanted;
    CPU_ZERO(&wanted);
    for (int i = 0; i < threads; ++i) CPU_SET(static_cast<size_t>(cpus[static_cast<size_t>(i)]), &wanted);
    sched_setaffinity(0, sizeof(wanted), &wanted);
    cpus = BindingOrder();
  }
  std::vector<int> affinity;
  for (int i = 0; i < threads; ++i) affinity.push_back(cpus[static_cast<size_t>(i) % cpus.size()]);
  return affinity;
}

LlamaSession::LlamaSession(const Library& library, Weights weights, uint32_t vocab, const LlamaOptions& options)
    : library_(library),
      weights_(std::move(weights)),
      vocab_(vocab),
      chunk_(options.session.chunk),
      likeliest_(options.session.batch),
      position_(options.session.batch) {}

Result<std::unique_ptr<LlamaSession>> LlamaSession::Create(const Library& library, Weights weights, uint32_t vocab,
                                                           const LlamaOptions& options) {
  const auto& [max_context, chunk, threads, pin, isa, kv, batch] = options.session;
  std::unique_ptr<LlamaSession> session(new LlamaSession(library, std::move(weights), vocab, options));
  const Api& api = library.api;
  ContextParams params = api.llama_context_default_params();
  params.n_ctx = (max_context + kContextStep - 1) / kContextStep * kContextStep * batch;
  params.n_batch = params.n_ubatch = std::max(chunk, batch);
  params.n_seq_max = batch;
  // Room for the logits of a whole chunk would be V * chunk floats.
  params.n_outputs_max = options.all_logits ? 0 : batch;
  params.n_outputs_max_per_seq = options.all_logits ? 0 : 1;
  params.n_threads = params.n_threads_batch = threads;
  params.flash_attn_type = options.flash_attention ? kFlashOn : kFlashOff;
  params.type_k = params.type_v = TypeOf(kv);
  params.offload_kqv = params.op_offload = false;
  params.swa_full = false;
  params.kv_unified = false;
  session->context_ = api.llama_init_from_model(session->weights_.get(), params);
  if (session->context_ == nullptr) return Unsupported(Why("llama.cpp makes no context for the model"));
  ThreadpoolParams pool = api.ggml_threadpool_params_default(threads);
  session->threads_ = library.api.ggml_threadpool_new(&pool);
  if (session->threads_ == nullptr) return Unavailable("llama.cpp cannot start " + std::to_string(threads) + " threads");
  api.llama_attach_threadpool(session->context_, session->threads_, nullptr);
  return session;
}

LlamaSession::~LlamaSession() {
  if (context_ != nullptr) library_.api.llama_free(context_);
  if (threads_ != nullptr) library_.api.ggml_threadpool_free(threads_);
}

void LlamaSession::Reset() {
  library_.api.llama_memory_clear(library_.api.llama_get_memory(context_), true);
  std::fill(position_.begin(), position_.end(), 0);
}

void LlamaSession::Add(uint32_t token, uint32_t seq, bool wants_logits) {
  token_.push_back(static_cast<int32_t>(token));
  pos_.push_back(static_cast<int32_t>(position_[seq]++));
  n_seq_id_.push_back(1);
  seq_.push_back(static_cast<int32_t>(seq));
  wanted_.push_back(wants_logits ? 1 : 0);
}

Status LlamaSession::Run() {
  seq_id_.clear();
  for (int32_t& seq : seq_) seq_id_.push_back(&seq);
  const Batch batch = {.n_tokens = static_cast<int32_t>(token_.size()),
                       .token = token_.data(),
                       .embd = nullptr,
                       .pos = pos_.data(),
                       .n_seq_id = n_seq_id_.data(),
                       .seq_id = seq_id_.data(),
                       .logits = wanted_.data()};
  const int32_t code = library_.api.llama_decode(context_, batch);
  token_.clear(), pos_.clear(), n_seq_id_.clear(), seq_.clear(), wanted_.clear();
  if (code == 0) return Status::Ok();
  return Unsupported(Why("llama.cpp does not run the model (llama_decode returns " + std::to_string(code) + ")"));
}

Status LlamaSession::Read(size_t i, uint32_t seq) {
  logits_ = library_.api.llama_get_logits_ith(context_, static_cast<int32_t>(i));
  if (logits_ == nullptr) return Unsupported(Why("llama.cpp returns no logits"));
  likeliest_[seq] = static_cast<uint32_t>(std::max_element(logits_, logits_ + vocab_) - logits_);
  return Status::Ok();
}

Status LlamaSession::Prefill(std::span<const uint32_t> tokens, uint32_t seq, float* all_logits) {
  for (size_t at = 0; at < tokens.size(); at += chunk_) {
    const size_t n = std::min<size_t>(chunk_, tokens.size() - at);
    const bool last = at + n == tokens.size();
    for (size_t i = 0; i < n; ++i) Add(tokens[at + i], seq, all_logits != nullptr || (last && i + 1 == n));
    EDGEFRONT_RETURN_IF_ERROR(Run());
    for (size_t i = 0; all_logits != nullptr && i < n; ++i) {
      EDGEFRONT_RETURN_IF_ERROR(Read(i, seq));
      std::copy(logits_, logits_ + vocab_, all_logits + (at + i) * vocab_);
    }
    if (all_logits == nullptr && last) EDGEFRONT_RETURN_IF_ERROR(Read(n - 1, seq));
  }
  return Status::Ok();
}

Status LlamaSession::DecodeBatch(std::span<const uint32_t> tokens) {
  for (uint32_t seq = 0; seq < tokens.size(); ++seq) Add(tokens[seq], seq, true);
  EDGEFRONT_RETURN_IF_ERROR(Run());
  for (uint32_t seq = 0; seq < tokens.size(); ++seq) EDGEFRONT_RETURN_IF_ERROR(Read(seq, seq));
  return Status::Ok();
}

}  // namespace edgefront::llama
