"""The block of LFM2's gated short convolution, with any filter between the gates: out(C * filter(B * h))."""


class GatedFilter:
    """A derived class has filter(w, p, u), which maps u [batch, length, d] to the same shape and is causal."""

    OUTPUT = "shortconv.out_proj.weight"
    UNDECAYED = ()

    def __init__(self, layout, n):
        pass

    def prepare(self, length, device, shared):
        pass

    def __call__(self, network, p, h):
        b, c, v = network.linear(h, network.w[p + "shortconv.in_proj.weight"]).chunk(3, -1)
        return c * self.filter(network.w, p, b * v)
