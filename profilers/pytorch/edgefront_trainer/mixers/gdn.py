"""Gated DeltaNet (arXiv 2412.06464), and its short-convolution part, which has no state."""
import torch.nn.functional as F

from ..linear import rms, short_conv
from .states import heads_of, recall, unit


class Gdn:
    OUTPUT = "ssm_out.weight"
    UNDECAYED = ("ssm_conv1d.weight",)
    VECTORS = {"ssm_a": "wide-decay", "ssm_dt.bias": "step"}

    def __init__(self, layout, n):
        p, tensors = f"blk.{n}.", layout.tensors
        self.recurrent = p + "attn_qkv.weight" in tensors
        self.value_dim = tensors[p + "ssm_norm.weight"][0]
        self.value_width = tensors[p + "ssm_out.weight"][0]
        self.value_heads = self.value_width // self.value_dim
        self.key_width = (tensors[p + "ssm_conv1d.weight"][1] - self.value_width) // 2
        self.key_heads = layout.of_layer("ssm.group_count", n) if self.recurrent else 0
        self.eps = layout.eps

    def prepare(self, length, device, shared):
        pass

    def recalled(self, network, p, h, mixed):
        """Returns the outputs of the state, [batch, heads, length, value_dim]."""
        w = network.w
        q, k, v = mixed.split([self.key_width, self.key_width, self.value_width], -1)
        q, k = (unit(heads_of(x, self.key_heads)) for x in (q, k))
        q = q * q.shape[-1] ** -0.5
        q, k = (x.repeat_interleave(self.value_heads // self.key_heads, 1) for x in (q, k))
        rate = network.linear(h, w[p + "ssm_beta.weight"]).sigmoid().transpose(1, 2)
        step = F.softplus(network.linear(h, w[p + "ssm_alpha.weight"]) + w[p + "ssm_dt.bias"])
        log_decay = (-w[p + "ssm_a"].exp() * step).transpose(1, 2)
        return recall(q, k, heads_of(v, self.value_heads), log_decay[..., None], rate)

    def __call__(self, network, p, h):
        w = network.w
        x = network.linear(h, w[p + ("attn_qkv.weight" if self.recurrent else "attn_v.weight")])
        mixed = F.silu(short_conv(x, w[p + "ssm_conv1d.weight"]))
        o = self.recalled(network, p, h, mixed) if self.recurrent else heads_of(mixed, self.value_heads)
        o = rms(o, w[p + "ssm_norm.weight"], self.eps).transpose(1, 2).flatten(-2)
        return o * F.silu(network.linear(h, w[p + "attn_gate.weight"]))
