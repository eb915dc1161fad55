// Moves weights between the trainer's padded array and GGUF files: reads a teacher's, and writes trained ones
// for the inference kernels.
#include <cstdio>
#include <vector>

#include "infer/weights.h"
#include "quant/blocks.h"
#include "train/atomic_file.h"
#include "train/params.h"

namespace edgefront::train {

Status Params::Load(const ModelSpec& spec, const ModelFile& file, float* flat) const {
  const GgufFile& gguf = file.gguf();
  const DataSource source = SourceOf(file);
  std::vector<uint8_t> row;
  std::vector<float> values, scratch;
  for (const Param& p : params_) {
    const GgufTensor* info = gguf.FindTensor(p.name);
    if (!info) return BadModel("the file has no tensor '" + p.name + "'");
    const TensorSpec tensor{p.name, p.role, p.layer, static_cast<uint64_t>(p.cols), static_cast<uint64_t>(p.rows), p.kind};
    row.resize(RowBytes(info->type, tensor.ne0));
    values.resize(tensor.ne0);
    scratch.resize(tensor.ne0);
    for (int r = 0; r < p.rows; ++r) {
      EDGEFRONT_RETURN_IF_ERROR(
          ReadRows(spec, gguf, tensor, source, static_cast<uint64_t>(p.first_row + r), 1, row.data(), scratch.data()));
      DequantiseRow(info->type, row.data(), tensor.ne0, values.data());
      for (int c = 0; c < p.cols; ++c) {
        flat[p.At(r, c)] = p.Trained(values[c]);
        if (flat[p.At(r, c)] != flat[p.At(r, c)]) return BadModel("'" + p.name + "' has a value that cannot be trained");
      }
    }
  }
  return Status::Ok();
}

Status Params::Export(std::span<const uint8_t> plan, const float* flat, const std::string& out) const {
  auto gguf = GgufFile::Parse(plan);
  if (!gguf.ok()) return gguf.status();
  std::vector<uint8_t> data(gguf->data_bytes() + (32 - gguf->data_bytes() % 32) % 32, 0);
  std::vector<float> values;
  for (const Param& p : params_) {
    if (p.layer == kDecoder) continue;
    const GgufTensor* info = gguf->FindTensor(p.name);
    if (!info) return BadModel("the plan has no tensor '" + p.name + "'");
    values.resize(p.cols);
    for (int r = 0; r < p.rows; ++r) {
      for (int c = 0; c < p.cols; ++c) values[c] = p.Stored(flat[p.At(r, c)]);
      QuantiseRow(info->type, values.data(), values.size(),
                  data.data() + info->offset + RowBytes(info->type, values.size()) * (p.first_row + r));
    }
  }
  const auto spec = ModelSpec::FromGguf(*gguf);
  if (!spec.ok()) return spec.status();
  for (const TensorSpec& t : FileTensors(*spec)) {
    if (t.role != Role::kConstant) continue;
    values.resize(t.ne0);
    EDGEFRONT_RETURN_IF_ERROR(ReadRows(*spec, *gguf, t, {}, 0, t.ne1, data.data() + gguf->FindTensor(t.name)->offset, values.data()));
  }
  std::vector<uint8_t> head(plan.begin(), plan.begin() + static_cast<ptrdiff_t>(gguf->header_bytes()));
  head.resize(gguf->data_offset(), 0);
  return WriteAtomically(out, {head, data});
}

}  // namespace edgefront::train
