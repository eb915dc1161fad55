"""The network of MAD's compression task (`head` "pooled" in kernels/README.md): every position is read out of the state at the last one."""
import torch

from .ffns.swiglu import Swiglu
from .network import Network


class PooledNetwork(Network):
    def shapes(self):
        dim = self.layout.dim
        decoder = {f"decoder.ffn_{part}.weight": (dim, dim) for part in ("gate", "up", "down")}
        return {**super().shapes(), "decoder.ffn_norm.weight": (dim, 1), **decoder}

    def code(self, length):
        """Returns the code [length, d] of the positions."""
        dim, half = self.layout.dim, self.layout.dim // 2
        rates = 1e4 ** (-torch.arange(half, dtype=torch.float64) / max(1, half - 1))
        angle = torch.outer(torch.arange(length, dtype=torch.float64), rates)
        code = torch.zeros(length, dim, dtype=torch.float64)
        code[:, :half], code[:, half : 2 * half] = angle.sin(), angle.cos()
        return code

    def prepare(self, length, device):
        if self.prepared != (length, device):
            self.codes = self.code(length).to(device, torch.get_default_dtype())
        super().prepare(length, device)

    def states(self, tokens):
        return self.ffn(Swiglu(), "decoder.", super().states(tokens)[:, -1:] + self.codes)
