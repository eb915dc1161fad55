// The states of heads in training, with their buffers. Rows are those of a microbatch; the channels of each head are
// padded to a multiple of 16.
#pragma once

#include <cstring>

#include "train/layer_mixer.h"

namespace edgefront::train {

// A buffer [rows, heads, step] in the arena or in the working memory, of which `dim` channels of a head are in use.
struct HeadRows {
  size_t at = 0;
  ptrdiff_t ld = 0;
  int heads = 0, dim = 0, step = 0;

  HeadRows() = default;
  HeadRows(int many, int channels, int padded, size_t rows, ArenaPlan& memory)
      : ld(Stride(PadUp(many * padded))), heads(many), dim(channels), step(padded) {
    at = memory.Take(rows * ld);
  }
  // The same shape in other memory.
  HeadRows In(size_t rows, ArenaPlan& memory) const {
    HeadRows other = *this;
    other.at = memory.Take(rows * ld);
    return other;
  }
  float* Of(float* memory, int row, int head) const { return memory + at + row * ld + static_cast<ptrdiff_t>(head) * step; }
};

enum class HeadDecay { kNone, kHead, kChannel };

// The states of all heads of a layer. The mixer writes q to rate, and after Forward reads o. It writes dout, and
// after Backward reads the other gradients.
class StateHeads {
 public:
  // Heads share key heads evenly, and not at all with decays of channels. `corrects`: the delta rule.
  StateHeads(int heads, int key_heads, int key_dim, int value_dim, HeadDecay kind, bool corrects, const MixerContext& c, ArenaPlan& work)
      : length_(c.length), group_(heads / key_heads), kind_(kind), corrects_(corrects) {
    const size_t rows = static_cast<size_t>(c.rows);
    q = HeadRows(key_heads, key_dim, PadUp(key_dim), rows, c.arena);
    k = q.In(rows, c.arena);
    v = HeadRows(heads, value_dim, PadUp(value_dim), rows, c.arena);
    o = v.In(rows, c.arena);
    if (corrects && kind != HeadDecay::kChannel) error_ = v.In(rows, c.arena);
    if (kind == HeadDecay::kChannel) decay = HeadRows(heads, key_dim, PadUp(key_dim), rows, c.arena);
    if (kind == HeadDecay::kHead) decay = HeadRows(heads, 1, 1, rows, c.arena);
    if (corrects) rate = HeadRows(heads, 1, 1, rows, c.arena);
    dq = q.In(rows, work);
    dk = k.In(rows, work);
    dv = v.In(rows, work);
    dout = o.In(rows, work);
    if (kind != HeadDecay::kNone) ddecay = decay.In(rows, work);
    if (corrects) drate = rate.In(rows, work);
    const int strips = v.step / kPad;
    if (kind == HeadDecay::kChannel) {
      scratch_ = work.Take(DeltaChannelScratch(length_, key_dim));
    } else {
      scratch_ = work.Take(DeltaScratch(group_, key_dim, strips));
      kept_size_ = DeltaKept(length_, group_, key_dim, strips);
      kept_ = c.arena.Take(rows / length_ * key_heads * kept_size_);
    }
  }

  HeadRows q, k, v, o, decay, rate;          // in the arena
  HeadRows dq, dk, dv, dout, ddecay, drate;  // in the working memory

  void Forward(const MixerPass& p) const {
    for (int s = 0; s < p.sequences; ++s) {
      for (int h = 0; h < k.heads; ++h) p.math.delta(ArgumentsOf(p, s, h));
    }
  }
  void Backward(const MixerPass& p) const {
    const size_t rows = static_cast<size_t>(p.sequences) * length_;
    // Gradients of decays are overwritten, but not their padding.
    for (const HeadRows* sum : {&dq, &dk, &ddecay}) std::memset(p.work + sum->at, 0, sizeof(float) * rows * sum->ld);
    for (int s = 0; s < p.sequences; ++s) {
      for (int h = 0; h < k.heads; ++h) {
        const int row = s * length_, first = h * group_;
        p.math.delta_grad(
            ArgumentsOf(p, s, h),
            {dout.Of(p.work, row, first), dq.Of(p.work, row, h), dk.Of(p.work, row, h), dv.Of(p.work, row, first),
             kind_ != HeadDecay::kNone ? ddecay.Of(p.work, row, first) : nullptr, corrects_ ? drate.Of(p.work, row, first) : nullptr});
      }
    }
  }

 private:
  Delta ArgumentsOf(const MixerPass& p, int sequence, int key_head) const {
    Delta d{};
    const int row = sequence * length_, first = key_head * group_;
    const bool chunks = kind_ != HeadDecay::kChannel;
    d.length = length_;
    d.heads = group_;
    d.key_dim = k.dim;
    d.strips = v.step / kPad;
    d.q = q.Of(p.arena, row, key_head);
    d.k = k.Of(p.arena, row, key_head);
    d.v = v.Of(p.arena, row, first);
    d.decay = kind_ != HeadDecay::kNone ? decay.Of(p.arena, row, first) : nullptr;
    d.per_channel = !chunks;
    d.rate = corrects_ ? rate.Of(p.arena, row, first) : nullptr;
    d.ldk = k.ld;
    d.ldv = v.ld;
    d.ldd = decay.ld;
    d.ldh = rate.ld;
    d.o = o.Of(p.arena, row, first);
    d.error = corrects_ && chunks ? error_.Of(p.arena, row, first) : nullptr;
    d.kept = chunks ? p.arena + kept_ + (static_cast<size_t>(sequence) * k.heads + key_head) * kept_size_ : nullptr;
    d.scratch = p.work + scratch_;
    return d;
  }

  int length_, group_;
  HeadDecay kind_;
  bool corrects_;
  HeadRows error_;                             // in the arena
  size_t scratch_, kept_ = 0, kept_size_ = 0;  // offsets in the working memory and in the arena; floats of a key head
};

}  // namespace edgefront::train
