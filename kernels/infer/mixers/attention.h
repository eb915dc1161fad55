// Grouped-query attention: one layer of it in a step. attention.cc has what the engine asks; attend.cc has the
// tiles of query rows that workers take.
#ifndef EDGEFRONT_INFER_MIXERS_ATTENTION_H_
#define EDGEFRONT_INFER_MIXERS_ATTENTION_H_

#include "infer/engine.h"

namespace edgefront::attention {

// Attention is summed over segments of positions, in their order, whoever computed them: so the keys of one token can be
// shared among workers, where a model has few KV heads, and no result depends on how many there are.
inline constexpr uint32_t kAttendSegment = 512;

// Query rows that share a KV head: `heads` heads from `first_head` of each of `rows` rows.
struct Tile {
  uint32_t first_row, rows, kv_head, first_head, heads;
};
struct Room;

// A layer's attention as one worker runs it.
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

  // Keys are normalised and rotated in place in proj, then stored with their values.
  void StoreKeys() const;
  // Attends: outputs replace the queries in proj. Draws tiles from the two tickets.
  void Run(std::atomic<uint32_t>* tickets) const;

 private:
  void Attend(const Tile& tile) const;
  void SegmentWeights(const Tile& tile, uint32_t segment) const;
  void SegmentFactors(const Tile& tile) const;
  void SegmentValues(const Tile& tile, uint32_t segment) const;
  void MergeSegments() const;
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
  // How many segments the row's keys lie in.
  uint32_t SegmentsOf(uint32_t row) const { return e_.PositionOf(row) / kAttendSegment - FirstKey(row) / kAttendSegment + 1; }
  // [max, sum, hd values] of a decoded token's attention over one segment, in [batch][heads][segments] of them.
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

// Floats of a worker's scratch while it attends.
size_t RoomFloats(const AttentionSpec& s, const AttentionPlan& plan, size_t max_context);

}  // namespace edgefront::attention

#endif  // EDGEFRONT_INFER_MIXERS_ATTENTION_H_
