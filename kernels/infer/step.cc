// Runs the program: one parallel region a step, in which all workers walk the layers together. Matrix tiles and attention
// tiles are handed out by tickets, so that a slow core takes fewer; barriers separate producers from consumers.
#include <cmath>
#include <cstring>

#include "infer/session_impl.h"
#include "quant/half.h"

namespace edgefront {

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

    NormRows(w.mixer_norm, 0, n, conv ? Reading({&w.in}) : Reading({&w.q, &w.k, &w.v}), worker, workers);
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
      AttendTiles(l, worker, workers, ticket + 3);
    }
    pool->Barrier();
    Activations mid = View(program.mid, w.out.k);
    mid.f32 = proj + out_at;
    mid.stride = width;
    if (const Reading reading({&w.out}); reading.rounds()) {
      RoundRows(proj + out_at, width, w.out.k, reading, worker, workers);
      pool->Barrier();
    }
    watch.Lap(conv ? ProfiledOp::kConv : ProfiledOp::kAttend, [&] { return conv ? ConvCost(l) : AttendCost(l); });
    MatMul(w.out, mid, n, worker, ticket[5], add_to_x);
    pool->Barrier();
    watch.Lap(conv ? ProfiledOp::kConvOut : ProfiledOp::kAttnOut, [&] { return product(w.out, n); });

    NormRows(w.ffn_norm, 0, n, Reading({&w.gate, &w.up}), worker, workers);
    pool->Barrier();
    watch.Lap(ProfiledOp::kNorm, no_cost);
    GateUp(w, worker, ticket[6]);
    pool->Barrier();
    watch.Lap(ProfiledOp::kGateUp, [&] { return product(w.gate, n) + product(w.up, n); });
    Activations hidden = View(program.mid, s.ffn);
    if (program.hidden_f32) hidden.f32 = Buffer(program.hidden), hidden.stride = s.ffn;
    MatMul(w.down, hidden, n, worker, ticket[7], add_to_x);
    pool->Barrier();
    watch.Lap(ProfiledOp::kDown, [&] { return product(w.down, n); });
  }
  if (logit_rows == 0) return;
  NormRows(weights().final_norm, first_logit, logit_rows, Reading({&weights().output}), worker, workers);
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
      // With a cache of F16 the angles are ggml's too, to their last bits: floats, each the one before times a constant.
      float theta = static_cast<float>(PositionOf(i));
      const float step = std::pow(r.base, -2.0f / static_cast<float>(r.head_dim));
      for (uint32_t j = 0; j < r.head_dim / 2; ++j, theta *= step) {
        if (options.kv == KvType::kF16) {
          cs[2 * j] = std::cos(theta);
          cs[2 * j + 1] = std::sin(theta);
          continue;
        }
        const double angle = PositionOf(i) * std::pow(static_cast<double>(r.base), -2.0 * j / r.head_dim);
        cs[2 * j] = static_cast<float>(std::cos(angle));
        cs[2 * j + 1] = static_cast<float>(std::sin(angle));
      }
    }
  }
}

// Rows [first, first + rows) of x, normalised, become rows 0.. of the products' input.
void Session::Impl::NormRows(const float* weight, uint32_t first, uint32_t rows, const Reading& reading, int worker, int workers) {
  const size_t d = spec().dim;
  const uint32_t begin = rows * static_cast<uint64_t>(worker) / workers, end = rows * (static_cast<uint64_t>(worker) + 1) / workers;
  const QuantBuffer& b = program.in;
  for (uint32_t i = begin; i < end; ++i) {
    float* to = reading.f32 ? Buffer(program.norm) + i * d : reinterpret_cast<float*>(Scratch(worker) + program.row_at);
    kernels->rmsnorm(Buffer(program.x) + (first + i) * d, weight, d, spec().eps, to);
    if (reading.q8) {
      kernels->quantise(to, d, reading.share, activations.At<int8_t>(b.q) + i * d, Buffer(b.scale) + i * (d / 32),
                        activations.At<int32_t>(b.sum8) + i * (d / 32), activations.At<int16_t>(b.sum16) + i * (d / 16));
    }
    for (size_t j = 0; reading.half && j < d; ++j) to[j] = NearestF16(to[j]);
  }
}

// What a mixer left, as the product that reads it takes it: F16 in place, int8 beside.
void Session::Impl::RoundRows(float* x, size_t stride, size_t k, const Reading& reading, int worker, int workers) {
  const uint32_t begin = n * static_cast<uint64_t>(worker) / workers, end = n * (static_cast<uint64_t>(worker) + 1) / workers;
  const QuantBuffer& b = program.mid;
  for (uint32_t i = begin; i < end; ++i) {
    float* row = x + i * stride;
    for (size_t j = 0; reading.half && j < k; ++j) row[j] = NearestF16(row[j]);
    if (!reading.q8) continue;
    kernels->quantise(row, k, reading.share, activations.At<int8_t>(b.q) + i * k, Buffer(b.scale) + i * (k / 32),
                      activations.At<int32_t>(b.sum8) + i * (k / 32), activations.At<int16_t>(b.sum16) + i * (k / 16));
  }
}

}  // namespace edgefront
