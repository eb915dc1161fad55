// A step's attention: which query rows, heads and keys a worker takes, and how segments of keys become one softmax. The
// arithmetic over a segment is the kernel table's.
#include <cmath>
#include <cstring>
#include <utility>

#include "infer/session_impl.h"
#include "quant/half.h"

namespace edgefront {
namespace {

// By what the weights of each segment, exp(s - max) with its own max, are multiplied to be those of one softmax over all of them. One
// function, never inlined: compilers may contract its products differently from place to place, and prefill and decode must agree
// to the last bit. Segments lie `stride` floats apart.
__attribute__((noinline)) void FactorsOf(const float* max, const float* sum, size_t stride, uint32_t segments, float* factor,
                                         size_t factor_stride) {
  float top = -HUGE_VALF, total = 0;
  for (uint32_t i = 0; i < segments; ++i)
    if (sum[i * stride] > 0) top = std::max(top, max[i * stride]);
  for (uint32_t i = 0; i < segments; ++i) {
    float& f = factor[i * factor_stride];
    f = sum[i * stride] > 0 ? std::exp(max[i * stride] - top) : 0.0f;  // 0: no key was visible there
    total += sum[i * stride] * f;
  }
  for (uint32_t i = 0; i < segments; ++i) factor[i * factor_stride] /= total;
}

}  // namespace

// A worker's scratch while it attends: room for a tile of kAttendRows rows.
struct Session::Impl::AttendRoom {
  float *q, *out, *part;     // [rows][hd]
  float *max, *sum, *factor; // [segments][kAttendRows]
  uint32_t *first, *last;    // [rows]
  float *scratch, *weights;

  AttendRoom(float* at, size_t hd, size_t segments) {
    const auto take = [&at](size_t floats) { return std::exchange(at, at + floats); };
    q = take(kAttendRows * hd), out = take(kAttendRows * hd), part = take(kAttendRows * hd);
    max = take(kAttendRows * segments), sum = take(kAttendRows * segments), factor = take(kAttendRows * segments);
    first = reinterpret_cast<uint32_t*>(take(kAttendRows)), last = reinterpret_cast<uint32_t*>(take(kAttendRows));
    scratch = take(kAttendRows * kAttendBlock);
    weights = at;
  }
};

// Tiles of up to 8 query rows that share a KV head: several tokens of a group of heads, or 8 heads of one token. In decode also one
// of the segments its keys lie in: all weights first, then, as these need the sums of all segments, the values.
void Session::Impl::AttendTiles(size_t layer, int worker, int workers, std::atomic<uint32_t>* tickets_of_two) {
  const LayerSpec& s = spec().layers[layer];
  const uint32_t group = s.heads / s.kv_heads;
  const uint32_t heads = std::min<uint32_t>(group, kAttendRows), parts = (group + heads - 1) / heads;
  const uint32_t tokens_a_tile = decode ? 1 : std::max<uint32_t>(1, kAttendRows / heads);
  uint32_t segments = 1;
  for (uint32_t i = 0; decode && i < n; ++i) segments = std::max(segments, SegmentsOf(layer, i));
  const uint32_t tiles = (n + tokens_a_tile - 1) / tokens_a_tile, total = tiles * s.kv_heads * parts * segments;
  const auto each = [&](std::atomic<uint32_t>& ticket, auto work) {
    for (uint32_t taken; (taken = ticket.fetch_add(1, std::memory_order_relaxed)) < total;) {
      // The last tokens see the most keys: they go first, so that no worker is left alone with one at the end.
      const uint32_t segment = taken % segments, j = taken / segments;
      const uint32_t kv_head = j / tiles / parts, part = j / tiles % parts;
      AttendTile t;
      t.first_row = (tiles - 1 - j % tiles) * tokens_a_tile;
      t.rows = std::min(tokens_a_tile, n - t.first_row);
      t.kv_head = kv_head;
      t.first_head = kv_head * group + part * heads;
      t.heads = std::min(heads, group - part * heads);
      if (segments == 1 || segment < SegmentsOf(layer, t.first_row)) work(t, segment);
    }
  };
  if (segments == 1) return each(tickets_of_two[0], [&](const AttendTile& t, uint32_t) { Attend(layer, worker, t); });
  each(tickets_of_two[0], [&](const AttendTile& t, uint32_t segment) { AttendSegmentWeights(layer, worker, t, segment); });
  pool->Barrier();
  // Segments of a tile come one after the other: a worker works out its factors once.
  AttendTile known = {};
  each(tickets_of_two[1], [&](const AttendTile& t, uint32_t segment) {
    const bool same = known.heads > 0 && known.first_row == t.first_row && known.first_head == t.first_head;
    if (!same) SegmentFactors(layer, worker, t);
    known = t;
    AttendSegmentValues(layer, worker, t, segment);
  });
  pool->Barrier();
  MergeSegments(layer, worker, workers);
}

Session::Impl::AttendRoom Session::Impl::RoomOf(size_t layer, int worker) const {
  const LayerCache& c = program.caches[layer];
  return AttendRoom(reinterpret_cast<float*>(Scratch(worker) + program.attend_at), c.hd, c.segments + 1);
}

// The arguments of a tile's kernels: which keys its rows see, from the first to the last of them all.
AttendArgs Session::Impl::ArgsOf(size_t layer, const AttendTile& t, const AttendRoom& room) const {
  AttendArgs g;
  g.kv = Head(layer, SequenceOf(t.first_row), t.kv_head);
  g.rows = static_cast<int>(t.rows * t.heads);
  g.scale = 1.0f / std::sqrt(static_cast<float>(spec().layers[layer].head_dim));
  g.q = room.q;
  g.first = room.first;
  g.last = room.last;
  g.begin = ~0u;
  g.end = 0;
  for (uint32_t r = 0; r < t.rows * t.heads; ++r) {
    const uint32_t row = t.first_row + r / t.heads;
    room.first[r] = FirstKey(layer, row);
    room.last[r] = PositionOf(row);
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

void Session::Impl::Queries(size_t layer, const AttendTile& t, size_t hd, float* q) const {
  const LayerSpec& s = spec().layers[layer];
  const size_t head_dim = s.head_dim, width = (s.heads + 2 * size_t{s.kv_heads}) * head_dim;
  for (uint32_t r = 0; r < t.rows * t.heads; ++r) {
    const uint32_t row = t.first_row + r / t.heads, head = t.first_head + r % t.heads;
    float* to = q + r * hd;
    std::memcpy(to, Buffer(program.proj) + row * width + head * head_dim, 4 * head_dim);
    if (s.qk_norm) kernels->rmsnorm(to, weights().layers[layer].q_norm, head_dim, spec().eps, to);
    kernels->rope(to, RopeOf(layer, row), head_dim, spec().rope_interleaved);
    for (size_t i = 0; options.kv == KvType::kF16 && i < head_dim; ++i) to[i] = NearestF16(to[i]);
    for (size_t i = head_dim; i < hd; ++i) to[i] = 0;
  }
}

// A whole tile: its output replaces the queries.
void Session::Impl::Attend(size_t layer, int worker, const AttendTile& t) {
  const LayerSpec& s = spec().layers[layer];
  const AttendRoom room = RoomOf(layer, worker);
  AttendArgs g = ArgsOf(layer, t, room);
  const size_t hd = g.kv.hd, rows = g.rows;
  Queries(layer, t, hd, room.q);
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
  for (uint32_t i = 0; i < segments; ++i) take(i), kernels->attend_weights(g);
  for (size_t r = 0; r < rows; ++r) FactorsOf(room.max + r, room.sum + r, kAttendRows, segments, room.factor + r, kAttendRows);
  for (uint32_t i = 0; i < segments; ++i) {
    take(i), kernels->attend_values(g);
    for (size_t j = 0; i > 0 && j < rows * hd; ++j) room.out[j] += room.part[j];
  }
  const size_t head_dim = s.head_dim, width = (s.heads + 2 * size_t{s.kv_heads}) * head_dim;
  for (uint32_t r = 0; r < rows; ++r)
    std::memcpy(Buffer(program.proj) + (t.first_row + r / t.heads) * width + (t.first_head + r % t.heads) * head_dim, room.out + r * hd,
                4 * head_dim);
}

// `segment`: counted from that of the first visible key.
AttendArgs Session::Impl::SegmentOf(size_t layer, const AttendTile& t, uint32_t segment, const AttendRoom& room) const {
  AttendArgs g = ArgsOf(layer, t, room);
  const uint32_t from = (g.begin / kAttendSegment + segment) * kAttendSegment;
  g.begin = std::max(g.begin, from);
  g.end = std::min(g.end, from + kAttendSegment);
  const LayerCache& c = program.caches[layer];
  const size_t tile = size_t{t.first_row} * spec().layers[layer].heads + t.first_head;
  g.weights = Buffer(program.shared_weights) + (tile * c.segments + size_t{segment} * t.heads) * kAttendSegment;
  return g;
}

void Session::Impl::AttendSegmentWeights(size_t layer, int worker, const AttendTile& t, uint32_t segment) {
  const AttendRoom room = RoomOf(layer, worker);
  const AttendArgs g = SegmentOf(layer, t, segment, room);
  Queries(layer, t, g.kv.hd, room.q);
  kernels->attend_weights(g);
  for (uint32_t r = 0; r < t.heads; ++r) {
    float* to = Partial(layer, t.first_row, t.first_head + r, segment);
    to[0] = g.max[r];
    to[1] = g.sum[r];
  }
}

void Session::Impl::SegmentFactors(size_t layer, int worker, const AttendTile& t) {
  const AttendRoom room = RoomOf(layer, worker);
  const size_t stride = 2 + program.caches[layer].hd;
  for (uint32_t r = 0; r < t.heads; ++r) {
    const float* of_segments = Partial(layer, t.first_row, t.first_head + r, 0);
    FactorsOf(of_segments, of_segments + 1, stride, SegmentsOf(layer, t.first_row), room.factor + r, kAttendRows);
  }
}

void Session::Impl::AttendSegmentValues(size_t layer, int worker, const AttendTile& t, uint32_t segment) {
  const AttendRoom room = RoomOf(layer, worker);
  AttendArgs g = SegmentOf(layer, t, segment, room);
  g.factor = room.factor + size_t{segment} * kAttendRows;
  kernels->attend_values(g);
  for (uint32_t r = 0; r < t.heads; ++r)
    std::memcpy(Partial(layer, t.first_row, t.first_head + r, segment) + 2, g.out + r * g.kv.hd, 4 * g.kv.hd);
}

void Session::Impl::MergeSegments(size_t layer, int worker, int workers) {
  const LayerSpec& s = spec().layers[layer];
  const size_t head_dim = s.head_dim, width = (s.heads + 2 * size_t{s.kv_heads}) * head_dim;
  const uint64_t jobs = uint64_t{n} * s.heads;
  for (uint64_t j = jobs * worker / workers; j < jobs * (worker + 1) / workers; ++j) {
    const uint32_t row = static_cast<uint32_t>(j / s.heads), head = static_cast<uint32_t>(j % s.heads);
    float* to = Buffer(program.proj) + row * width + head * head_dim;
    std::memcpy(to, Partial(layer, row, head, 0) + 2, 4 * head_dim);
    for (uint32_t segment = 1; segment < SegmentsOf(layer, row); ++segment) {
      const float* part = Partial(layer, row, head, segment) + 2;
      for (size_t i = 0; i < head_dim; ++i) to[i] += part[i];
    }
  }
}

}  // namespace edgefront
