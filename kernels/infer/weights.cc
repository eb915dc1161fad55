// Loads weights: carves the arena, then all workers read, quantise and pack panels.
#include "infer/weights.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <new>

#include "infer/mixer_kind.h"
#include "infer/rope_factors.h"
#include "quant/blocks.h"

namespace edgefront {
namespace {

// Bytes read at a time: few calls, and the bytes stay in a core's cache.
constexpr size_t kReadBytes = 256u << 10;

bool IsVector(const TensorSpec& t) { return t.kind != WeightKind::kMatrix; }

size_t PackedBytes(const TensorSpec& t, DType type) {
  return IsVector(t) ? 4 * t.ne0 * t.ne1 : t.stack * PanelCount(t.ne1) * PanelBytes(type, t.ne0);
}

void Bind(Weights& w, const TensorSpec& t, DType type, uint8_t* at) {
  const Matrix m{type, t.ne0, t.ne1, at};
  float* v = reinterpret_cast<float*>(at);
  LayerWeights* l = t.layer >= 0 ? &w.layers[t.layer] : nullptr;
  switch (t.role) {
    case Role::kEmbedding: w.embedding = w.output = m; return;
    case Role::kOutput: w.output = m; return;
    case Role::kFinalNorm: w.final_norm = v; return;
    case Role::kMixerNorm: l->mixer_norm = v; return;
    case Role::kMixerPostNorm: l->mixer_post_norm = v; return;
    case Role::kFfnNorm: l->ffn_norm = v; return;
    case Role::kFfnPostNorm: l->ffn_post_norm = v; return;
    case Role::kMixer: IsVector(t) ? void(l->vectors[t.slot] = v) : void(l->matrices[t.slot] = m); return;
    case Role::kMixerOut: l->mixer_out = m; return;
    case Role::kRouter: l->router = m; return;
    case Role::kRouterBias: l->router_bias = v; return;
    case Role::kGate: l->gate = m; return;
    case Role::kUp: l->up = m; return;
    case Role::kDown: l->down = m; return;
    case Role::kConstant: return;
  }
}

Status PreadAll(int fd, uint8_t* out, size_t n, uint64_t offset) {
  while (n > 0) {
    const ssize_t got = pread(fd, out, n, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return IoError(got == 0 ? "the file ends early" : std::string("cannot read the file: ") + std::strerror(errno));
    out += got;
    offset += static_cast<uint64_t>(got);
    n -= static_cast<size_t>(got);
  }
  return Status::Ok();
}

// A vector, or `rows` rows of a matrix, from a multiple of 16 on.
struct Job {
  const TensorSpec* tensor;
  DType type;
  uint8_t* to;
  size_t first, rows;
};

Status RunJob(const Job& job, const ModelSpec& spec, const GgufFile& gguf, const DataSource& source, uint8_t* rows, float* floats) {
  const TensorSpec& t = *job.tensor;
  const size_t row_bytes = RowBytes(job.type, t.ne0);
  if (!IsVector(t)) {
    const size_t panels = PanelCount(job.rows);
    EDGEFRONT_RETURN_IF_ERROR(ReadRows(spec, gguf, t, source, job.first, job.rows, rows, floats));
    std::memset(rows + job.rows * row_bytes, 0, (panels * kPanelRows - job.rows) * row_bytes);
    for (size_t p = 0; p < panels; ++p)
      PackPanel(job.type, t.ne0, rows + p * kPanelRows * row_bytes, row_bytes, job.to + p * PanelBytes(job.type, t.ne0));
    return Status::Ok();
  }
  float* to = reinterpret_cast<float*>(job.to);
  for (size_t r = 0; r < t.ne1; ++r) {  // by channel: [d][k] -> [k][d]
    EDGEFRONT_RETURN_IF_ERROR(ReadRows(spec, gguf, t, source, r, 1, rows, floats));
    DequantiseRow(job.type, rows, t.ne0, floats);
    for (size_t i = 0; i < t.ne0; ++i) to[t.by_channel ? i * t.ne1 + r : r * t.ne0 + i] = floats[i];
  }
  return Status::Ok();
}

}  // namespace

Result<std::vector<DType>> TensorTypes(const ModelSpec& spec, const GgufFile& gguf) {
  std::vector<DType> types;
  for (const TensorSpec& t : ExpectedTensors(spec)) {
    const GgufTensor* found = gguf.FindTensor(t.name);
    if (found == nullptr) return BadModel("tensor '" + t.name + "' is missing");
    if ((IsVector(t) || t.exact) && IsQuantised(found->type)) {
      return Unsupported("tensor '" + t.name + "' is " + DTypeName(found->type) +
                         ", edgefront reads norms, biases, convolution taps and small inner matrices as F32, F16 or BF16; convert the file "
                         "with llama.cpp: "
                         "llama-quantize --allow-requantize FILE OUT.gguf Q8_0");
    }
    types.push_back(found->type);
  }
  return types;
}

uint64_t WeightBytes(const ModelSpec& spec, const std::vector<DType>& types) {
  Carver carver;
  size_t i = 0;
  for (const TensorSpec& t : ExpectedTensors(spec)) carver.Take(PackedBytes(t, types[i++]));
  return carver.size();
}

Status ReadRows(const ModelSpec& spec, const GgufFile& gguf, const TensorSpec& tensor, const DataSource& source, uint64_t first, uint64_t n,
                uint8_t* rows, float* floats) {
  const GgufTensor& t = *gguf.FindTensor(tensor.name);
  const size_t row_bytes = RowBytes(t.type, t.dims[0]);
  if (!gguf.has_data() && tensor.role == Role::kConstant) {
    QuantiseRow(t.type, RopeFactors(spec).data(), t.dims[0], rows);
    return Status::Ok();
  }
  if (!gguf.has_data()) {
    const SeededTensor seeded(*spec.seed, tensor.name, tensor.kind, tensor.ne0);
    for (uint64_t r = 0; r < n; ++r) {
      seeded.Fill(floats, (first + r) * t.dims[0], t.dims[0]);
      QuantiseRow(t.type, floats, t.dims[0], rows + r * row_bytes);
    }
    return Status::Ok();
  }
  const uint64_t at = t.offset + first * row_bytes;
  if (source.bytes != nullptr) {
    std::memcpy(rows, source.bytes + at, n * row_bytes);
    return Status::Ok();
  }
  return PreadAll(source.fd, rows, n * row_bytes, source.fd_offset + at);
}

Result<Weights> LoadWeights(const ModelSpec& spec, const GgufFile& gguf, const DataSource& source, ThreadPool& pool) {
  if (!gguf.has_data() && !spec.seed) return BadModel("the file has neither data nor edgefront.weights.seed to make it from");
  auto types = TensorTypes(spec, gguf);
  if (!types.ok()) return types.status();
  const std::vector<TensorSpec> tensors = ExpectedTensors(spec);
  Weights w;
  w.layers.resize(spec.layers.size());
  EDGEFRONT_RETURN_IF_ERROR(w.arena.Allocate(WeightBytes(spec, *types), true));

  Carver carver;
  std::vector<Job> jobs;
  size_t largest_row = 0, largest_read = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorSpec& t = tensors[i];
    uint8_t* at = w.arena.base() + carver.Take(PackedBytes(t, (*types)[i]));
    Bind(w, t, (*types)[i], at);
    if (t.ne0 > largest_row) largest_row = t.ne0;
    const size_t panel_rows_bytes = kPanelRows * RowBytes((*types)[i], t.ne0), grab = std::max<size_t>(1, kReadBytes / panel_rows_bytes);
    largest_read = std::max(largest_read, panel_rows_bytes * std::min(grab, PanelCount(t.ne1)));
    if (IsVector(t)) {
      jobs.push_back({&t, (*types)[i], at, 0, t.ne1});
      continue;
    }
    const Matrix m{(*types)[i], t.ne0, t.ne1, at};
    for (size_t s = 0; s < t.stack; ++s) {
      for (size_t p = 0; p < m.panels(); p += grab) {
        const size_t row = p * kPanelRows;
        uint8_t* to = at + (s * m.panels() + p) * m.panel_bytes();
        jobs.push_back({&t, m.type, to, s * t.ne1 + row, std::min(grab * kPanelRows, t.ne1 - row)});
      }
    }
  }

  Status failed;
  std::mutex failed_mutex;
  std::atomic<size_t> next{0};
  pool.Run([&](int, int) {
    std::unique_ptr<float[]> floats(new (std::nothrow) float[largest_row]);
    std::unique_ptr<uint8_t[]> rows(new (std::nothrow) uint8_t[largest_read]);
    for (size_t j; (j = next.fetch_add(1)) < jobs.size();) {
      const Status status =
          floats && rows ? RunJob(jobs[j], spec, gguf, source, rows.get(), floats.get()) : OutOfMemory("no memory for a row of weights");
      if (status.ok()) continue;
      const std::lock_guard<std::mutex> lock(failed_mutex);
      failed = status;
      next = jobs.size();
      return;
    }
  });
  if (!failed.ok()) return failed;
  for (size_t i = 0; i < w.layers.size(); ++i) {
    w.layers[i] = w.layers[spec.WeightsOf(i)];
    const MixerKind& kind = KindOf(spec.layers[i].mixer);
    if (!spec.layers[i].weights_from && kind.prepare != nullptr) kind.prepare(spec, spec.layers[i], w.layers[i].vectors.data());
  }
  return w;
}

}  // namespace edgefront
