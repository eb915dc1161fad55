// Plans, runs and differentiates the SwiGLU block of an FFN and of the pooled head.
#include "train/swiglu_block.h"

namespace edgefront::train {

SwigluBlock::SwigluBlock(const ModelSpec& spec, const Params& params, int layer, int rows, int width, ArenaPlan* arena)
    : norm_(&params.Get(Role::kFfnNorm, layer)),
      gate_(&params.Get(Role::kGate, layer)),
      up_(&params.Get(Role::kUp, layer)),
      down_(spec, params, Role::kDown, Role::kFfnPostNorm, layer, rows, width, arena),
      d_(static_cast<int>(spec.dim)),
      width_(width),
      ld_(Stride(width)),
      eps_(spec.eps) {
  const size_t all = static_cast<size_t>(rows);
  n_ = arena->Take(all * ld_);
  rstd_ = arena->Take(all);
  for (size_t* buffer : {&gate_out_, &up_out_, &act_}) *buffer = arena->Take(all * hidden_ld());
  work_floats_ = all * hidden_ld();
}

void SwigluBlock::Forward(const Math& math, const Weights& w, int rows, const float* x, float* out, float* arena) const {
  const ptrdiff_t ldf = hidden_ld();
  math.rms_norm(rows, d_, width_, x, ld_, w.flat + norm_->offset, eps_, arena + n_, ld_, arena + rstd_);
  Project(math, w, *gate_, rows, arena + n_, ld_, nullptr, arena + gate_out_, ldf);
  Project(math, w, *up_, rows, arena + n_, ld_, nullptr, arena + up_out_, ldf);
  math.swiglu(rows, gate_->padded_rows, arena + gate_out_, arena + up_out_, ldf, arena + act_);
  down_.Forward(math, w, rows, arena + act_, ldf, x, out, arena);
}

void SwigluBlock::Backward(const Math& math, const Weights& w, int rows, const float* x, float* dx, float* dn, float* dact, float* arena,
                           float* gradient, bool fresh) const {
  const ptrdiff_t ldf = hidden_ld();
  float *gate = arena + gate_out_, *up = arena + up_out_;
  down_.Backward(math, w, rows, arena + act_, ldf, dx, dn, dact, arena, gradient, fresh);
  math.swiglu_grad(rows, gate_->padded_rows, gate, up, ldf, dact);
  WeightGrad(math, w, *gate_, rows, gate, ldf, arena + n_, ld_, gradient, fresh);
  WeightGrad(math, w, *up_, rows, up, ldf, arena + n_, ld_, gradient, fresh);
  ProjectBack(math, w, *gate_, rows, gate, ldf, nullptr, dn, ld_);
  ProjectBack(math, w, *up_, rows, up, ldf, dn, dn, ld_);
  math.rms_norm_grad(rows, d_, width_, x, ld_, w.flat + norm_->offset, arena + rstd_, dn, ld_, dx, ld_, gradient + norm_->offset);
}

}  // namespace edgefront::train
