"""The gated short convolution."""
import torch.nn.functional as F


class Conv:
    OUTPUT = "shortconv.out_proj.weight"
    UNDECAYED = ("shortconv.conv.weight",)
    VECTORS = {}

    @staticmethod
    def describes(tensors, p):
        return p + "shortconv.in_proj.weight" in tensors

    def __init__(self, layout, n):
        self.taps = layout.tensors[f"blk.{n}.shortconv.conv.weight"][0]

    def prepare(self, length, device, shared):
        pass

    def __call__(self, network, p, h):
        length = h.shape[1]
        b, c, v = network.linear(h, network.w[p + "shortconv.in_proj.weight"]).chunk(3, -1)
        taps = network.w[p + "shortconv.conv.weight"]
        y = F.pad(b * v, (0, 0, self.taps - 1, 0))
        return c * sum(y[:, j : j + length] * taps[:, j] for j in range(self.taps))
