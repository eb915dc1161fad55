// What a Session holds while it runs, shared by the files that run it: step.cc walks the layers, mixers.cc and ffn.cc do their
// work, session.cc is the public face. Nobody else includes this.
#ifndef EDGEFRONT_INFER_SESSION_IMPL_H_
#define EDGEFRONT_INFER_SESSION_IMPL_H_

#include <algorithm>
#include <atomic>
#include <initializer_list>
#include <memory>
#include <vector>

#include "include/edgefront/thread_pool.h"
#include "infer/model_impl.h"
#include "infer/program.h"
#include "targets/kernels.h"

namespace edgefront {

inline constexpr size_t kTicketsALayer = 8;

// Query rows that share a KV head: `heads` heads from `first_head` of each of `rows` rows.
struct AttendTile {
  uint32_t first_row, rows, kv_head, first_head, heads;
};

// As what the matrices that read the same rows take them. Rounding is ggml's wherever they agree on one, so that both engines multiply
// the same numbers: int8 by blocks of 32, of 256 for Q6_K, and F16 for F16.
struct Reading {
  bool f32 = false, half = false, q8 = false;
  size_t share = 256;  // values of the int8 view that have one scale

  explicit Reading(std::initializer_list<const Matrix*> readers) {
    bool others = false;
    for (const Matrix* m : readers) {
      if (IsQuantised(m->type)) {
        q8 = true;
        if (m->type != DType::kQ6_K) share = 32;
      } else {
        f32 = true;
        (m->type == DType::kF16 ? half : others) = true;
      }
    }
    if (others) half = false;
  }
  bool rounds() const { return half || q8; }
};

struct Session::Impl {
  std::shared_ptr<const Model> model;
  const Kernels* kernels = nullptr;
  SessionOptions options;
  Program program;
  MemoryPlan plan;
  std::unique_ptr<ThreadPool> pool;
  Arena cache, activations;
  std::vector<uint32_t> positions;              // of each sequence
  std::unique_ptr<std::atomic<uint32_t>[]> tickets;
  size_t n_tickets = 0;

  // The step under way: `n` rows; row i is token tokens[i] of sequence seq + (decode ? i : 0).
  const uint32_t* tokens = nullptr;
  uint32_t n = 0, seq = 0;
  bool decode = false;
  bool profiling = false;
  std::array<Profile, 2> profiles;  // of prefill and of decode
  float* logits_out = nullptr;     // [logit_rows][V]
  uint32_t first_logit = 0, logit_rows = 0;

  const ModelSpec& spec() const { return model->impl_->spec; }
  const Weights& weights() const { return model->impl_->weights; }
  float* Buffer(size_t offset) const { return activations.At<float>(offset); }
  uint32_t SequenceOf(uint32_t row) const { return decode ? row : seq; }
  uint32_t PositionOf(uint32_t row) const { return decode ? positions[row] : positions[seq] + row; }

  Activations View(const QuantBuffer& b, size_t k) const {
    Activations a;
    if (b.k == 0 || k == 0) return a;
    a.q = activations.At<int8_t>(b.q);
    a.scale = activations.At<float>(b.scale);
    a.sum8 = activations.At<int32_t>(b.sum8);
    a.sum16 = activations.At<int16_t>(b.sum16);
    return a;
  }

  void Step();
  void Work(int worker, int workers);
  void Embed(int worker, int workers);
  void Conv(size_t layer, int worker, int workers);
  void StoreKeys(size_t layer, int worker, int workers);
  struct AttendRoom;
  void AttendTiles(size_t layer, int worker, int workers, std::atomic<uint32_t>* tickets_of_two);
  AttendRoom RoomOf(size_t layer, int worker) const;
  AttendArgs ArgsOf(size_t layer, const AttendTile& tile, const AttendRoom& room) const;
  AttendArgs SegmentOf(size_t layer, const AttendTile& tile, uint32_t segment, const AttendRoom& room) const;
  void Queries(size_t layer, const AttendTile& tile, size_t hd, float* q) const;
  void Attend(size_t layer, int worker, const AttendTile& tile);
  void AttendSegmentWeights(size_t layer, int worker, const AttendTile& tile, uint32_t segment);
  void SegmentFactors(size_t layer, int worker, const AttendTile& tile);
  void AttendSegmentValues(size_t layer, int worker, const AttendTile& tile, uint32_t segment);
  void MergeSegments(size_t layer, int worker, int workers);
  uint32_t FirstKey(size_t layer, uint32_t row) const {
    const uint32_t window = spec().layers[layer].window, seen = PositionOf(row) + 1;
    return window > 0 && seen > window ? seen - window : 0;
  }
  // How many segments the row's keys lie in.
  uint32_t SegmentsOf(size_t layer, uint32_t row) const {
    return PositionOf(row) / kAttendSegment - FirstKey(layer, row) / kAttendSegment + 1;
  }
  float* Partial(size_t layer, uint32_t row, uint32_t head, uint32_t segment) const {
    const LayerCache& c = program.caches[layer];
    return Buffer(program.partial) + ((size_t{row} * spec().layers[layer].heads + head) * c.segments + segment) * (2 + c.hd);
  }
  void NormRows(const float* weight, uint32_t first, uint32_t rows, const Reading& reading, int worker, int workers);
  void RoundRows(float* x, size_t stride, size_t k, const Reading& reading, int worker, int workers);
  void GateUp(const LayerWeights& w, int worker, std::atomic<uint32_t>& ticket);
  void GateUpToken(const LayerWeights& w, uint32_t begin, uint32_t end, const Activations& in, float* tile);
  OpCost ConvCost(size_t layer) const;
  OpCost AttendCost(size_t layer) const;
  KvHead Head(size_t layer, uint32_t sequence, uint32_t kv_head) const;
  const float* RopeOf(size_t layer, uint32_t row) const {
    const RopeTable& r = program.ropes[program.caches[layer].rope];
    return Buffer(r.offset) + size_t{row} * r.head_dim;
  }
  uint8_t* Scratch(int worker) const { return activations.base() + program.worker + size_t(worker) * program.worker_bytes; }

  // Every worker takes panels of w until none is left; `put(token, row, values, count)` gets 16 (fewer at the edge) products.
  template <class Put>
  void MatMul(const Matrix& w, const Activations& a, uint32_t rows, int worker, std::atomic<uint32_t>& ticket, Put put) {
    float* tile = reinterpret_cast<float*>(Scratch(worker) + program.tile_at);
    const uint32_t panels = static_cast<uint32_t>(w.panels());
    const uint32_t grab = std::max<uint32_t>(1, rows > 1 ? 1 : panels / (4 * static_cast<uint32_t>(pool->size())));
    for (uint32_t p; (p = ticket.fetch_add(grab, std::memory_order_relaxed)) < panels;) {
      for (const uint32_t end = std::min(panels, p + grab); p < end; ++p) {
        const size_t row = p * kPanelRows, count = std::min(kPanelRows, w.rows - row);
        for (uint32_t t = 0; t < rows; t += kTileTokens) {
          const uint32_t m = std::min<uint32_t>(kTileTokens, rows - t);
          kernels->panel_mul(w.type, w.k, w.panel(p), a, t, m, tile);
          for (uint32_t i = 0; i < m; ++i) put(t + i, row, tile + kPanelRows * i, count);
        }
      }
    }
  }
};

}  // namespace edgefront

#endif  // EDGEFRONT_INFER_SESSION_IMPL_H_
