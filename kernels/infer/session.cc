// Runs the program: one parallel region a step, in which all workers walk the layers together. Matrix tiles and attention
// tiles are handed out by tickets, so that a slow core takes fewer; barriers separate producers from consumers.
#include "infer/session.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

#include "include/edgefront/thread_pool.h"
#include "infer/model_impl.h"
#include "infer/program.h"
#include "targets/kernels.h"

namespace edgefront {
namespace {

constexpr size_t kTileTokens = 32;
constexpr size_t kTicketsALayer = 8;

}  // namespace

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
  void AttendTiles(size_t layer, int worker, std::atomic<uint32_t>& ticket);
  void AttendTile(size_t layer, int worker, uint32_t kv_head, uint32_t first_row, uint32_t rows, uint32_t first_head, uint32_t heads);
  void NormRows(const float* weight, uint32_t first, uint32_t rows, bool f32, bool q8, int worker, int workers);
  void QuantRows(const float* x, size_t stride, size_t k, int worker, int workers);
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

void Session::Impl::Step() {
  for (size_t i = 0; i < n_tickets; ++i) tickets[i].store(0, std::memory_order_relaxed);
  pool->Run([this](int worker, int workers) { Work(worker, workers); });
  if (decode) {
    for (uint32_t& p : positions) ++p;
  } else {
    positions[seq] += n;
  }
}

void Session::Impl::Work(int worker, int workers) {
  const ModelSpec& m = spec();
  const size_t d = m.dim;
  float* x = Buffer(program.x);
  float* proj = Buffer(program.proj);
  const auto add_to_x = [&](uint32_t t, size_t row, const float* v, size_t count) {
    float* to = x + t * d + row;
    for (size_t i = 0; i < count; ++i) to[i] += v[i];
  };
  Activations in = View(program.in, d);
  if (program.norm_f32) in.f32 = Buffer(program.norm), in.stride = d;

  Stopwatch watch(worker == 0 && profiling ? &profiles[decode] : nullptr);
  const auto no_cost = [] { return OpCost(); };
  const auto product = [&](const Matrix& matrix, uint32_t rows) {
    return OpCost{static_cast<double>(matrix.panels() * matrix.panel_bytes()),
                  2.0 * static_cast<double>(matrix.k) * static_cast<double>(matrix.rows) * rows};
  };

  Embed(worker, workers);
  pool->Barrier();
  watch.Lap(ProfiledOp::kEmbed, no_cost);
  for (size_t l = 0; l < m.layers.size(); ++l) {
    const LayerSpec& s = m.layers[l];
    const LayerWeights& w = weights().layers[l];
    std::atomic<uint32_t>* ticket = tickets.get() + l * kTicketsALayer;
    const bool conv = s.mixer == Mixer::kConv;
    const size_t width = conv ? 3 * d : (s.heads + 2 * size_t{s.kv_heads}) * s.head_dim;
    const auto put_at = [&](size_t column) {
      return [=](uint32_t t, size_t row, const float* v, size_t count) { std::memcpy(proj + t * width + column + row, v, 4 * count); };
    };

    NormRows(w.mixer_norm, 0, n, program.norm_f32, program.in.k > 0, worker, workers);
    pool->Barrier();
    watch.Lap(ProfiledOp::kNorm, no_cost);
    size_t out_at = 0;  // where the mixer leaves its output in a row of proj
    if (conv) {
      MatMul(w.in, in, n, worker, ticket[0], put_at(0));
      pool->Barrier();
      watch.Lap(ProfiledOp::kConvIn, [&] { return product(w.in, n); });
      Conv(l, worker, workers);
      out_at = d;
    } else {
      const size_t q = size_t{s.heads} * s.head_dim, kv = size_t{s.kv_heads} * s.head_dim;
      MatMul(w.q, in, n, worker, ticket[0], put_at(0));
      MatMul(w.k, in, n, worker, ticket[1], put_at(q));
      MatMul(w.v, in, n, worker, ticket[2], put_at(q + kv));
      pool->Barrier();
      watch.Lap(ProfiledOp::kQkv, [&] { return product(w.q, n) + product(w.k, n) + product(w.v, n); });
      StoreKeys(l, worker, workers);
      pool->Barrier();
      watch.Lap(ProfiledOp::kStoreKeys, no_cost);
      AttendTiles(l, worker, ticket[3]);
    }
    pool->Barrier();
    Activations mid = View(program.mid, w.out.k);
    mid.f32 = proj + out_at;
    mid.stride = width;
    if (IsQuantised(w.out.type)) {
      QuantRows(proj + out_at, width, w.out.k, worker, workers);
      pool->Barrier();
    }
    watch.Lap(conv ? ProfiledOp::kConv : ProfiledOp::kAttend, [&] { return conv ? ConvCost(l) : AttendCost(l); });
    MatMul(w.out, mid, n, worker, ticket[4], add_to_x);
    pool->Barrier();
    watch.Lap(conv ? ProfiledOp::kConvOut : ProfiledOp::kAttnOut, [&] { return product(w.out, n); });

    NormRows(w.ffn_norm, 0, n, program.norm_f32, program.in.k > 0, worker, workers);
    pool->Barrier();
    watch.Lap(ProfiledOp::kNorm, no_cost);
    GateUp(w, worker, ticket[5]);
    pool->Barrier();
    watch.Lap(ProfiledOp::kGateUp, [&] { return product(w.gate, n) + product(w.up, n); });
    Activations hidden = View(program.mid, s.ffn);
    if (program.hidden_f32) hidden.f32 = Buffer(program.hidden), hidden.stride = s.ffn;
    MatMul(w.down, hidden, n, worker, ticket[6], add_to_x);
    pool->Barrier();
    watch.Lap(ProfiledOp::kDown, [&] { return product(w.down, n); });
  }
  if (logit_rows == 0) return;
  NormRows(weights().final_norm, first_logit, logit_rows, program.norm_f32, program.in.k > 0, worker, workers);
  pool->Barrier();
  watch.Lap(ProfiledOp::kNorm, no_cost);
  MatMul(weights().output, in, logit_rows, worker, tickets[m.layers.size() * kTicketsALayer],
         [&](uint32_t t, size_t row, const float* v, size_t count) {
           std::memcpy(logits_out + size_t{t} * m.vocab + row, v, 4 * count);
         });
  watch.Lap(ProfiledOp::kLogits, [&] { return product(weights().output, logit_rows); });
}

OpCost Session::Impl::ConvCost(size_t layer) const {
  const double values = static_cast<double>(n) * spec().dim, taps = spec().layers[layer].conv_kernel;
  return {4.0 * values * 4, values * (2 * taps + 2)};  // B, C and h read, C written
}

// The cached keys and values of a sequence are counted once a step.
OpCost Session::Impl::AttendCost(size_t layer) const {
  const LayerSpec& s = spec().layers[layer];
  const LayerCache& c = program.caches[layer];
  const double key_bytes = static_cast<double>(c.head_bytes) * s.kv_heads / static_cast<double>(c.ring);
  OpCost cost;
  for (uint32_t i = 0; i < n; ++i) {
    const uint32_t end = PositionOf(i) + 1, seen = s.window > 0 ? std::min(end, s.window) : end;
    cost.flops += 4.0 * s.heads * s.head_dim * seen;
    if (decode) cost.bytes += key_bytes * seen;
    if (!decode && i + 1 == n) cost.bytes = key_bytes * (s.window > 0 ? std::min(end, n + s.window - 1) : end);
  }
  return cost;
}

void Session::Impl::Embed(int worker, int workers) {
  const Matrix& e = weights().embedding;
  const uint32_t begin = n * static_cast<uint64_t>(worker) / workers, end = n * (static_cast<uint64_t>(worker) + 1) / workers;
  for (uint32_t i = begin; i < end; ++i) {
    UnpackColumns(e.type, e.panel(tokens[i] / kPanelRows), tokens[i] % kPanelRows, 0, e.k, Buffer(program.x) + i * e.k);
    for (const RopeTable& r : program.ropes) {
      float* cs = Buffer(r.offset) + size_t{i} * r.head_dim;
      for (uint32_t j = 0; j < r.head_dim / 2; ++j) {
        const double angle = PositionOf(i) * std::pow(static_cast<double>(r.base), -2.0 * j / r.head_dim);
        cs[2 * j] = static_cast<float>(std::cos(angle));
        cs[2 * j + 1] = static_cast<float>(std::sin(angle));
      }
    }
  }
}

// Rows [first, first + rows) of x, normalised, become rows 0.. of the products' input.
void Session::Impl::NormRows(const float* weight, uint32_t first, uint32_t rows, bool f32, bool q8, int worker, int workers) {
  const size_t d = spec().dim;
  const uint32_t begin = rows * static_cast<uint64_t>(worker) / workers, end = rows * (static_cast<uint64_t>(worker) + 1) / workers;
  const QuantBuffer& b = program.in;
  for (uint32_t i = begin; i < end; ++i) {
    float* to = f32 ? Buffer(program.norm) + i * d : reinterpret_cast<float*>(Scratch(worker) + program.row_at);
    kernels->rmsnorm(Buffer(program.x) + (first + i) * d, weight, d, spec().eps, to);
    if (q8) {
      kernels->quantise(to, d, activations.At<int8_t>(b.q) + i * d, Buffer(b.scale) + i * (d / 32),
                        activations.At<int32_t>(b.sum8) + i * (d / 32), activations.At<int16_t>(b.sum16) + i * (d / 16));
    }
  }
}

void Session::Impl::QuantRows(const float* x, size_t stride, size_t k, int worker, int workers) {
  const uint32_t begin = n * static_cast<uint64_t>(worker) / workers, end = n * (static_cast<uint64_t>(worker) + 1) / workers;
  const QuantBuffer& b = program.mid;
  for (uint32_t i = begin; i < end; ++i) {
    kernels->quantise(x + i * stride, k, activations.At<int8_t>(b.q) + i * k, Buffer(b.scale) + i * (k / 32),
                      activations.At<int32_t>(b.sum8) + i * (k / 32), activations.At<int16_t>(b.sum16) + i * (k / 16));
  }
}

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

// Two panels of gate and of up make 32 values of the middle: gated and, for a quantised ffn_down, turned into int8 at once.
void Session::Impl::GateUp(const LayerWeights& w, int worker, std::atomic<uint32_t>& ticket) {
  const size_t ffn = w.gate.rows, d = spec().dim;
  const uint32_t units = static_cast<uint32_t>((ffn + 31) / 32);
  float* tile = reinterpret_cast<float*>(Scratch(worker) + program.tile_at);
  constexpr size_t kTile = kTileTokens * kPanelRows;
  Activations in = View(program.in, d);
  if (program.norm_f32) in.f32 = Buffer(program.norm), in.stride = d;
  const QuantBuffer& b = program.mid;
  const bool q8 = IsQuantised(w.down.type);
  // For one token the tile has room for 32 panels of gate, as many of up, and their result.
  const uint32_t share = units / (4 * static_cast<uint32_t>(pool->size()));
  const uint32_t grab = std::max<uint32_t>(1, n > 1 ? 1 : std::min<uint32_t>(share, kTileTokens / 2));
  for (uint32_t u; (u = ticket.fetch_add(grab, std::memory_order_relaxed)) < units;) {
    if (n == 1) {
      GateUpToken(w, u, std::min(units, u + grab), in, tile);
      continue;
    }
    for (const uint32_t end = std::min(units, u + grab); u < end; ++u) {
      const size_t count = std::min<size_t>(32, ffn - 32 * u);
      const size_t second = count > kPanelRows ? 2 : 1;
      for (uint32_t t = 0; t < n; t += kTileTokens) {
        const uint32_t m = std::min<uint32_t>(kTileTokens, n - t);
        for (size_t p = 0; p < second; ++p) {
          kernels->panel_mul(w.gate.type, w.gate.k, w.gate.panel(2 * u + p), in, t, m, tile + p * kTile);
          kernels->panel_mul(w.up.type, w.up.k, w.up.panel(2 * u + p), in, t, m, tile + (2 + p) * kTile);
        }
        for (uint32_t i = 0; i < m; ++i) {
          float h[2 * kPanelRows];
          for (size_t p = 0; p < second; ++p) {
            const size_t at = p * kTile + i * kPanelRows;
            kernels->swiglu(tile + at, tile + 2 * kTile + at, kPanelRows, h + p * kPanelRows);
          }
          const size_t row = t + i, block = row * (ffn / 32) + u;
          if (q8) {
            kernels->quantise(h, 32, activations.At<int8_t>(b.q) + row * ffn + 32 * u, Buffer(b.scale) + block,
                              activations.At<int32_t>(b.sum8) + block, activations.At<int16_t>(b.sum16) + 2 * block);
          } else {
            std::memcpy(Buffer(program.hidden) + row * ffn + 32 * u, h, 4 * count);
          }
        }
      }
    }
  }
}

// One token: all gate panels of units [begin, end), then all of up, so that each matrix is read as one long stream.
void Session::Impl::GateUpToken(const LayerWeights& w, uint32_t begin, uint32_t end, const Activations& in, float* tile) {
  const size_t ffn = w.gate.rows, first = 2 * size_t{begin}, last = std::min(w.gate.panels(), 2 * size_t{end});
  float *up = tile + kTileTokens * kPanelRows, *hidden = up + kTileTokens * kPanelRows;
  for (size_t p = first; p < last; ++p)
    kernels->panel_mul(w.gate.type, w.gate.k, w.gate.panel(p), in, 0, 1, tile + (p - first) * kPanelRows);
  for (size_t p = first; p < last; ++p)
    kernels->panel_mul(w.up.type, w.up.k, w.up.panel(p), in, 0, 1, up + (p - first) * kPanelRows);
  kernels->swiglu(tile, up, (last - first) * kPanelRows, hidden);
  const size_t row = first * kPanelRows, count = std::min(ffn - row, (last - first) * kPanelRows);
  const QuantBuffer& b = program.mid;
  if (IsQuantised(w.down.type)) {
    kernels->quantise(hidden, count, activations.At<int8_t>(b.q) + row, Buffer(b.scale) + row / 32,
                      activations.At<int32_t>(b.sum8) + row / 32, activations.At<int16_t>(b.sum16) + row / 16);
  } else {
    std::memcpy(Buffer(program.hidden) + row, hidden, 4 * count);
  }
}

Session::Session() : impl_(new Impl) {}
Session::~Session() = default;

Result<std::unique_ptr<Session>> Session::Create(std::shared_ptr<const Model> model, const SessionOptions& options) {
  std::unique_ptr<Session> session(new Session);
  Impl& s = *session->impl_;
  s.kernels = GetKernels(options.isa);
  if (s.kernels == nullptr) return Unsupported(std::string("this machine has no ") + IsaName(options.isa));
  s.model = std::move(model);
  s.options = options;
  const Model::Impl& m = *s.model->impl_;
  auto program = BuildProgram(m.spec, m.types, options);
  if (!program.ok()) return program.status();
  s.program = std::move(*program);
  s.plan = PlanOf(m.spec, m.types, s.program);
  auto pool = ThreadPool::Create(s.program.threads, options.pin);
  if (!pool.ok()) return pool.status();
  s.pool = std::move(*pool);
  EDGEFRONT_RETURN_IF_ERROR(s.cache.Allocate(s.program.cache_bytes, false));
  EDGEFRONT_RETURN_IF_ERROR(s.activations.Allocate(s.program.activation_bytes, false));
  s.n_tickets = m.spec.layers.size() * kTicketsALayer + 1;
  s.tickets.reset(new std::atomic<uint32_t>[s.n_tickets]);
  s.positions.assign(options.batch, 0);
  return session;
}

void Session::Reset() {
  Impl& s = *impl_;
  std::fill(s.positions.begin(), s.positions.end(), 0);
  // Attention never looks beyond a position, but a convolution's past must be zero again.
  for (size_t l = 0; l < s.spec().layers.size(); ++l) {
    if (s.spec().layers[l].mixer != Mixer::kConv) continue;
    const LayerCache& c = s.program.caches[l];
    std::memset(s.cache.base() + c.offset, 0, c.seq_bytes * s.options.batch);
  }
}

Status Session::Prefill(std::span<const uint32_t> tokens, uint32_t seq, float* all_logits) {
  Impl& s = *impl_;
  if (seq >= s.options.batch) return BadRequest("no sequence " + std::to_string(seq));
  if (tokens.size() > s.options.max_context - s.positions[seq]) return BadRequest("the cache is full");
  for (uint32_t t : tokens) {
    if (t >= s.spec().vocab) return BadRequest("token " + std::to_string(t) + " is outside the vocabulary");
  }
  s.decode = false;
  s.seq = seq;
  for (size_t at = 0; at < tokens.size(); at += s.n) {
    s.tokens = tokens.data() + at;
    s.n = static_cast<uint32_t>(std::min<size_t>({tokens.size() - at, s.options.chunk, s.program.rows}));
    const bool last = at + s.n == tokens.size();
    s.first_logit = all_logits ? 0 : s.n - 1;
    s.logit_rows = all_logits ? s.n : last ? 1 : 0;
    s.logits_out = all_logits ? all_logits + at * s.spec().vocab : s.Buffer(s.program.logits) + size_t{seq} * s.spec().vocab;
    s.Step();
  }
  if (all_logits && !tokens.empty()) {
    std::memcpy(s.Buffer(s.program.logits) + size_t{seq} * s.spec().vocab, all_logits + (tokens.size() - 1) * s.spec().vocab,
                4 * size_t{s.spec().vocab});
  }
  return Status::Ok();
}

Status Session::DecodeBatch(std::span<const uint32_t> tokens) {
  Impl& s = *impl_;
  if (tokens.size() != s.options.batch) return BadRequest("one token a sequence, please");
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (s.positions[i] >= s.options.max_context) return BadRequest("the cache is full");
    if (tokens[i] >= s.spec().vocab) return BadRequest("token " + std::to_string(tokens[i]) + " is outside the vocabulary");
  }
  s.decode = true;
  s.tokens = tokens.data();
  s.n = s.logit_rows = s.options.batch;
  s.first_logit = 0;
  s.logits_out = s.Buffer(s.program.logits);
  s.Step();
  return Status::Ok();
}

std::span<const float> Session::Logits(uint32_t seq) const {
  const size_t vocab = impl_->spec().vocab;
  return {impl_->Buffer(impl_->program.logits) + seq * vocab, vocab};
}

uint32_t Session::ArgMax(uint32_t seq) const {
  const std::span<const float> logits = Logits(seq);
  return static_cast<uint32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

uint32_t Session::Position(uint32_t seq) const { return impl_->positions[seq]; }
void Session::StartProfile() {
  impl_->profiling = true;
  impl_->profiles = {};
}
const Profile& Session::profile(bool decode) const { return impl_->profiles[decode]; }
Isa Session::isa() const { return impl_->kernels->isa; }
int Session::threads() const { return impl_->pool->size(); }
std::vector<int> Session::Affinity() const { return impl_->pool->Affinity(); }
const MemoryPlan& Session::plan() const { return impl_->plan; }

}  // namespace edgefront
