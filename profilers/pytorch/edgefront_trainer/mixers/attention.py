"""Grouped-query attention, full or over a window, with RoPE of all or some channels, optional QK-norm and output gate."""
import torch
import torch.nn.functional as F

from ..linear import rms


class Attention:
    OUTPUT = "attn_output.weight"
    UPSTREAM = "attn_q.weight"
    UNDECAYED = ()
    VECTORS = {}

    def __init__(self, layout, n):
        p, tensors = f"blk.{n}.", layout.tensors
        self.heads = layout.of_layer("attention.head_count", n)
        self.head_dim = tensors[p + "attn_q.weight"][1] // self.heads
        self.kv_heads = layout.of_layer("attention.head_count_kv", n)
        self.norm = p + "attn_q_norm.weight" in tensors
        self.gated = layout.of_layer("attention.output_gate", n, p + "attn_gate.weight" in tensors)
        # In lfm3 all layers share the window's length, and windows turn whole heads with a base of their own.
        own = layout.arch == "lfm3" and layout.of_layer("attention.sliding_window_pattern", n)
        self.window = 0 if layout.arch == "lfm3" and not own else layout.of_layer("attention.sliding_window", n, 0)
        self.base = layout.of_layer("rope.freq_base_swa" if own else "rope.freq_base", n)
        self.rotated = self.head_dim if own else layout.of_layer("rope.rotated_count", n, self.head_dim)
        self.interleaved, self.eps = layout.interleaved, layout.eps

    def prepare(self, length, device, shared):
        mask, turns = ("mask", self.window), ("turns", self.head_dim, self.rotated, self.base)
        if mask not in shared:
            at = torch.arange(length, device=device)
            gap = at[:, None] - at[None, :]
            shared[mask] = (gap >= 0) & (gap < self.window) if self.window else None
        if turns not in shared:
            pair = torch.arange(self.head_dim // 2, dtype=torch.float64)
            rates = torch.where(2 * pair < self.rotated, float(self.base) ** (-2 * pair / self.head_dim), 0.0)
            angle = torch.outer(torch.arange(length, dtype=torch.float64), rates)
            shared[turns] = tuple(x.to(device, torch.get_default_dtype()) for x in (angle.cos(), angle.sin()))
        self.mask, self.turns = shared[mask], shared[turns]

    def rope(self, x):
        cos, sin = self.turns
        if self.interleaved:
            a, b = x[..., ::2], x[..., 1::2]
            return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2)
        a, b = x.chunk(2, -1)
        return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)

    def __call__(self, network, p, h):
        w, (batch, length, _) = network.w, h.shape

        def heads(x, many):
            return network.linear(h, w[p + f"attn_{x}.weight"]).view(batch, length, many, self.head_dim).transpose(1, 2)

        def turned(x, many):
            y = heads(x, many)
            return self.rope(rms(y, w[p + f"attn_{x}_norm.weight"], self.eps) if self.norm else y).type_as(y)

        if self.kv_from == self.place:
            network.kv[self.place] = turned("k", self.kv_heads), heads("v", self.kv_heads)
        q, (k, v) = turned("q", self.heads), network.kv[self.kv_from]
        causal = self.mask is None
        o = F.scaled_dot_product_attention(q, k, v, attn_mask=self.mask, is_causal=causal, enable_gqa=self.heads != self.kv_heads)
        o = o.transpose(1, 2)
        if self.gated:
            o = o * torch.sigmoid(network.linear(h, w[p + "attn_gate.weight"])).unsqueeze(-1)
        return o.reshape(batch, length, self.heads * self.head_dim)
