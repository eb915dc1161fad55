// A step's attention: which query rows, heads and keys a worker takes, and how sums over segments of keys become one. The
// arithmetic over a segment is the kernel table's.
#include <cmath>
#include <cstring>

#include "infer/session_impl.h"

namespace edgefront {
namespace {

// Adds a part of a softmax over keys (sum exp(s - max) v, unnormalised) to another, each rescaled to the larger maximum. One function,
// never inlined: compilers may contract its products differently from place to place, and prefill and decode must agree to the last bit.
__attribute__((noinline)) void AddAttended(const float* part, float part_max, float part_sum, size_t hd, float* out, float* max, float* sum) {
  if (part_sum == 0) return;  // no key was visible there
  const float top = std::max(*max, part_max);
  const float keep = *sum == 0 ? 0.0f : std::exp(*max - top), take = std::exp(part_max - top);
  for (size_t i = 0; i < hd; ++i) out[i] = out[i] * keep + part[i] * take;
  *sum = *sum * keep + part_sum * take;
  *max = top;
}

}  // namespace

// Tiles of up to 8 query rows that share a KV head: several tokens of a group of heads, or 8 heads of one token. In decode also one
// of the segments its keys lie in.
void Session::Impl::AttendTiles(size_t layer, int worker, int workers, std::atomic<uint32_t>& ticket) {
  const LayerSpec& s = spec().layers[layer];
  const uint32_t group = s.heads / s.kv_heads;
  const uint32_t heads = std::min<uint32_t>(group, kAttendRows), parts = (group + heads - 1) / heads;
  const uint32_t tokens_a_tile = decode ? 1 : std::max<uint32_t>(1, kAttendRows / heads);
  uint32_t segments = 1;
  for (uint32_t i = 0; decode && i < n; ++i) segments = std::max(segments, SegmentsOf(layer, i));
  const uint32_t tiles = (n + tokens_a_tile - 1) / tokens_a_tile, total = tiles * s.kv_heads * parts * segments;
  for (uint32_t taken; (taken = ticket.fetch_add(1, std::memory_order_relaxed)) < total;) {
    // The last tokens see the most keys: they go first, so that no worker is left alone with one at the end.
    const uint32_t segment = taken % segments, j = taken / segments;
    const uint32_t tile = tiles - 1 - j % tiles, kv_head = j / tiles / parts, part = j / tiles % parts;
    const uint32_t first = tile * tokens_a_tile, first_head = part * heads;
    if (segments > 1 && segment >= SegmentsOf(layer, first)) continue;
    AttendTile(layer, worker, kv_head, first, std::min(tokens_a_tile, n - first), kv_head * group + first_head,
               std::min(heads, group - first_head), segments > 1 ? segment : kAllSegments);
  }
  if (segments == 1) return;
  pool->Barrier();
  MergeSegments(layer, worker, workers);
}

// `segment`: one, counted from that of the first visible key, whose sums go to the table; or all, whose result replaces the queries.
void Session::Impl::AttendTile(size_t layer, int worker, uint32_t kv_head, uint32_t first_row, uint32_t rows, uint32_t first_head,
                               uint32_t heads, uint32_t segment) {
  const LayerSpec& s = spec().layers[layer];
  const LayerWeights& w = weights().layers[layer];
  const size_t head_dim = s.head_dim, width = (s.heads + 2 * size_t{s.kv_heads}) * head_dim;
  AttendArgs g;
  g.kv = Head(layer, SequenceOf(first_row), kv_head);
  const size_t hd = g.kv.hd;
  const uint32_t n_queries = rows * heads;
  float* q = reinterpret_cast<float*>(Scratch(worker) + program.attend_at);
  g.q = q;
  g.out = q + kAttendRows * hd;
  g.max = g.out + kAttendRows * hd;
  g.sum = g.max + kAttendRows;
  uint32_t* first = reinterpret_cast<uint32_t*>(g.sum + kAttendRows);
  uint32_t* last = first + kAttendRows;
  g.first = first;
  g.last = last;
  float *all_out = reinterpret_cast<float*>(last + kAttendRows), *all_max = all_out + kAttendRows * hd, *all_sum = all_max + kAttendRows;
  g.scratch = all_sum + kAttendRows;
  g.rows = static_cast<int>(n_queries);
  uint32_t begin = ~0u, end = 0;
  const float scale = 1.0f / std::sqrt(static_cast<float>(head_dim));
  for (uint32_t r = 0; r < n_queries; ++r) {
    const uint32_t row = first_row + r / heads, head = first_head + r % heads;
    float* to = q + r * hd;
    std::memcpy(to, Buffer(program.proj) + row * width + head * head_dim, 4 * head_dim);
    if (s.qk_norm) kernels->rmsnorm(to, w.q_norm, head_dim, spec().eps, to);
    kernels->rope(to, RopeOf(layer, row), head_dim, spec().rope_interleaved);
    for (size_t i = 0; i < head_dim; ++i) to[i] *= scale;
    for (size_t i = head_dim; i < hd; ++i) to[i] = 0;
    last[r] = PositionOf(row);
    first[r] = FirstKey(layer, row);
    begin = std::min(begin, first[r] / kAttendBlock * kAttendBlock);
    end = std::max(end, last[r] + 1);
  }
  const auto attend = [&](uint32_t one) {
    g.begin = std::max(begin, one * kAttendSegment);
    g.end = std::min(end, (one + 1) * kAttendSegment);
    kernels->attend(g);
  };
  const uint32_t first_segment = begin / kAttendSegment, end_segment = (end - 1) / kAttendSegment + 1;
  if (segment != kAllSegments) {
    attend(first_segment + segment);
    for (uint32_t r = 0; r < heads; ++r) {
      float* to = Partial(layer, first_row, first_head + r, segment);
      to[0] = g.max[r];
      to[1] = g.sum[r];
      std::memcpy(to + 2, g.out + r * hd, 4 * hd);
    }
    return;
  }
  attend(first_segment);
  if (end_segment - first_segment > 1) {
    std::memcpy(all_out, g.out, 4 * n_queries * hd);
    std::memcpy(all_max, g.max, 4 * n_queries);
    std::memcpy(all_sum, g.sum, 4 * n_queries);
    for (uint32_t next = first_segment + 1; next < end_segment; ++next) {
      attend(next);
      for (uint32_t r = 0; r < n_queries; ++r)
        AddAttended(g.out + r * hd, g.max[r], g.sum[r], hd, all_out + r * hd, all_max + r, all_sum + r);
    }
    g.out = all_out;
    g.sum = all_sum;
  }
  for (uint32_t r = 0; r < n_queries; ++r) {
    float* to = Buffer(program.proj) + (first_row + r / heads) * width + (first_head + r % heads) * head_dim;
    const float inverse = 1.0f / g.sum[r];
    for (size_t i = 0; i < head_dim; ++i) to[i] = g.out[r * hd + i] * inverse;
  }
}

void Session::Impl::MergeSegments(size_t layer, int worker, int workers) {
  const LayerSpec& s = spec().layers[layer];
  const size_t head_dim = s.head_dim, width = (s.heads + 2 * size_t{s.kv_heads}) * head_dim, hd = program.caches[layer].hd;
  const uint64_t jobs = uint64_t{n} * s.heads;
  for (uint64_t j = jobs * worker / workers; j < jobs * (worker + 1) / workers; ++j) {
    const uint32_t row = static_cast<uint32_t>(j / s.heads), head = static_cast<uint32_t>(j % s.heads);
    float* sums = Partial(layer, row, head, 0);
    for (uint32_t segment = 1; segment < SegmentsOf(layer, row); ++segment) {
      const float* part = Partial(layer, row, head, segment);
      AddAttended(part + 2, part[0], part[1], hd, sums + 2, sums, sums + 1);
    }
    float* to = Buffer(program.proj) + row * width + head * head_dim;
    const float inverse = 1.0f / sums[1];
    for (size_t i = 0; i < head_dim; ++i) to[i] = sums[2 + i] * inverse;
  }
}

}  // namespace edgefront
