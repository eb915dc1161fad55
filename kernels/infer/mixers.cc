// A step's mixers between their products: the gated convolution and the cache's write (attention: attend.cc). The arithmetic is
// the kernel table's; here is which rows, heads and channels a worker takes.
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

}  // namespace edgefront
