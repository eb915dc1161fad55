"""Kimi Delta Attention (arXiv 2510.26692), and its short-convolution part, which has no state."""
import torch.nn.functional as F

from ..linear import rms, short_conv
from .states import heads_of, recall, unit


class Kda:
    OUTPUT = "ssm_out.weight"
    UNDECAYED = ("ssm_conv1d.weight",)
    VECTORS = {"ssm_a": "decay", "ssm_dt.bias": "step"}

    def __init__(self, layout, n):
        p, tensors = f"blk.{n}.", layout.tensors
        self.recurrent = p + "attn_qkv.weight" in tensors
        self.heads, self.eps = tensors[p + "ssm_out.weight"][0] // tensors[p + "ssm_norm.weight"][0], layout.eps

    def prepare(self, length, device, shared):
        pass

    def recalled(self, network, p, h, mixed):
        """Returns the outputs of the state, [batch, heads, length, channels]."""
        w = network.w
        q, k, v = (heads_of(x, self.heads) for x in mixed.chunk(3, -1))
        rate = network.linear(h, w[p + "ssm_beta.weight"]).sigmoid().transpose(1, 2)
        decay = network.linear(network.linear(h, w[p + "ssm_f_a.weight"]), w[p + "ssm_f_b.weight"]) + w[p + "ssm_dt.bias"]
        log_decay = -w[p + "ssm_a"].exp()[:, None, None] * heads_of(F.softplus(decay), self.heads)
        return recall(unit(q) * q.shape[-1] ** -0.5, unit(k), v, log_decay, rate)

    def __call__(self, network, p, h):
        w = network.w
        x = network.linear(h, w[p + ("attn_qkv.weight" if self.recurrent else "attn_v.weight")])
        mixed = F.silu(short_conv(x, w[p + "ssm_conv1d.weight"]))
        o = self.recalled(network, p, h, mixed) if self.recurrent else heads_of(mixed, self.heads)
        o = rms(o, w[p + "ssm_norm.weight"], self.eps).transpose(1, 2).flatten(-2)
        return o * network.linear(network.linear(h, w[p + "ssm_g_a.weight"]), w[p + "ssm_g_b.weight"]).sigmoid()
