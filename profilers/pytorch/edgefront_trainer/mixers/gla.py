"""Gated linear attention (arXiv 2312.06635)."""
import torch.nn.functional as F

from ..linear import rms
from .states import heads_of, recall


class Gla:
    OUTPUT = "ssm_out.weight"
    UNDECAYED = ()
    VECTORS = {"ssm_f_b.bias": "bias"}

    def __init__(self, layout, n):
        p, tensors = f"blk.{n}.", layout.tensors
        self.key_width = tensors[p + "ssm_f_b.weight"][1]
        self.value_width = tensors[p + "ssm_out.weight"][0]
        self.heads, self.eps = self.value_width // tensors[p + "ssm_norm.weight"][0], layout.eps

    def prepare(self, length, device, shared):
        pass

    def __call__(self, network, p, h):
        w = network.w
        qkv = network.linear(h, w[p + "attn_qkv.weight"])
        q, k, v = (heads_of(x, self.heads) for x in qkv.split([self.key_width, self.key_width, self.value_width], -1))
        decay = network.linear(network.linear(h, w[p + "ssm_f_a.weight"]), w[p + "ssm_f_b.weight"]) + w[p + "ssm_f_b.bias"]
        o = recall(q * q.shape[-1] ** -0.5, k, v, heads_of(F.logsigmoid(decay) / 16, self.heads))
        o = rms(o, w[p + "ssm_norm.weight"], self.eps).transpose(1, 2).flatten(-2)
        return o * F.silu(network.linear(h, w[p + "attn_gate.weight"]))
