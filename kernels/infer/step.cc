// Runs the program: one parallel region for each step, in which all workers run the stages together. Tickets
// hand out matrix tiles and attention tiles, so a slow core takes fewer. Barriers separate producers from
// consumers.
#include "infer/engine.h"
#include "infer/ffn_kind.h"
#include "infer/mixer_kind.h"
#include "quant/half.h"

namespace edgefront {

void Engine::PlanStages() {
  const Profile lines = EmptyProfile();
  const auto add = [&](const Stage& stage, size_t layer) {
    stages.push_back({stage, layer, n_tickets, ProfileLine(lines, stage.name)});
    n_tickets += static_cast<size_t>(stage.tickets);
  };
  add(kEmbedStage, 0);
  for (size_t l = 0; l < spec->layers.size(); ++l) {
    const MixerKind& kind = KindOf(spec->layers[l].mixer);
    if (l > 0 && spec->norm_every > 0 && l % spec->norm_every == 0) add(kLoopNormStage, l);
    if (!spec->layers[l].beside) add(kMixerNormStage, l);
    for (const Stage& stage : kind.stages) add(stage, l);
    add(MixerOutStage(kind), l);
    const FfnKind& ffn = KindOf(spec->layers[l].ffn_kind());
    if (!ffn.stages.empty()) add(kFfnNormStage, l);
    for (const Stage& stage : ffn.stages) add(stage, l);
  }
  const size_t before = stages.size();
  add(kFinalNormStage, 0);
  add(kLogitsStage, 0);
  logit_stages = stages.size() - before;
  tickets.reset(new std::atomic<uint32_t>[n_tickets]);
}

void Engine::Step() {
  for (size_t i = 0; i < n_tickets; ++i) tickets[i].store(0, std::memory_order_relaxed);
  pool->Run([this](int worker, int workers) { Work(worker, workers); });
  if (decode) {
    for (uint32_t& p : positions) ++p;
  } else {
    positions[seq] += n;
  }
}

void Engine::Work(int worker, int workers) {
  Stopwatch watch(worker == 0 && profiling ? &profiles[decode] : nullptr);
  const size_t last = stages.size() - (logit_rows > 0 ? 0 : logit_stages);
  for (size_t i = 0; i < last; ++i) {
    const PlannedStage& s = stages[i];
    s.stage.run({*this, s.layer, worker, workers, tickets.get() + s.ticket});
    if (i + 1 < stages.size()) pool->Barrier();
    watch.Lap(s.profiled, [&] { return s.stage.cost != nullptr ? s.stage.cost(*this, s.layer) : OpCost(); });
  }
}

OpCost Engine::ProductCost(const Matrix& matrix, uint32_t rows) const {
  return {static_cast<double>(matrix.panels() * matrix.panel_bytes()),
          2.0 * static_cast<double>(matrix.k) * static_cast<double>(matrix.rows) * rows};
}

void Engine::Quantise(const QuantBuffer& b, uint32_t row, const float* from, size_t k, size_t share) const {
  kernels->quantise(from, k, share, activations.At<int8_t>(b.q) + row * k, Buffer(b.scale) + row * (k / 32),
                    activations.At<int32_t>(b.sum8) + row * (k / 32), activations.At<int16_t>(b.sum16) + row * (k / 16));
}

void Engine::NormRows(const float* pending, const float* weight, uint32_t first, uint32_t rows, const Reading& reading, int worker,
                      int workers) {
  const size_t d = spec->dim;
  const Part part = PartOf(rows, worker, workers);
  for (uint32_t i = part.begin; i < part.end; ++i) {
    float* to = reading.f32 ? Buffer(program.norm) + i * d : reinterpret_cast<float*>(Scratch(worker) + program.row_at);
    float* x = Buffer(program.x) + (first + i) * d;
    if (pending != nullptr) {
      float* product = Buffer(program.branch) + (first + i) * d;
      kernels->rmsnorm(product, pending, d, spec->eps, to);
      for (size_t j = 0; j < d; ++j) x[j] += to[j];
      std::fill_n(product, d, 0.0f);
    }
    kernels->rmsnorm(x, weight, d, spec->eps, to);
    if (reading.q8) Quantise(program.in, i, to, d, reading.share);
    for (size_t j = 0; reading.half && j < d; ++j) to[j] = NearestF16(to[j]);
  }
}

// F16 rounding is in place; the int8 view is a separate buffer.
void Engine::RoundRows(const LayerPlan& plan, size_t from, size_t k, const Reading& reading, int worker, int workers) const {
  const Part part = PartOf(n, worker, workers);
  for (uint32_t i = part.begin; i < part.end; ++i) {
    float* row = ProjRow(plan, i) + from;
    for (size_t j = 0; reading.half && j < k; ++j) row[j] = NearestF16(row[j]);
    if (reading.q8) Quantise(program.mid, i, row, k, reading.share);
  }
}

void Engine::ProjectInner(const StageRun& r, const Matrix& w, size_t from, size_t to) {
  const LayerPlan& plan = program.layers[r.layer];
  if (plan.inner.rounds()) {
    RoundRows(plan, from, w.k, plan.inner, r.worker, r.workers);
    pool->Barrier();
  }
  Activations in = View(program.mid, w.k);
  in.f32 = Buffer(program.proj) + from;
  in.stride = plan.width;
  MatMul(w, in, n, r.worker, r.tickets[0], ToProj(plan, to));
}

void Engine::FinishMixer(size_t layer, int worker, int workers) {
  const LayerPlan& plan = program.layers[layer];
  if (!plan.mixer_out.rounds()) return;
  pool->Barrier();
  RoundRows(plan, plan.mixed, weights->layers[layer].mixer_out.k, plan.mixer_out, worker, workers);
}

}  // namespace edgefront
