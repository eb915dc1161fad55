// A step's mixers between their products: the gated convolution, the cache's write, attention in tiles. The arithmetic is the
// kernel table's; here is which rows, heads and channels a worker takes.
#include <cmath>
#include <cstring>

#include "infer/session_impl.h"

namespace edgefront {

void Session::Impl::Conv(size_t layer, int worker, int workers) {
  const ModelSpec& m = spec();
  const size_t d = m.dim, strips = (d + 15) / 16;
  ConvArgs g;
  g.d = d;
  g.k = m.layers[layer].conv_kernel;
  g.taps = weights().layers[layer].taps;
  g.c0 = std::min(d, strips * worker / workers * 16);
  g.c1 = std::min(d, strips * (worker + 1) / workers * 16);
  const LayerCache& c = program.caches[layer];
  for (uint32_t i = 0; i < (decode ? n : 1); ++i) {
    g.n = decode ? 1 : n;
    g.proj = Buffer(program.proj) + i * 3 * d;
    g.state = cache.At<float>(c.offset + SequenceOf(i) * c.seq_bytes);
    kernels->conv(g);
  }
}

KvHead Session::Impl::Head(size_t layer, uint32_t sequence, uint32_t kv_head) const {
  const LayerCache& c = program.caches[layer];
  uint8_t* base = cache.base() + c.offset + sequence * c.seq_bytes + kv_head * c.head_bytes;
  const KvFormat format = options.kv == KvType::kF16 ? KvFormat::kF16 : options.kv == KvType::kF32 ? KvFormat::kF32 : KvFormat::kQ8;
  return {format, c.ring, c.hd, base, base + c.v_at,
          reinterpret_cast<uint16_t*>(base + c.k_scale_at), reinterpret_cast<uint16_t*>(base + c.v_scale_at)};
}

// Keys are normalised and rotated in place in proj, then stored with their values.
void Session::Impl::StoreKeys(size_t layer, int worker, int workers) {
  const LayerSpec& s = spec().layers[layer];
  const LayerWeights& w = weights().layers[layer];
  const size_t hd = s.head_dim, width = (s.heads + 2 * size_t{s.kv_heads}) * hd;
  const uint64_t jobs = uint64_t{n} * s.kv_heads;
  for (uint64_t j = jobs * worker / workers; j < jobs * (worker + 1) / workers; ++j) {
    const uint32_t i = static_cast<uint32_t>(j / s.kv_heads), h = static_cast<uint32_t>(j % s.kv_heads);
    float* k = Buffer(program.proj) + i * width + (s.heads + h) * hd;
    if (s.qk_norm) kernels->rmsnorm(k, w.k_norm, hd, spec().eps, k);
    kernels->rope(k, RopeOf(layer, i), hd, spec().rope_interleaved);
    const KvHead kv = Head(layer, SequenceOf(i), h);
    kernels->store_kv(kv, PositionOf(i) % kv.ring, k, k + s.kv_heads * hd, hd);
  }
}

// Tiles of up to 8 query rows that share a KV head: several tokens of a group of heads, or 8 heads of one token.
void Session::Impl::AttendTiles(size_t layer, int worker, std::atomic<uint32_t>& ticket) {
  const LayerSpec& s = spec().layers[layer];
  const uint32_t group = s.heads / s.kv_heads;
  const uint32_t heads = std::min<uint32_t>(group, kAttendRows), parts = (group + heads - 1) / heads;
  const uint32_t tokens_a_tile = decode ? 1 : std::max<uint32_t>(1, kAttendRows / heads);
  const uint32_t tiles = (n + tokens_a_tile - 1) / tokens_a_tile, total = tiles * s.kv_heads * parts;
  for (uint32_t j; (j = ticket.fetch_add(1, std::memory_order_relaxed)) < total;) {
    // The last tokens see the most keys: they go first, so that no worker is left alone with one at the end.
    const uint32_t tile = tiles - 1 - j % tiles, kv_head = j / tiles / parts, part = j / tiles % parts;
    const uint32_t first = tile * tokens_a_tile, first_head = part * heads;
    AttendTile(layer, worker, kv_head, first, std::min(tokens_a_tile, n - first), kv_head * group + first_head,
               std::min(heads, group - first_head));
  }
}

void Session::Impl::AttendTile(size_t layer, int worker, uint32_t kv_head, uint32_t first_row, uint32_t rows, uint32_t first_head,
                               uint32_t heads) {
  const LayerSpec& s = spec().layers[layer];
  const LayerWeights& w = weights().layers[layer];
  const size_t head_dim = s.head_dim, width = (s.heads + 2 * size_t{s.kv_heads}) * head_dim;
  AttendArgs g;
  g.kv = Head(layer, SequenceOf(first_row), kv_head);
  const size_t hd = g.kv.hd;
  float* at = reinterpret_cast<float*>(Scratch(worker) + program.attend_at);
  float* q = at;
  g.q = q;
  g.out = q + kAttendRows * hd;
  g.max = g.out + kAttendRows * hd;
  g.sum = g.max + kAttendRows;
  uint32_t* first = reinterpret_cast<uint32_t*>(g.sum + kAttendRows);
  uint32_t* last = first + kAttendRows;
  g.first = first;
  g.last = last;
  g.scratch = reinterpret_cast<float*>(last + kAttendRows);
  g.rows = static_cast<int>(rows * heads);
  g.begin = ~0u;
  g.end = 0;
  const float scale = 1.0f / std::sqrt(static_cast<float>(head_dim));
  for (uint32_t r = 0; r < rows * heads; ++r) {
    const uint32_t row = first_row + r / heads, head = first_head + r % heads;
    float* to = q + r * hd;
    std::memcpy(to, Buffer(program.proj) + row * width + head * head_dim, 4 * head_dim);
    if (s.qk_norm) kernels->rmsnorm(to, w.q_norm, head_dim, spec().eps, to);
    kernels->rope(to, RopeOf(layer, row), head_dim, spec().rope_interleaved);
    for (size_t i = 0; i < head_dim; ++i) to[i] *= scale;
    for (size_t i = head_dim; i < hd; ++i) to[i] = 0;
    last[r] = PositionOf(row);
    first[r] = s.window > 0 && last[r] + 1 > s.window ? last[r] + 1 - s.window : 0;
    g.begin = std::min(g.begin, first[r] / kAttendBlock * kAttendBlock);
    g.end = std::max(g.end, last[r] + 1);
  }
  kernels->attend(g);
  for (uint32_t r = 0; r < rows * heads; ++r) {
    float* to = Buffer(program.proj) + (first_row + r / heads) * width + (first_head + r % heads) * head_dim;
    const float inverse = 1.0f / g.sum[r];
    for (size_t i = 0; i < head_dim; ++i) to[i] = g.out[r * hd + i] * inverse;
  }
}

}  // namespace edgefront
