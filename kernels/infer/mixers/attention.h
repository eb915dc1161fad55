// Grouped-query attention of one layer in a step. attention.cc implements the mixer's interface; attend.cc
// computes the tiles of query rows that workers draw.
#ifndef EDGEFRONT_INFER_MIXERS_ATTENTION_H_
#define EDGEFRONT_INFER_MIXERS_ATTENTION_H_

#include "infer/engine.h"

namespace edgefront::attention {

// Attention is summed over segments of positions in a fixed order. Workers can therefore share the keys of
// one token, which helps if a model has few KV heads. Results do not depend on the number of workers.
inline constexpr uint32_t kAttendSegment = 512;

// Query rows that share a KV head: heads [first_head, first_head + heads) of each of `rows` rows.
struct Tile {
  uint32_t first_row, rows, kv_head, first_head, heads;
};
struct Room;

// The attention of one layer, as one worker runs it.
class LayerAttention {
 public:
  LayerAttention(const Engine& engine, size_t layer, int worker, int workers)
      : e_(engine),
        w_(engine.weights->layers[layer]),
        layer_(engine.program.layers[layer]),
        plan_(layer_.attention),
        spec_(engine.spec->layers[layer].attention),
        worker_(worker),
        workers_(workers) {}

  // Normalises and rotates keys in place in proj, then stores them with their values.
  void StoreKeys() const;
  // Replaces the queries in proj by the attention outputs. Draws tiles from two tickets.
  void Run(std::atomic<uint32_t>* tickets) const;

 private:
  void Attend(const Tile& tile) const;
  void SegmentWeights(const Tile& tile, uint32_t segment) const;
  void SegmentFactors(const Tile& tile) const;
  void SegmentValues(const Tile& tile, uint32_t segment) const;
  void MergeSegments() const;
  void Gate(uint32_t row, uint32_t head) const;
  void Queries(const Tile& tile, size_t hd, float* q) const;
  Room RoomOf() const;
  AttendArgs ArgsOf(const Tile& tile, const Room& room) const;
  AttendArgs SegmentOf(const Tile& tile, uint32_t segment, const Room& room) const;

  KvHead Head(uint32_t sequence, uint32_t kv_head) const;
  const float* RopeOf(uint32_t row) const {
    const RopeTable& r = e_.program.ropes[plan_.rope];
    return e_.Buffer(r.offset) + size_t{row} * r.head_dim;
  }
  uint32_t FirstKey(uint32_t row) const {
    const uint32_t seen = e_.PositionOf(row) + 1;
    return spec_.window > 0 && seen > spec_.window ? seen - spec_.window : 0;
  }
  // Returns the number of segments that the row's keys lie in.
  uint32_t SegmentsOf(uint32_t row) const { return e_.PositionOf(row) / kAttendSegment - FirstKey(row) / kAttendSegment + 1; }
  // Returns the attention of a decoded token over one segment, [max, sum, hd values], in
  // [batch][heads][segments][2 + hd] floats.
  float* Partial(uint32_t row, uint32_t head, uint32_t segment) const {
    return e_.Shared(plan_.partial) + ((size_t{row} * spec_.heads + head) * plan_.segments + segment) * (2 + plan_.hd);
  }
  float* QueryOf(uint32_t row, uint32_t head) const { return e_.ProjRow(layer_, row) + size_t{head} * spec_.head_dim; }

  const Engine& e_;
  const LayerWeights& w_;
  const LayerPlan& layer_;
  const AttentionPlan& plan_;
  const AttentionSpec& spec_;
  int worker_, workers_;
};

// Returns the floats of scratch that a worker needs for attention.
size_t RoomFloats(const AttentionSpec& s, const AttentionPlan& plan, size_t max_context);

}  // namespace edgefront::attention

#endif  // EDGEFRONT_INFER_MIXERS_ATTENTION_H_
