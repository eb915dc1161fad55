"""The gated short convolution."""
from ..linear import short_conv
from .gated_filter import GatedFilter


class Conv(GatedFilter):
    UPSTREAM = "shortconv.conv.weight"
    UNDECAYED = ("shortconv.conv.weight",)
    VECTORS = {}

    def filter(self, w, p, u):
        return short_conv(u, w[p + "shortconv.conv.weight"])
