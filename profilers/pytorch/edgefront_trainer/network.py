"""The network: embedding, layers with their norms and residuals, FFN, head. mixers/ has the mixers."""
import math

import numpy as np
import torch
import torch.nn.functional as F

from .layout import Layout
from .linear import FLOAT, Rounded, rms
from .seeded import DECAYS, seeded


class Network:
    def __init__(self, plan, seed, length, pooled, device, rounded):
        self.layout, self.pooled = Layout(plan), pooled
        self.linear = Rounded.apply if rounded else F.linear
        l = self.layout
        residual = 1 / math.sqrt(2 * len(l.mixers))
        shapes = {name: t[:2] for name, t in plan.tensors.items()}
        if pooled:
            shapes["decoder.ffn_norm.weight"] = (l.dim, 1)
            shapes.update({f"decoder.ffn_{part}.weight": (l.dim, l.dim) for part in ("gate", "up", "down")})
        self.w = {}
        kinds = {f"blk.{n}.{name}": kind for n, mixer in enumerate(l.mixers) for name, kind in mixer.VECTORS.items()}
        self.decays = {name for name, kind in kinds.items() if kind in DECAYS}
        outputs = {f"blk.{n}.{mixer.OUTPUT}" for n, mixer in enumerate(l.mixers)}
        for name, (cols, rows) in shapes.items():
            values = seeded(seed, name, rows, cols, kinds.get(name, "norm" if "norm" in name else "matrix"))
            if name in self.decays:  # rates are trained as ln(-rate), so that a step cannot change their sign
                values = np.log(-values)
            if name in outputs or name.endswith("ffn_down.weight"):
                values = values * np.float32(residual)
            self.w[name] = torch.tensor(values.astype(FLOAT), device=device, requires_grad=True)
        shared = {}
        for mixer in l.mixers:
            mixer.prepare(length, device, shared)
        half = l.dim // 2
        angle = np.outer(np.arange(length), 1e4 ** (-np.arange(half) / max(1, half - 1)))
        code = np.zeros((length, l.dim), FLOAT)
        code[:, :half], code[:, half : 2 * half] = np.sin(angle), np.cos(angle)
        self.code = torch.tensor(code, device=device)

    def stored(self):
        """Returns the tensors as a file holds them, by name."""
        return {name: -w.exp() if name in self.decays else w for name, w in self.w.items()}

    def matrices(self):
        """Returns the names of tensors with weight decay."""
        undecayed = {f"blk.{n}.{name}" for n, mixer in enumerate(self.layout.mixers) for name in mixer.UNDECAYED}
        return [name for name, w in self.w.items() if w.dim() == 2 and name not in undecayed]

    def ffn(self, p, x):
        w = self.w
        h = rms(x, w[p + "ffn_norm.weight"], self.layout.eps)
        return x + self.linear(F.silu(self.linear(h, w[p + "ffn_gate.weight"])) * self.linear(h, w[p + "ffn_up.weight"]), w[p + "ffn_down.weight"])

    def logits(self, tokens, places):
        """Returns logits [places, vocabulary] at the given places of [batch x length]."""
        w = self.w
        x = F.embedding(tokens, w["token_embd.weight"])
        for n, mixer in enumerate(self.layout.mixers):
            p = f"blk.{n}."
            mixed = mixer(self, p, rms(x, w[p + "attn_norm.weight"], self.layout.eps))
            x = x + self.linear(mixed, w[p + mixer.OUTPUT])
            x = self.ffn(p, x)
        if self.pooled:
            x = self.ffn("decoder.", x[:, -1:] + self.code)
        x = x.flatten(0, 1).index_select(0, places)
        return self.linear(rms(x, w[self.layout.final_norm], self.layout.eps), w[self.layout.output])
