"""The states of linear attention, with or without decays and the delta rule."""
import math

import torch

CHUNK = 32
UNIT_EPSILON = 1e-6


def unit(x):
    return x * torch.rsqrt(x.pow(2).sum(-1, keepdim=True) + UNIT_EPSILON)


def heads_of(x, many):
    """[batch, length, width] -> [batch, heads, length, channels]"""
    return x.unflatten(-1, (many, -1)).transpose(1, 2)


def products(a, b, between):
    """a_t . b_s, with the factors between[t, s] of the channels, or one for all channels."""
    if between.shape[-1] == 1:
        return (a @ b.mT) * between[..., 0]
    return torch.einsum("...tc,...sc,...tsc->...ts", a, b, between)


def recall(q, k, v, log_decay, rate=None):
    """
    Returns S_t^T q_t, where S_t = D_t S_{t-1} + k u^T and u = v, or with a rate u = rate (v - (D_t S_{t-1})^T k). q, k and v are
    [batch, heads, length, channels]. D_t is diagonal; log_decay holds its logarithms, [batch, heads, length, channels of k] or
    [batch, heads, length, 1]. rate is [batch, heads, length]. The state passes from chunk to chunk; within a chunk, one
    triangular system gives the u of all tokens. Decays enter as exponentials of differences that are at most 0.
    """
    batch, heads, length, _ = q.shape
    state = q.new_zeros(batch, heads, k.shape[-1], v.shape[-1])
    outputs = []
    for at in range(0, length, CHUNK):
        cq, ck, cv, g = (x[:, :, at : at + CHUNK] for x in (q, k, v, log_decay))
        total = g.cumsum(-2)
        size = total.shape[-2]
        earlier = torch.ones(size, size, dtype=torch.bool, device=q.device).tril()[..., None]
        between = (total[..., :, None, :] - total[..., None, :, :]).masked_fill(~earlier, -math.inf).exp()
        u = cv
        if rate is not None:
            beta = rate[:, :, at : at + CHUNK, None]
            known = beta * products(ck, ck, between).tril(-1)
            inputs = torch.cat([beta * cv, beta * total.exp() * ck], -1)
            solved = torch.linalg.solve_triangular(known, inputs, upper=False, unitriangular=True)
            values, keys = solved.split([cv.shape[-1], ck.shape[-1]], -1)
            u = values - keys @ state
        outputs.append((total.exp() * cq) @ state + products(cq, ck, between) @ u)
        left = (total[..., -1:, :] - total).exp()
        state = total[..., -1, :, None].exp() * state + (left * ck).mT @ u
    return torch.cat(outputs, 2)
