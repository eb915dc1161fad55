"""The CfC cell (arXiv 2106.13898) with all widths d, token by token."""
import torch


class Cfc:
    OUTPUT = "cfc.out.weight"
    UNDECAYED = ()
    VECTORS = {f"cfc.{name}.bias": "bias" for name in ("in", "f1", "f2", "time_a", "time_b")}

    def __init__(self, layout, n):
        pass

    def prepare(self, length, device, shared):
        pass

    def __call__(self, network, p, h):
        w = lambda name: network.w[f"{p}cfc.{name}"]
        head = lambda name, z: network.linear(z, w(name + ".weight")) + w(name + ".bias")
        inputs, state, out = head("in", h), None, []
        for x in inputs.unbind(1):
            if state is not None:
                x = x + network.linear(state, w("state.weight"))
            z = 1.7159 * torch.tanh(0.666 * x)
            gate = torch.sigmoid(head("time_a", z) + head("time_b", z))
            state = torch.tanh(head("f1", z)) * (1 - gate) + gate * torch.tanh(head("f2", z))
            out.append(state)
        return torch.stack(out, 1)
