"""S4D (arXiv 2206.11893) and Liquid-S4 (arXiv 2209.12951) between two gates: complex modes in each channel."""
import torch

from ..linear import causal_conv
from .gated_filter import GatedFilter

MOST_LOG_STEP = 50.0  # as in kernels/ops/modal/discretise.h
PARTS = {"dt": "step", "a_re": "half-rate", "a_im": "frequency", "c_re": "complex", "c_im": "complex", "d": "unit"}


def expm1(z):
    """Returns e^z - 1 for complex z, with all digits near 0."""
    x, y = z.real, z.imag
    return torch.complex(torch.expm1(x) * y.cos() - 2 * (y / 2).sin() ** 2, x.exp() * y.sin())


class Modes:
    """The weights of a layer: rates a and outputs c [d, modes], step [d, 1] and skip [d]."""

    def __init__(self, w, prefix):
        self.skip = w[prefix + "d"]
        pair = lambda re, im: torch.complex(re, im).view(len(self.skip), -1)
        self.a = pair(-w[prefix + "a_re"].exp(), w[prefix + "a_im"])
        self.c = pair(w[prefix + "c_re"], w[prefix + "c_im"])
        self.step = w[prefix + "dt"].clamp(max=MOST_LOG_STEP).exp()[:, None]
        self.pair = pair


class S4d(GatedFilter):
    VECTORS = {"s4d." + name: kind for name, kind in PARTS.items()}

    def filter(self, w, p, u):
        m = Modes(w, p + "s4d.")
        output = 2 * m.c * expm1(m.step * m.a) / m.a
        times = torch.arange(u.shape[1], device=u.device, dtype=u.dtype)
        response = (output[..., None] * ((m.step * m.a)[..., None] * times).exp()).sum(1).real
        return causal_conv(u, response) + m.skip * u


class Ls4(GatedFilter):
    VECTORS = {"ls4." + name: kind for name, kind in (PARTS | {"b_re": "complex", "b_im": "complex"}).items()}

    def filter(self, w, p, u):
        m = Modes(w, p + "ls4.")
        u = u.tanh()
        b = m.pair(w[p + "ls4.b_re"], w[p + "ls4.b_im"])
        b = -torch.expm1(m.step * m.a.real) * b / (1 + b.abs())
        a, s, out = (m.step * m.a).exp(), 0, []
        for now in u[..., None].unbind(1):
            s = (a + b * now) * s + b * now
            out.append(2 * (m.c * s).sum(-1).real)
        return torch.stack(out, 1) + m.skip * u
