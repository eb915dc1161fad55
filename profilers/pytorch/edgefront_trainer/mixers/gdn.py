"""Gated DeltaNet (arXiv 2412.06464), and its short-convolution part, which has no state."""
import math

import torch
import torch.nn.functional as F

from ..linear import rms, short_conv

CHUNK = 32
UNIT_EPSILON = 1e-6


def unit(x):
    return x * torch.rsqrt(x.pow(2).sum(-1, keepdim=True) + UNIT_EPSILON)


def delta_rule(q, k, v, log_decay, rate):
    """
    Returns S_t^T q_t, where S_t = e^g S_{t-1} + k u^T and u = rate (v - e^g S_{t-1}^T k). q, k and v are [batch, heads, length,
    channels]; g = log_decay and rate are [batch, heads, length]. The state passes from chunk to chunk; within a chunk, one
    triangular system gives the u of all tokens. Decays enter as exponentials of differences that are at most 0.
    """
    batch, heads, length, _ = q.shape
    state = q.new_zeros(batch, heads, k.shape[-1], v.shape[-1])
    outputs = []
    for at in range(0, length, CHUNK):
        cq, ck, cv, g, beta = (x[:, :, at : at + CHUNK] for x in (q, k, v, log_decay, rate))
        total = g.cumsum(-1)
        earlier = torch.ones(total.shape[-1], total.shape[-1], dtype=torch.bool, device=q.device).tril()
        between = (total[..., :, None] - total[..., None, :]).masked_fill(~earlier, -math.inf).exp()
        known = (beta[..., None] * (ck @ ck.mT) * between).tril(-1)
        inputs = torch.cat([beta[..., None] * cv, (beta * total.exp())[..., None] * ck], -1)
        solved = torch.linalg.solve_triangular(known, inputs, upper=False, unitriangular=True)
        values, keys = solved.split([cv.shape[-1], ck.shape[-1]], -1)
        u = values - keys @ state
        outputs.append(total.exp()[..., None] * (cq @ state) + ((cq @ ck.mT) * between) @ u)
        left = (total[..., -1:] - total).exp()
        state = total[..., -1:, None].exp() * state + (left[..., None] * ck).mT @ u
    return torch.cat(outputs, 2)


class Gdn:
    OUTPUT = "ssm_out.weight"
    UNDECAYED = ("ssm_conv1d.weight",)
    VECTORS = {"ssm_a": "wide-decay", "ssm_dt.bias": "step"}

    @staticmethod
    def describes(tensors, p):
        return p + "attn_gate.weight" in tensors and p + "ssm_conv1d.weight" in tensors

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

    def heads(self, x, many):
        """[batch, length, width] -> [batch, heads, length, channels]"""
        return x.unflatten(-1, (many, -1)).transpose(1, 2)

    def recall(self, network, p, h, mixed):
        """Returns the outputs of the state, [batch, heads, length, value_dim]."""
        w = network.w
        q, k, v = mixed.split([self.key_width, self.key_width, self.value_width], -1)
        q, k = (unit(self.heads(x, self.key_heads)) for x in (q, k))
        q = q * q.shape[-1] ** -0.5
        q, k = (x.repeat_interleave(self.value_heads // self.key_heads, 1) for x in (q, k))
        rate = network.linear(h, w[p + "ssm_beta.weight"]).sigmoid().transpose(1, 2)
        step = F.softplus(network.linear(h, w[p + "ssm_alpha.weight"]) + w[p + "ssm_dt.bias"])
        log_decay = (-w[p + "ssm_a"].exp() * step).transpose(1, 2)
        return delta_rule(q, k, self.heads(v, self.value_heads), log_decay, rate)

    def __call__(self, network, p, h):
        w = network.w
        x = network.linear(h, w[p + ("attn_qkv.weight" if self.recurrent else "attn_v.weight")])
        mixed = F.silu(short_conv(x, w[p + "ssm_conv1d.weight"]))
        o = self.recall(network, p, h, mixed) if self.recurrent else self.heads(mixed, self.value_heads)
        o = rms(o, w[p + "ssm_norm.weight"], self.eps).transpose(1, 2).flatten(-2)
        return o * F.silu(network.linear(h, w[p + "attn_gate.weight"]))
