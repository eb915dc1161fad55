"""The gated short convolution."""
from ..linear import short_conv
from .gated_filter import GatedFilter


class Conv(GatedFilter):
    UNDECAYED = ("shortconv.conv.weight",)
    VECTORS = {}

    @staticmethod
    def describes(tensors, p):
        return p + "shortconv.conv.weight" in tensors

    def filter(self, w, p, u):
        return short_conv(u, w[p + "shortconv.conv.weight"])
