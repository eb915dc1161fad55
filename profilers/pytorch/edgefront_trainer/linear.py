"""Linear layers in both precisions, and RMS norm."""
import os

import numpy as np
import torch
import torch.nn.functional as F

# Double precision is for comparisons. The remaining difference is the other side's rounding.
FLOAT = np.float64 if os.environ.get("EDGEFRONT_FLOAT64") else np.float32


def rms(x, weight, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


def short_conv(x, taps):
    """Returns the causal depthwise convolution of x [batch, length, channels] with taps [channels, k]."""
    length, k = x.shape[1], taps.shape[1]
    x = F.pad(x, (0, 0, k - 1, 0))
    return sum(x[:, j : j + length] * taps[:, j] for j in range(k))


class Rounded(torch.autograd.Function):
    """
    F.linear in bfloat16: rounds the operands of its product, and of both products of its gradient, and sums in
    float32. The native trainer's linear layers do the same in that precision.
    """

    on_gpu = True  # becomes False if this torch cannot multiply bfloat16 into float32 on a GPU

    @classmethod
    def product(cls, a, b, kind):
        if a.is_cuda and cls.on_gpu:
            try:
                return torch.mm(a, b, out_dtype=torch.float32)
            except torch.OutOfMemoryError:
                raise
            except (TypeError, RuntimeError):
                cls.on_gpu = False
        return a.to(kind) @ b.to(kind)  # float32 holds products of two bfloat16 exactly

    @staticmethod
    def forward(ctx, x, w):
        a, b = x.flatten(0, -2).float().bfloat16(), w.float().bfloat16()
        ctx.save_for_backward(a, b)
        return Rounded.product(a, b.T, x.dtype).unflatten(0, x.shape[:-1])

    @staticmethod
    def backward(ctx, gradient):
        a, b = ctx.saved_tensors
        g = gradient.flatten(0, -2).float().bfloat16()
        kind = gradient.dtype
        return Rounded.product(g, b, kind).unflatten(0, gradient.shape[:-1]), Rounded.product(g.T, a, kind)
