// The part of llama.cpp's C interface that the agent calls, as include/llama.h, ggml.h and ggml-backend.h of
// version 0.5.0 declare it. Structures are passed by value and change between versions, so library.cc opens
// no other version. Only the fields that the agent sets or checks are explained.
#ifndef EDGEFRONT_LLAMA_API_H_
#define EDGEFRONT_LLAMA_API_H_

#include <cstddef>
#include <cstdint>

namespace edgefront::llama {

// The version that these declarations belong to. Builds that are no release add "-dev".
inline constexpr char kVersion[] = "0.5.0";

enum LoadMode : int32_t { kLoadRead = 0, kLoadMap = 1 };
enum FlashAttention : int32_t { kFlashAuto = -1, kFlashOff = 0, kFlashOn = 1 };
enum GgmlType : int32_t { kGgmlF32 = 0, kGgmlF16 = 1, kGgmlQ8_0 = 8 };
enum LogLevel : int32_t { kLogError = 4 };
enum DeviceType : int32_t { kDeviceCpu = 0 };

struct Model;
struct Context;
struct Memory;
struct Threadpool;
struct BackendDevice;
struct BackendRegistry;

struct ModelParams {
  BackendDevice** devices;  // null-terminated; null: all
  const void* tensor_buft_overrides;
  int32_t n_gpu_layers;
  int32_t split_mode;
  int32_t load_mode;  // LoadMode
  int32_t lazy_mode;
  int32_t main_gpu;
  const float* tensor_split;
  bool (*progress_callback)(float, void*);
  void* progress_callback_user_data;
  const void* kv_overrides;
  bool vocab_only, check_tensors;
  bool use_extra_bufts;  // repacks weights for the processor
  bool no_host, no_alloc, load_mtp;
};

struct ContextParams {
  uint32_t n_ctx;  // of all sequences together, unless kv_unified
  uint32_t n_batch, n_ubatch;
  uint32_t n_seq_max;
  uint32_t n_rs_seq;
  uint32_t n_outputs_max;          // logits rows of a batch; 0: n_batch
  uint32_t n_outputs_max_per_seq;  // 0: n_outputs_max
  int32_t n_threads, n_threads_batch;
  int32_t ctx_type, rope_scaling_type, pooling_type, attention_type;
  int32_t flash_attn_type;  // FlashAttention
  float rope_freq_base, rope_freq_scale, yarn_ext_factor, yarn_attn_factor, yarn_beta_fast, yarn_beta_slow;
  uint32_t yarn_orig_ctx;
  float defrag_thold;
  bool (*cb_eval)(void*, bool, void*);
  void* cb_eval_user_data;
  int32_t type_k, type_v;  // GgmlType
  bool (*abort_callback)(void*);
  void* abort_callback_data;
  bool embeddings, offload_kqv, no_perf, op_offload;
  bool swa_full;    // keeps every token of a windowed layer
  bool kv_unified;  // one buffer for all sequences
  const void* samplers;
  size_t n_samplers;
  Context* ctx_other;
};

// Token i: token[i] at position pos[i] of the sequences seq_id[i][0 .. n_seq_id[i]); its logits are wanted if
// logits[i] is not 0. Each array has n_tokens entries.
struct Batch {
  int32_t n_tokens;
  int32_t* token;
  float* embd;
  int32_t* pos;
  int32_t* n_seq_id;
  int32_t** seq_id;
  int8_t* logits;
};

struct ThreadpoolParams {
  bool cpumask[512];
  int n_threads;
  int32_t prio;
  uint32_t poll;
  bool strict_cpu, paused;
};

// The functions, by their names in the library.
struct Api {
  const char* (*llama_version)();
  void (*llama_log_set)(void (*)(int32_t level, const char* text, void* user), void* user);
  ModelParams (*llama_model_default_params)();
  ContextParams (*llama_context_default_params)();
  Model* (*llama_model_load_from_file)(const char* path, ModelParams);
  void (*llama_model_free)(Model*);
  Context* (*llama_init_from_model)(Model*, ContextParams);
  void (*llama_free)(Context*);
  void (*llama_attach_threadpool)(Context*, Threadpool* decode, Threadpool* batch);
  Memory* (*llama_get_memory)(const Context*);
  void (*llama_memory_clear)(Memory*, bool data);
  int32_t (*llama_decode)(Context*, Batch);
  float* (*llama_get_logits_ith)(Context*, int32_t i);
  size_t (*ggml_backend_reg_count)();
  void (*ggml_backend_load_all_from_path)(const char* folder);
  BackendDevice* (*ggml_backend_dev_by_type)(int32_t type);
  BackendRegistry* (*ggml_backend_dev_backend_reg)(BackendDevice*);
  void* (*ggml_backend_reg_get_proc_address)(BackendRegistry*, const char* name);
  ThreadpoolParams (*ggml_threadpool_params_default)(int n_threads);
  // Of the processor's backend, which ggml loads.
  Threadpool* (*ggml_threadpool_new)(ThreadpoolParams*);
  void (*ggml_threadpool_free)(Threadpool*);
};

}  // namespace edgefront::llama

#endif  // EDGEFRONT_LLAMA_API_H_
