// Finds and opens libllama, checks its version and its structures, and loads the backend of the processor.
#include "llama/library.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdlib.h>

#include <map>
#include <sstream>
#include <utility>

#include "agent/jobs.h"
#include "agent/sha256.h"
#include "include/edgefront/host.h"

namespace edgefront::llama {
namespace {

constexpr char kNextStep[] = "install node-llama-cpp@3.22.1, or build llama.cpp at the tag v0.5.0";

std::string first_error;

// Keeps the first error since TakeError: the ones after it only say where it went.
void KeepError(int32_t level, const char* text, void*) {
  if (level != kLogError || !first_error.empty()) return;
  first_error = text;
  while (!first_error.empty() && first_error.back() == '\n') first_error.pop_back();
}

bool IsLibllama(const std::string& name) { return name.starts_with("libllama.") && name.find(".so") != std::string::npos; }

// Returns the name of libllama's file in the folder, or "".
std::string FindLibrary(const std::string& folder) {
  std::string found;
  DIR* open = opendir(folder.c_str());
  if (open == nullptr) return found;
  while (const dirent* entry = readdir(open)) {
    const std::string name = entry->d_name;
    if (IsLibllama(name) && (found.empty() || name < found)) found = name;
  }
  closedir(open);
  return found;
}

// Returns the path of each file of llama.cpp that this process has mapped, by its name.
std::map<std::string, std::string> MappedFiles() {
  std::map<std::string, std::string> files;
  std::istringstream maps(ReadSystemFile("/proc/self/maps", size_t{1} << 20));
  for (std::string line; std::getline(maps, line);) {
    const size_t path = line.find('/');
    if (path == std::string::npos) continue;
    const std::string name = line.substr(line.rfind('/') + 1);
    if (name.starts_with("libllama") || name.starts_with("libggml")) files[name] = line.substr(path);
  }
  return files;
}

// Fills in what the loaded files tell: their digest, and the variant of the processor backend.
Status ReadFiles(Library* library) {
  library->isa = "cpu";
  Sha256 all;
  for (const auto& [name, path] : MappedFiles()) {
    const Result<std::string> one = Sha256OfFile(path);
    if (!one.ok()) return one.status();
    const std::string entry = name + " " + *one + "\n";
    all.Update(entry.data(), entry.size());
    constexpr std::string_view kVariant = "libggml-cpu-";
    if (name.starts_with(kVariant)) library->isa = name.substr(kVariant.size(), name.find(".so") - kVariant.size());
  }
  library->sha256 = all.Finish();
  return Status::Ok();
}

// Detects structures of another layout than api.h's under the same version: defaults then lie elsewhere.
bool HasExpectedDefaults(const Api& api) {
  const ContextParams context = api.llama_context_default_params();
  const ModelParams model = api.llama_model_default_params();
  return context.n_ctx == 512 && context.n_batch == 2048 && context.n_ubatch == 512 && context.n_outputs_max_per_seq == 1 &&
         context.flash_attn_type == kFlashAuto && context.yarn_beta_slow == -1 && context.type_k == kGgmlF16 &&
         context.type_v == kGgmlF16 && context.swa_full && !context.kv_unified && context.n_samplers == 0 && context.ctx_other == nullptr &&
         model.n_gpu_layers == -1 && model.load_mode == -1 && model.use_extra_bufts && !model.no_alloc && !model.load_mtp;
}

// Binds every function of the library. Returns the name of a missing one, or nullptr.
const char* BindAll(void* handle, Api* api) {
  const char* missing = nullptr;
  const auto bind = [&]<class F>(F** function, const char* name) {
    *function = reinterpret_cast<F*>(dlsym(handle, name));
    if (*function == nullptr) missing = name;
  };
#define BIND(name) bind(&api->name, #name)
  BIND(llama_version), BIND(llama_log_set), BIND(llama_model_default_params), BIND(llama_context_default_params);
  BIND(llama_model_load_from_file), BIND(llama_model_free), BIND(llama_init_from_model), BIND(llama_free);
  BIND(llama_attach_threadpool), BIND(llama_get_memory), BIND(llama_memory_clear), BIND(llama_decode), BIND(llama_get_logits_ith);
  BIND(ggml_backend_reg_count), BIND(ggml_backend_load_all_from_path), BIND(ggml_backend_dev_by_type);
  BIND(ggml_backend_dev_backend_reg), BIND(ggml_backend_reg_get_proc_address), BIND(ggml_threadpool_params_default);
#undef BIND
  return missing;
}

// Loads the backend of the processor, unless it is linked in, and binds its functions.
Status LoadBackend(const std::string& folder, Api* api) {
  if (api->ggml_backend_reg_count() == 0) api->ggml_backend_load_all_from_path(folder.c_str());
  BackendDevice* device = api->ggml_backend_dev_by_type(kDeviceCpu);
  if (device == nullptr) return Unavailable("llama.cpp's folder has no backend for this processor (libggml-cpu*.so)");
  BackendRegistry* registry = api->ggml_backend_dev_backend_reg(device);
  const auto find = [&](const char* name) { return api->ggml_backend_reg_get_proc_address(registry, name); };
  api->ggml_threadpool_new = reinterpret_cast<decltype(api->ggml_threadpool_new)>(find("ggml_threadpool_new"));
  api->ggml_threadpool_free = reinterpret_cast<decltype(api->ggml_threadpool_free)>(find("ggml_threadpool_free"));
  if (api->ggml_threadpool_new == nullptr || api->ggml_threadpool_free == nullptr)
    return Unavailable("llama.cpp's backend for this processor has no thread pool");
  return Status::Ok();
}

}  // namespace

Result<Library> OpenLibrary(const Json& request) {
  Fields fields(&request);
  const std::string folder = fields.Text("library", "");
  if (folder.empty()) fields.Fail("library must name the folder of llama.cpp's libraries");
  if (!fields.status().ok()) return fields.status();
  // Where an assertion fails, ggml would otherwise start a debugger.
  setenv("GGML_NO_BACKTRACE", "1", 1);
  const std::string name = FindLibrary(folder);
  if (name.empty()) return Unavailable(std::string("no libllama is in the folder of llama.cpp's libraries; ") + kNextStep);
  void* handle = dlopen((folder + "/" + name).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    // The message begins with a path of the user.
    const std::string why = dlerror();
    return Unavailable(name + " cannot be opened: " + why.substr(why.rfind('/') + 1));
  }
  Library library;
  const auto version = reinterpret_cast<decltype(library.api.llama_version)>(dlsym(handle, "llama_version"));
  library.version = version == nullptr ? "older than 0.4" : version();
  if (library.version != kVersion && library.version != std::string(kVersion) + "-dev")
    return Unavailable(name + " is llama.cpp " + library.version + ", and this agent is written for " + kVersion + "; " + kNextStep);
  if (const char* missing = BindAll(handle, &library.api)) return Unavailable(name + " has no function " + missing + "; " + kNextStep);
  library.api.llama_log_set(KeepError, nullptr);
  if (!HasExpectedDefaults(library.api))
    return Unavailable(name + " calls itself " + library.version + ", but its structures are of another version; " + kNextStep);
  EDGEFRONT_RETURN_IF_ERROR(LoadBackend(folder, &library.api));
  EDGEFRONT_RETURN_IF_ERROR(ReadFiles(&library));
  return library;
}

std::string TakeError() { return std::exchange(first_error, std::string()); }

std::string Describe(const Library& library, const Conduct* conduct) {
  JsonWriter json;
  json.BeginObject().Key("id").String("llama.cpp").Key("version").String(library.version);
  json.Key("backend").String("cpu").Key("sha256").String(library.sha256);
  if (conduct != nullptr) json.Key("flashAttention").Bool(conduct->flash_attention).Key("mmap").Bool(conduct->mmap);
  json.EndObject();
  return json.Take();
}

}  // namespace edgefront::llama
