"""The SwiGLU FFN (arXiv 2002.05202)."""
import torch.nn.functional as F


class Swiglu:
    OUTPUT = "ffn_down.weight"
    VECTORS = {}

    @staticmethod
    def describes(tensors, p):
        return p + "ffn_gate.weight" in tensors

    def __init__(self, layout=None, n=None):
        pass

    def __call__(self, network, p, h):
        w, linear = network.w, network.linear
        return linear(F.silu(linear(h, w[p + "ffn_gate.weight"])) * linear(h, w[p + "ffn_up.weight"]), w[p + "ffn_down.weight"])

    @staticmethod
    def balance(network, p, sharing):
        pass
