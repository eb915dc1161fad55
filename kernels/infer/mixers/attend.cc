// Attention in a step: chooses query rows, heads and keys for each worker, and joins segments of keys into
// one softmax. The kernel table does the arithmetic within a segment.
#include <cmath>
#include <cstring>
#include <utility>

#include "infer/mixers/attention.h"
#include "quant/half.h"

namespace edgefront::attention {
namespace {

// Computes the factors that turn the weights of each segment, exp(s - max) with the segment's max, into those
// of one softmax over all segments. Segments lie `stride` floats apart. The function is never inlined:
// compilers may contract its products differently in each place, but prefill and decode must agree to the
// last bit.
__attribute__((noinline)) void FactorsOf(const float* max, const float* sum, size_t stride, uint32_t segments, float* factor,
                                         size_t factor_stride) {
  float top = -HUGE_VALF, total = 0;
  for (uint32_t i = 0; i < segments; ++i)
    if (sum[i * stride] > 0) top = std::max(top, max[i * stride]);
  for (uint32_t i = 0; i < segments; ++i) {
    float& f = factor[i * factor_stride];
    f = sum[i * stride] > 0 ? std::exp(max[i * stride] - top) : 0.0f;  // 0: no key is visible in the segment
    total += sum[i * stride] * f;
  }
  for (uint32_t i = 0; i < segments; ++i) factor[i * factor_stride] /= total;
}

}  // namespace

// A worker's scratch for attention: room for a tile of kAttendRows rows.
struct Room {
  float *q, *out, *part;      // [rows][hd]
  float *max, *sum, *factor;  // [segments][kAttendRows]
  uint32_t *first, *last;     // [rows]
  float *scratch, *weights;

  Room(float* at, size_t hd, size_t segments) {
    const auto take = [&at](size_t floats) { return std::exchange(at, at + floats); };
    q = take(kAttendRows * hd), out = take(kAttendRows * hd), part = take(kAttendRows * hd);
    max = take(kAttendRows * segments), sum = take(kAttendRows * segments), factor = take(kAttendRows * segments);
    first = reinterpret_cast<uint32_t*>(take(kAttendRows)), last = reinterpret_cast<uint32_t*>(take(kAttendRows));
    scratch = take(kAttendRows * kAttendBlock);
    weights = at;
  }
};

// Includes the weights of all keys that a tile's rows see. The rows may belong to kAttendRows successive
// tokens, whose keys begin and end inside blocks and segments.
size_t RoomFloats(const AttentionSpec& s, const AttentionPlan& plan, size_t max_context) {
  const size_t keys = s.window > 0 ? std::min<size_t>(max_context, size_t{s.window} + kAttendRows - 1) : max_context;
  return kAttendRows * (3 * plan.hd + 3 * (size_t{plan.segments} + 1) + 2 + kAttendBlock + RoundUp(keys, kAttendBlock) + kAttendBlock);
}

// Tiles have up to 8 query rows that share a KV head: several tokens of a group of heads, or 8 heads of one
// token. In decode a tile also has one segment of keys. All weights come first, then the values, because
// these need the sums of all segments.
void LayerAttention::Run(std::atomic<uint32_t>* tickets) const {
  const uint32_t n = e_.n, group = spec_.heads / spec_.kv_heads;
  const uint32_t heads = std::min<uint32_t>(group, kAttendRows), parts = (group + heads - 1) / heads;
  const uint32_t tokens_a_tile = e_.decode ? 1 : std::max<uint32_t>(1, kAttendRows / heads);
  uint32_t segments = 1;
  for (uint32_t i = 0; e_.decode && i < n; ++i) segments = std::max(segments, SegmentsOf(i));
  const uint32_t tiles = (n + tokens_a_tile - 1) / tokens_a_tile, total = tiles * spec_.kv_heads * parts * segments;
  const auto each = [&](std::atomic<uint32_t>& ticket, auto work) {
    for (uint32_t taken; (taken = ticket.fetch_add(1, std::memory_order_relaxed)) < total;) {
      // The last tokens see the most keys, so they go first. No worker then computes a long tile alone at the
      // end.
      const uint32_t segment = taken % segments, j = taken / segments;
      const uint32_t kv_head = j / tiles / parts, part = j / tiles % parts;
      Tile t;
      t.first_row = (tiles - 1 - j % tiles) * tokens_a_tile;
      t.rows = std::min(tokens_a_tile, n - t.first_row);
      t.kv_head = kv_head;
      t.first_head = kv_head * group + part * heads;
      t.heads = std::min(heads, group - part * heads);
      if (segments == 1 || segment < SegmentsOf(t.first_row)) work(t, segment);
    }
  };
  if (segments == 1) return each(tickets[0], [&](const Tile& t, uint32_t) { Attend(t); });
  each(tickets[0], [&](const Tile& t, uint32_t segment) { SegmentWeights(t, segment); });
  e_.pool->Barrier();
  // Segments of a tile follow each other, so a worker computes its factors once.
  Tile known = {};
  each(tickets[1], [&](const Tile& t, uint32_t segment) {
    const bool same = known.heads > 0 && known.first_row == t.first_row && known.first_head == t.first_head;
    if (!same) SegmentFactors(t);
    known = t;
    SegmentValues(t, segment);
  });
  e_.pool->Barrier();
  MergeSegments();
}

Room LayerAttention::RoomOf() const {
  return Room(reinterpret_cast<float*>(e_.Scratch(worker_) + e_.program.mixer_at), plan_.hd, plan_.segments + 1);
}

// Returns the arguments of a tile's kernels, for all keys that any of its rows sees.
AttendArgs LayerAttention::ArgsOf(const Tile& t, const Room& room) const {
  AttendArgs g;
  g.kv = Head(e_.SequenceOf(t.first_row), t.kv_head);
  g.rows = static_cast<int>(t.rows * t.heads);
  g.scale = 1.0f / std::sqrt(static_cast<float>(spec_.head_dim));
  g.q = room.q;
  g.first = room.first;
  g.last = room.last;
  g.begin = ~0u;
  g.end = 0;
  for (uint32_t r = 0; r < t.rows * t.heads; ++r) {
    const uint32_t row = t.first_row + r / t.heads;
    room.first[r] = FirstKey(row);
    room.last[r] = e_.PositionOf(row);
    g.begin = std::min(g.begin, room.first[r] / kAttendBlock * kAttendBlock);
    g.end = std::max(g.end, room.last[r] + 1);
  }
  g.weights = room.weights;
  g.max = room.max;
  g.sum = room.sum;
  g.factor = room.factor;
  g.out = room.out;
  g.scratch = room.scratch;
  return g;
}

void LayerAttention::Queries(const Tile& t, size_t hd, float* q) const {
  const size_t head_dim = spec_.head_dim;
  for (uint32_t r = 0; r < t.rows * t.heads; ++r) {
    const uint32_t row = t.first_row + r / t.heads, head = t.first_head + r % t.heads;
    float* to = q + r * hd;
    std::memcpy(to, QueryOf(row, head), 4 * head_dim);
    if (spec_.qk_norm) e_.kernels->rmsnorm(to, w_.vectors[AttentionSpec::kQNorm], head_dim, e_.spec->eps, to);
    e_.kernels->rope(to, RopeOf(row), head_dim, e_.spec->rope_interleaved);
    for (size_t i = 0; e_.options.kv == KvType::kF16 && i < head_dim; ++i) to[i] = NearestF16(to[i]);
    for (size_t i = head_dim; i < hd; ++i) to[i] = 0;
  }
}

// Computes a whole tile. Its output replaces the queries.
void LayerAttention::Attend(const Tile& t) const {
  const Room room = RoomOf();
  AttendArgs g = ArgsOf(t, room);
  const size_t hd = g.kv.hd, rows = g.rows;
  Queries(t, hd, room.q);
  const uint32_t begin = g.begin, end = g.end;
  const uint32_t first_segment = begin / kAttendSegment, segments = (end - 1) / kAttendSegment + 1 - first_segment;
  const auto take = [&](uint32_t i) {
    g.begin = std::max(begin, (first_segment + i) * kAttendSegment);
    g.end = std::min(end, (first_segment + i + 1) * kAttendSegment);
    g.weights = room.weights + (g.begin - begin) * rows;
    g.max = room.max + i * kAttendRows;
    g.sum = room.sum + i * kAttendRows;
    g.factor = room.factor + i * kAttendRows;
    g.out = i == 0 ? room.out : room.part;
  };
  for (uint32_t i = 0; i < segments; ++i) take(i), e_.kernels->attend_weights(g);
  for (size_t r = 0; r < rows; ++r) FactorsOf(room.max + r, room.sum + r, kAttendRows, segments, room.factor + r, kAttendRows);
  for (uint32_t i = 0; i < segments; ++i) {
    take(i), e_.kernels->attend_values(g);
    for (size_t j = 0; i > 0 && j < rows * hd; ++j) room.out[j] += room.part[j];
  }
  for (uint32_t r = 0; r < rows; ++r) {
    const uint32_t row = t.first_row + r / t.heads, head = t.first_head + r % t.heads;
    std::memcpy(QueryOf(row, head), room.out + r * hd, 4 * size_t{spec_.head_dim});
    Gate(row, head);
  }
}

// Multiplies the output of a head by its gate, if the layer has gates.
void LayerAttention::Gate(uint32_t row, uint32_t head) const {
  if (!spec_.gate) return;
  const float factor = 1.0f / (1.0f + std::exp(-e_.ProjRow(layer_, row)[plan_.gates_at + head]));
  float* out = QueryOf(row, head);
  for (size_t i = 0; i < spec_.head_dim; ++i) out[i] *= factor;
}

// `segment` counts from the segment of the first visible key.
AttendArgs LayerAttention::SegmentOf(const Tile& t, uint32_t segment, const Room& room) const {
  AttendArgs g = ArgsOf(t, room);
  const uint32_t from = (g.begin / kAttendSegment + segment) * kAttendSegment;
  g.begin = std::max(g.begin, from);
  g.end = std::min(g.end, from + kAttendSegment);
  const size_t tile = size_t{t.first_row} * spec_.heads + t.first_head;
  g.weights = e_.Shared(plan_.weights) + (tile * plan_.segments + size_t{segment} * t.heads) * kAttendSegment;
  return g;
}

void LayerAttention::SegmentWeights(const Tile& t, uint32_t segment) const {
  const Room room = RoomOf();
  const AttendArgs g = SegmentOf(t, segment, room);
  Queries(t, g.kv.hd, room.q);
  e_.kernels->attend_weights(g);
  for (uint32_t r = 0; r < t.heads; ++r) {
    float* to = Partial(t.first_row, t.first_head + r, segment);
    to[0] = g.max[r];
    to[1] = g.sum[r];
  }
}

void LayerAttention::SegmentFactors(const Tile& t) const {
  const Room room = RoomOf();
  const size_t stride = 2 + plan_.hd;
  for (uint32_t r = 0; r < t.heads; ++r) {
    const float* of_segments = Partial(t.first_row, t.first_head + r, 0);
    FactorsOf(of_segments, of_segments + 1, stride, SegmentsOf(t.first_row), room.factor + r, kAttendRows);
  }
}

void LayerAttention::SegmentValues(const Tile& t, uint32_t segment) const {
  const Room room = RoomOf();
  AttendArgs g = SegmentOf(t, segment, room);
  g.factor = room.factor + size_t{segment} * kAttendRows;
  e_.kernels->attend_values(g);
  for (uint32_t r = 0; r < t.heads; ++r) std::memcpy(Partial(t.first_row, t.first_head + r, segment) + 2, g.out + r * g.kv.hd, 4 * g.kv.hd);
}

void LayerAttention::MergeSegments() const {
  const size_t head_dim = spec_.head_dim;
  const Part part = PartOf(uint64_t{e_.n} * spec_.heads, worker_, workers_);
  for (uint64_t j = part.begin; j < part.end; ++j) {
    const uint32_t row = static_cast<uint32_t>(j / spec_.heads), head = static_cast<uint32_t>(j % spec_.heads);
    float* to = QueryOf(row, head);
    std::memcpy(to, Partial(row, head, 0) + 2, 4 * head_dim);
    for (uint32_t segment = 1; segment < SegmentsOf(row); ++segment) {
      const float* piece = Partial(row, head, segment) + 2;
      for (size_t i = 0; i < head_dim; ++i) to[i] += piece[i];
    }
    Gate(row, head);
  }
}

}  // namespace edgefront::attention
