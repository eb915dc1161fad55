// A mixture of experts: scores = sigmoid(router(n)), the largest scores + bias choose experts (ops/moe/choose.h),
// and the output is the sum of SwiGLU FFNs of the chosen experts, each times its weight. Assignments of tokens
// to experts are sorted by expert, so that each expert multiplies its rows as one matrix and unused experts are
// not read. An expert's rows are in order of tokens, and a worker adds all experts' products to the channels
// that it owns, in order of experts. The sums of a token therefore do not depend on other tokens.
#include <cstring>

#include "infer/engine.h"
#include "infer/ffn_kind.h"
#include "ops/moe/choose.h"
#include "quant/half.h"

namespace edgefront {

extern const FfnKind kMoeFfn;

namespace {

// One token's use of one expert. `index` is the expert's while a token's experts lie together, and the token's
// after sorting.
struct Assignment {
  uint32_t index;
  float weight;
};

// An expert that some token uses. Its sorted assignments end where the next group begins.
struct Group {
  uint32_t expert, first;
};

// A layer's router, experts and assignments.
struct LayerExperts {
  const Engine& e;
  const MoeSpec& spec;
  const LayerWeights& w;
  const LayerPlan& plan;
  Assignment *choice, *order;
  Group* groups;    // the last one is empty
  uint32_t* count;  // of groups, without the last

  LayerExperts(const Engine& engine, size_t layer)
      : e(engine),
        spec(engine.spec->layers[layer].moe),
        w(engine.weights->layers[layer]),
        plan(engine.program.layers[layer]),
        choice(reinterpret_cast<Assignment*>(engine.Shared(plan.moe.choice))),
        order(reinterpret_cast<Assignment*>(engine.Shared(plan.moe.order))),
        groups(reinterpret_cast<Group*>(engine.Shared(plan.moe.groups)) + 1),
        count(&groups[-1].expert) {}

  uint32_t assignments() const { return e.n * spec.used; }
  uint32_t rows(uint32_t group) const { return groups[group + 1].first - groups[group].first; }
  // Returns the normalised inputs of the sorted assignments.
  Activations Gathered() const {
    Activations in = e.View(e.program.gathered, e.spec->dim);
    if (plan.gathered.f32) in.f32 = e.Shared(plan.moe.floats), in.stride = e.spec->dim;
    return in;
  }
  // Copies the normalised input of `token` to row `to`.
  void CopyInput(uint32_t token, uint32_t to) const {
    const size_t d = e.spec->dim;
    const auto copy = [&](size_t from_at, size_t to_at, size_t bytes) {
      std::memcpy(e.activations.base() + to_at + to * bytes, e.activations.base() + from_at + token * bytes, bytes);
    };
    if (plan.gathered.q8) {
      const QuantBuffer &in = e.program.in, &out = e.program.gathered;
      copy(in.q, out.q, d);
      copy(in.scale, out.scale, d / 32 * 4);
      copy(in.sum8, out.sum8, d / 32 * 4);
      copy(in.sum16, out.sum16, d / 16 * 2);
    }
    if (!plan.gathered.f32) return;
    copy(e.program.norm, e.program.shared[plan.moe.floats].offset, 4 * d);
    float* row = e.Shared(plan.moe.floats) + to * d;
    for (size_t i = 0; plan.gathered.half && i < d; ++i) row[i] = NearestF16(row[i]);
  }
  // Returns the cost of a product by one matrix of each used expert. `first` is that of the first expert.
  OpCost ProductCost(const Matrix& first) const {
    const OpCost one = e.ProductCost(first, 1);
    return {one.bytes * *count, one.flops * assignments()};
  }
};

void Tensors(const ModelSpec& m, const LayerSpec& l, LayerTensors* out) {
  const MoeSpec& moe = l.moe;
  out->Add(Role::kRouter, "ffn_gate_inp", m.dim, moe.experts, "rmsnorm+quantise+route");
  out->RouterBias("exp_probs_b.bias", moe.experts);
  out->Experts(Role::kGate, "ffn_gate_exps", m.dim, moe.width, moe, "experts: gate");
  out->Experts(Role::kUp, "ffn_up_exps", m.dim, moe.width, moe, "experts: up+swiglu");
  out->Experts(Role::kDown, "ffn_down_exps", moe.width, m.dim, moe, "experts: down+residual");
}

void Plan(const ModelSpec&, const LayerSpec& l, Program* program, LayerPlan* plan) {
  const size_t assignments = size_t{program->rows} * l.moe.used;
  plan->moe.choice = program->Share("choice of experts", assignments * sizeof(Assignment));
  plan->moe.order = program->Share("order of experts", assignments * sizeof(Assignment));
  plan->moe.groups = program->Share("groups of experts", (size_t{l.moe.experts} + 2) * sizeof(Group));
  program->Scratch(4 * kTileTokens * size_t{l.moe.experts});  // scores of a tile; rows of each expert
}

// Each worker scores its share of the tokens, and chooses their experts.
void Route(const StageRun& r) {
  const LayerExperts x(r.engine, r.layer);
  const Engine& e = x.e;
  const Matrix& router = x.w.router;
  const Activations in = e.Normed();
  float* tile = reinterpret_cast<float*>(e.Scratch(r.worker) + e.program.tile_at);
  float* scores = reinterpret_cast<float*>(e.Scratch(r.worker) + e.program.mixer_at);
  const uint32_t experts = x.spec.experts, used = x.spec.used;
  const Part part = PartOf(e.n, r.worker, r.workers);
  for (size_t t = part.begin; t < part.end; t += kTileTokens) {
    const uint32_t m = std::min<uint32_t>(kTileTokens, part.end - t);
    e.MulPanels(router, 0, router.panels(), in, t, m, tile, [=](uint32_t i, size_t first, const float* v, size_t count) {
      for (size_t j = 0; j < count; ++j) scores[i * experts + first + j] = ExpertScore(v[j]);
    });
    for (size_t i = 0; i < m; ++i) {
      const float* s = scores + i * experts;
      Assignment* to = x.choice + (t + i) * used;
      float sum = kScoreEpsilon;
      ChooseExperts(s, x.w.router_bias, experts, used, [&](uint32_t rank, uint32_t expert) {
        to[rank] = {expert, s[expert]};
        sum += s[expert];
      });
      for (uint32_t k = 0; k < used; ++k) to[k].weight /= sum;
    }
  }
}

OpCost RouteCost(const Engine& e, size_t layer) { return e.ProductCost(e.weights->layers[layer].router, e.n); }

// Sorts the assignments by expert, and copies the rows that they read. Each worker finds all places, which is
// cheaper than another barrier, and writes its share.
void Gather(const StageRun& r) {
  const LayerExperts x(r.engine, r.layer);
  uint32_t* place = reinterpret_cast<uint32_t*>(x.e.Scratch(r.worker) + x.e.program.mixer_at);  // [experts]
  std::fill_n(place, x.spec.experts, 0);
  const uint32_t n = x.assignments();
  for (uint32_t i = 0; i < n; ++i) ++place[x.choice[i].index];
  uint32_t first = 0, groups = 0;
  for (uint32_t expert = 0; expert < x.spec.experts; ++expert) {
    const uint32_t rows = place[expert];
    if (r.worker == 0 && rows > 0) x.groups[groups++] = {expert, first};
    place[expert] = first;
    first += rows;
  }
  if (r.worker == 0) x.groups[groups] = {0, n}, *x.count = groups;
  const Part part = PartOf(n, r.worker, r.workers);
  for (uint32_t i = 0; i < part.end; ++i) {
    const uint32_t to = place[x.choice[i].index]++, token = i / x.spec.used;
    if (i < part.begin) continue;
    x.order[to] = {token, x.choice[i].weight};
    x.CopyInput(token, to);
  }
}

// Workers draw units of 32 channels of the used experts.
void GateUp(const StageRun& r) {
  const LayerExperts x(r.engine, r.layer);
  const Engine& e = x.e;
  const Activations in = x.Gathered();
  float* tile = reinterpret_cast<float*>(e.Scratch(r.worker) + e.program.tile_at);
  const uint32_t units = static_cast<uint32_t>((x.spec.width + 31) / 32), all = units * *x.count, grab = UnitsAtATime(e, e.n, all);
  for (uint32_t u; (u = r.tickets[0].fetch_add(grab, std::memory_order_relaxed)) < all;) {
    for (uint32_t end = std::min(all, u + grab), next; u < end; u = next) {
      const uint32_t group = u / units, expert = x.groups[group].expert;
      next = std::min(end, (group + 1) * units);
      const Matrix gate = x.w.gate.InStack(expert), up = x.w.up.InStack(expert);
      GateUpUnits(e, {gate, up, in, x.plan.hidden, x.groups[group].first, x.rows(group)}, u - group * units, next - group * units, tile);
    }
  }
}

OpCost GateUpCost(const Engine& e, size_t layer) {
  const LayerExperts x(e, layer);
  return x.ProductCost(x.w.gate) + x.ProductCost(x.w.up);
}

// Workers draw panels of the output, and multiply them for all used experts.
void Down(const StageRun& r) {
  const LayerExperts x(r.engine, r.layer);
  const Engine& e = x.e;
  const Activations hidden = e.Middle(x.spec.width);
  const auto add = e.AddToX(r.layer);
  float* tile = reinterpret_cast<float*>(e.Scratch(r.worker) + e.program.tile_at);
  const uint32_t panels = static_cast<uint32_t>(x.w.down.panels()), grab = e.PanelsAtATime(e.n, panels);
  for (uint32_t first; (first = r.tickets[0].fetch_add(grab, std::memory_order_relaxed)) < panels;) {
    const uint32_t end = std::min(panels, first + grab);
    for (uint32_t group = 0; group < *x.count; ++group) {
      const Matrix w = x.w.down.InStack(x.groups[group].expert);
      const Assignment* order = x.order + x.groups[group].first;
      e.MulPanels(w, first, end, hidden, x.groups[group].first, x.rows(group), tile, [=](uint32_t i, size_t row, float* v, size_t count) {
        for (size_t j = 0; j < count; ++j) v[j] *= order[i].weight;
        add(order[i].index, row, v, count);
      });
    }
  }
}

OpCost DownCost(const Engine& e, size_t layer) {
  const LayerExperts x(e, layer);
  return x.ProductCost(x.w.down);
}

constexpr Stage kStages[] = {
    {"route", 0, Route, RouteCost}, {"gather", 0, Gather}, {"gate-up", 1, GateUp, GateUpCost}, {"down", 1, Down, DownCost}};

}  // namespace

const FfnKind kMoeFfn = {Ffn::kMoe, "mixture of experts", Tensors, Plan, kStages};

}  // namespace edgefront
