// Plans, runs and differentiates a mixture of experts.
#include "train/moe_block.h"

#include <algorithm>
#include <cstring>

#include "ops/moe/choose.h"

namespace edgefront::train {

MoeBlock::MoeBlock(const ModelSpec& spec, const Params& params, int layer, int rows, int width, ArenaPlan* arena)
    : spec_(spec.layers[layer].moe),
      norm_(&params.Get(Role::kFfnNorm, layer)),
      router_(&params.Get(Role::kRouter, layer)),
      bias_(&params.Get(Role::kRouterBias, layer)),
      post_norm_(spec, params, Role::kFfnPostNorm, layer, rows, width, arena),
      d_(static_cast<int>(spec.dim)),
      width_(width),
      ld_(Stride(width)),
      ld_scores_(Stride(router_->padded_rows)),
      eps_(spec.eps) {
  for (int e = 0; e < static_cast<int>(spec_.experts); ++e)
    experts_.push_back({&params.Get(Role::kGate, layer, e), &params.Get(Role::kUp, layer, e), &params.Get(Role::kDown, layer, e)});
  ld_act_ = Stride(experts_[0].gate->padded_rows);
  const size_t all = static_cast<size_t>(rows), assignments = all * spec_.used;
  n_ = arena->Take(all * ld_);
  rstd_ = arena->Take(all);
  scores_ = arena->Take(all * ld_scores_);
  for (size_t* buffer : {&chosen_, &place_, &weight_}) *buffer = arena->Take(assignments);
  first_ = arena->Take(spec_.experts + 1);
  for (size_t* buffer : {&in_, &out_}) *buffer = arena->Take(assignments * ld_);
  for (size_t* buffer : {&gate_, &up_, &act_}) *buffer = arena->Take(assignments * ld_act_);
  dact_size_ = assignments * ld_act_;
  din_size_ = assignments * ld_;
  work_floats_ = dact_size_ + din_size_ + all * ld_scores_;
}

MoeBlock::Pass MoeBlock::In(float* arena) const {
  const auto whole = [arena](size_t offset) { return reinterpret_cast<int32_t*>(arena + offset); };
  return {arena + n_,  arena + rstd_, arena + scores_, arena + weight_, arena + in_,   arena + gate_,
          arena + up_, arena + act_,  arena + out_,    whole(chosen_),  whole(place_), whole(first_)};
}

// Turns the router's products into scores, chooses experts and their weights, and sorts the assignments.
void MoeBlock::Choose(const float* bias, int rows, const Pass& p) const {
  const int used = static_cast<int>(spec_.used), experts = static_cast<int>(spec_.experts);
  std::fill_n(p.first, experts + 1, 0);
  for (int t = 0; t < rows; ++t) {
    float* s = p.scores + t * ld_scores_;
    for (int e = 0; e < experts; ++e) s[e] = ExpertScore(s[e]);
    float sum = kScoreEpsilon;
    ChooseExperts(s, bias, spec_.experts, spec_.used, [&](uint32_t rank, uint32_t expert) {
      p.chosen[t * used + static_cast<int>(rank)] = static_cast<int32_t>(expert);
      sum += s[expert];
      ++p.first[expert + 1];
    });
    for (int i = t * used; i < (t + 1) * used; ++i) p.weight[i] = s[p.chosen[i]] / sum;
  }
  for (int e = 0; e < experts; ++e) p.first[e + 1] += p.first[e];
  for (int i = 0; i < rows * used; ++i) p.place[i] = p.first[p.chosen[i]]++;
  for (int e = experts; e > 0; --e) p.first[e] = p.first[e - 1];
  p.first[0] = 0;
}

void MoeBlock::Forward(const Math& math, const Weights& w, int rows, const float* x, float* out, float* arena) const {
  const Pass p = In(arena);
  const int used = static_cast<int>(spec_.used);
  math.rms_norm(rows, d_, width_, x, ld_, w.flat + norm_->offset, eps_, p.n, ld_, p.rstd);
  Project(math, w, *router_, rows, p.n, ld_, nullptr, p.scores, ld_scores_);
  Choose(w.flat + bias_->offset, rows, p);
  for (int i = 0; i < rows * used; ++i) std::memcpy(p.in + p.place[i] * ld_, p.n + i / used * ld_, sizeof(float) * width_);
  for (size_t e = 0; e < experts_.size(); ++e) {
    const int from = p.first[e], n = p.first[e + 1] - from;
    if (n == 0) continue;
    const Expert& expert = experts_[e];
    const float* in = p.in + from * ld_;
    float *gate = p.gate + from * ld_act_, *up = p.up + from * ld_act_, *act = p.act + from * ld_act_;
    Project(math, w, *expert.gate, n, in, ld_, nullptr, gate, ld_act_);
    Project(math, w, *expert.up, n, in, ld_, nullptr, up, ld_act_);
    math.swiglu(n, expert.gate->padded_rows, gate, up, ld_act_, act);
    Project(math, w, *expert.down, n, act, ld_act_, nullptr, p.out + from * ld_, ld_);
  }
  const float* base = post_norm_.base(x);
  for (int t = 0; t < rows; ++t) {
    float* to = post_norm_.Sum(out, arena) + t * ld_;
    if (base)
      std::memcpy(to, base + t * ld_, sizeof(float) * width_);
    else
      std::fill_n(to, width_, 0.0f);
    for (int i = t * used; i < (t + 1) * used; ++i) {
      const float* y = p.out + p.place[i] * ld_;
      for (int j = 0; j < width_; ++j) to[j] += p.weight[i] * y[j];
    }
  }
  post_norm_.Forward(math, w, rows, x, out, arena);
}

// Computes the gradient of the router's products from `dsum`, that of the sum, and turns `out` into its gradient.
// With w_i = s_i / S, S the sum of the chosen scores: ds_i = (dw_i - sum_j w_j dw_j) / S.
void MoeBlock::ScoreGrad(int rows, const float* dsum, const Pass& p, float* dlogits) const {
  const int used = static_cast<int>(spec_.used);
  std::fill_n(dlogits, rows * ld_scores_, 0.0f);
  for (int t = 0; t < rows; ++t) {
    const float *g = dsum + t * ld_, *s = p.scores + t * ld_scores_;
    float* to = dlogits + t * ld_scores_;
    float sum = kScoreEpsilon, mean = 0;
    for (int i = t * used; i < (t + 1) * used; ++i) {
      float* y = p.out + p.place[i] * ld_;
      float dweight = 0;
      for (int j = 0; j < width_; ++j) dweight += g[j] * y[j];
      for (int j = 0; j < width_; ++j) y[j] = p.weight[i] * g[j];
      to[p.chosen[i]] = dweight;
      sum += s[p.chosen[i]];
      mean += p.weight[i] * dweight;
    }
    for (int i = t * used; i < (t + 1) * used; ++i) {
      const int e = p.chosen[i];
      to[e] = (to[e] - mean) / sum * s[e] * (1 - s[e]);
    }
  }
}

// Computes the gradients of one expert's matrices, and of its rows of `in`, from those of its rows of `out`.
void MoeBlock::ExpertGrad(const Math& math, const Weights& w, const Expert& expert, int first, int rows, const Pass& p, float* dact,
                          float* din, float* gradient, bool fresh) const {
  if (rows == 0) {
    for (const Param* m : {expert.gate, expert.up, expert.down})
      if (fresh) std::memset(gradient + m->offset, 0, sizeof(float) * m->size());
    return;
  }
  const float *in = p.in + first * ld_, *dout = p.out + first * ld_;
  float *gate = p.gate + first * ld_act_, *up = p.up + first * ld_act_;
  dact += first * ld_act_;
  din += first * ld_;
  WeightGrad(math, w, *expert.down, rows, dout, ld_, p.act + first * ld_act_, ld_act_, gradient, fresh);
  ProjectBack(math, w, *expert.down, rows, dout, ld_, nullptr, dact, ld_act_);
  math.swiglu_grad(rows, expert.gate->padded_rows, gate, up, ld_act_, dact);
  WeightGrad(math, w, *expert.gate, rows, gate, ld_act_, in, ld_, gradient, fresh);
  WeightGrad(math, w, *expert.up, rows, up, ld_act_, in, ld_, gradient, fresh);
  ProjectBack(math, w, *expert.gate, rows, gate, ld_act_, nullptr, din, ld_);
  ProjectBack(math, w, *expert.up, rows, up, ld_act_, din, din, ld_);
}

void MoeBlock::Backward(const Math& math, const Weights& w, int rows, const float* x, float* dx, float* dn, float* work, float* arena,
                        float* gradient, bool fresh) const {
  const Pass p = In(arena);
  const int used = static_cast<int>(spec_.used);
  float *dact = work, *din = dact + dact_size_, *dlogits = din + din_size_, *load = gradient + bias_->offset;
  ScoreGrad(rows, post_norm_.Backward(math, w, rows, dx, dn, arena, gradient), p, dlogits);
  for (size_t e = 0; e < experts_.size(); ++e) {
    const int n = p.first[e + 1] - p.first[e];
    ExpertGrad(math, w, experts_[e], p.first[e], n, p, dact, din, gradient, fresh);
    load[e] += static_cast<float>(n);
  }
  WeightGrad(math, w, *router_, rows, dlogits, ld_scores_, p.n, ld_, gradient, fresh);
  ProjectBack(math, w, *router_, rows, dlogits, ld_scores_, nullptr, dn, ld_);
  for (int i = 0; i < rows * used; ++i) {
    const float* from = din + p.place[i] * ld_;
    float* to = dn + i / used * ld_;
    for (int j = 0; j < width_; ++j) to[j] += from[j];
  }
  math.rms_norm_grad(rows, d_, width_, x, ld_, w.flat + norm_->offset, p.rstd, dn, ld_, dx, ld_, gradient + norm_->offset);
}

}  // namespace edgefront::train
