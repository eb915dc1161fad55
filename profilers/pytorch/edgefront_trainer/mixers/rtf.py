"""RTF (arXiv 2405.06147) between two gates: a rational transfer function in each channel, as its recurrence."""
import torch

from ..linear import causal_conv
from .gated_filter import GatedFilter


class Rtf(GatedFilter):
    VECTORS = {"rtf.a": "bias", "rtf.b": "bias", "rtf.slack": "norm", "rtf.h0": "unit"}

    def filter(self, w, p, u):
        h0 = w[p + "rtf.h0"]
        a, b = (w[p + name].view(len(h0), -1) for name in ("rtf.a", "rtf.b"))
        a = a / (a.abs().sum(1) + w[p + "rtf.slack"].abs() + 1e-6)[:, None]
        # The impulse response: x holds the values of the last N tokens, the newest first.
        x, response = torch.zeros_like(a), [h0]
        newest = torch.ones_like(h0)
        for _ in range(1, u.shape[1]):
            x = torch.cat([newest[:, None], x[:, :-1]], 1)
            newest = -(a * x).sum(1)
            response.append((b * x).sum(1))
        return causal_conv(u, torch.stack(response, 1))
