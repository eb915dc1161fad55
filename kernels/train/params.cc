// Lays out the parameters in the flat and packed arrays, initialises them and hashes them. weights_file.cc
// loads and exports them.
#include "train/params.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "infer/seeded_weights.h"

namespace edgefront::train {

void FreeAligned::operator()(float* p) const { std::free(p); }

Floats AllocateFloats(size_t n) {
  const size_t bytes = (n * sizeof(float) + 63) / 64 * 64;
  void* p = std::aligned_alloc(64, bytes ? bytes : 64);
  if (p) std::memset(p, 0, bytes);
  return Floats(static_cast<float*>(p));
}

size_t Param::At(int row, int col) const {
  if (by_channel) return offset + static_cast<size_t>(col) * ld + row;
  const auto padded = [](int i, int block) { return static_cast<size_t>(i / block) * PadUp(block) + i % block; };
  return offset + padded(row, row_block) * ld + padded(col, col_block);
}

Params Params::Of(const ModelSpec& spec, bool pooled) {
  Params out;
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    out.owners_.push_back(static_cast<int>(spec.WeightsOf(i)));
    out.blocks_ += spec.layers[i].beside ? 0 : 1;
  }
  out.pooled_ = pooled;
  std::vector<TensorSpec> tensors = ExpectedTensors(spec);
  if (pooled) {
    const uint64_t d = spec.dim;
    tensors.push_back({"decoder.ffn_norm.weight", Role::kFfnNorm, kDecoder, d, 1, WeightKind::kNorm});
    for (const auto& [name, role] : {std::pair{"gate", Role::kGate}, {"up", Role::kUp}, {"down", Role::kDown}}) {
      tensors.push_back({std::string("decoder.ffn_") + name + ".weight", role, kDecoder, d, d});
    }
  }
  for (const TensorSpec& t : tensors) {
    for (uint32_t i = 0; i < t.stack; ++i) out.Add(t, static_cast<int>(i));
  }
  return out;
}

void Params::Add(const TensorSpec& t, int matrix) {
  Param p{};
  p.name = t.name;
  p.first_row = matrix * static_cast<int>(t.ne1);
  p.role = t.role;
  p.layer = t.layer;
  p.rows = static_cast<int>(t.ne1);
  p.cols = static_cast<int>(t.ne0);
  p.row_block = t.row_block > 0 ? static_cast<int>(t.row_block) : p.rows;
  p.col_block = t.col_block > 0 ? static_cast<int>(t.col_block) : p.cols;
  p.kind = t.kind;
  p.slot = t.stack > 1 ? matrix : t.slot;
  p.by_channel = t.by_channel;
  p.writes_residual = t.writes_residual();
  p.padded_rows = p.matrix() ? p.rows / p.row_block * PadUp(p.row_block) : p.rows;
  p.ld = p.cols / p.col_block * PadUp(p.col_block);
  if (t.by_channel) {
    p.padded_rows = p.cols;
    p.ld = PadUp(p.rows);
  }
  p.offset = size_;
  size_ += p.size();
  if (p.matrix()) {
    p.pack_forward = packed_;
    p.pack_backward = packed_ + p.size();
    packed_ += 2 * p.size();
  }
  count_ += t.ne0 * t.ne1;
  params_.push_back(std::move(p));
}

const Param& Params::Get(Role role, int layer, int slot) const {
  const int owner = layer >= 0 ? owners_[layer] : layer;
  for (const Param& p : params_) {
    if (p.role == role && p.layer == owner && p.slot == slot) return p;
  }
  return params_.front();  // unreachable: ExpectedTensors lists every tensor of the layout
}

void Params::Initialise(uint64_t seed, float* flat) const {
  const float residual = 1.0f / std::sqrt(2.0f * static_cast<float>(blocks_));
  for (const Param& p : params_) {
    const SeededTensor values(seed, p.name, p.kind, static_cast<uint64_t>(p.cols));
    for (int r = 0; r < p.rows; ++r) {
      for (int c = 0; c < p.cols; ++c) {
        const float value = p.Trained(values.At(static_cast<uint64_t>(p.first_row + r) * p.cols + c));
        flat[p.At(r, c)] = p.kind == WeightKind::kBalance ? 0 : p.writes_residual ? value * residual : value;
      }
    }
  }
}

std::string Params::Hash(const float* flat) const {
  uint64_t h = 0xCBF29CE484222325ull;
  for (const Param& p : params_) {
    for (int r = 0; r < p.rows; ++r) {
      for (int c = 0; c < p.cols; ++c) {
        uint32_t bits;
        std::memcpy(&bits, flat + p.At(r, c), sizeof bits);
        for (int i = 0; i < 4; ++i) h = (h ^ (bits >> (8 * i) & 0xFF)) * 0x100000001B3ull;
      }
    }
  }
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(h));
  return text;
}

}  // namespace edgefront::train
