"""The gated short convolution."""
from ..linear import short_conv


class Conv:
    OUTPUT = "shortconv.out_proj.weight"
    UNDECAYED = ("shortconv.conv.weight",)
    VECTORS = {}

    @staticmethod
    def describes(tensors, p):
        return p + "shortconv.in_proj.weight" in tensors

    def __init__(self, layout, n):
        pass

    def prepare(self, length, device, shared):
        pass

    def __call__(self, network, p, h):
        b, c, v = network.linear(h, network.w[p + "shortconv.in_proj.weight"]).chunk(3, -1)
        return c * short_conv(b * v, network.w[p + "shortconv.conv.weight"])
