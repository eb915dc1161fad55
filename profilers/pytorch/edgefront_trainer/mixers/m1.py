"""Mamba (arXiv 2312.00752), and its short-conv part only, which has no state."""
import torch
import torch.nn.functional as F

from ..linear import short_conv


class Mamba:
    OUTPUT = "ssm_out.weight"
    UPSTREAM = "ssm_x.weight"
    UNDECAYED = ("ssm_conv1d.weight",)
    VECTORS = {"ssm_conv1d.bias": "bias", "ssm_dt.bias": "step", "ssm_a": "counted-rate", "ssm_d": "norm"}

    def __init__(self, layout, n):
        of = lambda key: layout.of_layer("ssm." + key, n)
        self.states, self.rank = of("state_size"), of("time_step_rank")

    def prepare(self, length, device, shared):
        pass

    def __call__(self, network, p, h):
        w = network.w
        x, z = network.linear(h, w[p + "ssm_in.weight"]).chunk(2, -1)
        x = F.silu(short_conv(x, w[p + "ssm_conv1d.weight"]) + w[p + "ssm_conv1d.bias"])
        if self.states:
            x = self.recurrence(network, p, x)
        return x * F.silu(z)

    def recurrence(self, network, p, x):
        """x: [batch, length, channels] after the convolution."""
        w = network.w
        low, b, c = network.linear(x, w[p + "ssm_x.weight"]).split([self.rank, self.states, self.states], -1)
        dt = F.softplus(network.linear(low, w[p + "ssm_dt.weight"]) + w[p + "ssm_dt.bias"])
        a = -w[p + "ssm_a"].view(-1, self.states).exp()
        state, out = 0, []
        for step, u, bt, ct in zip(dt[..., None].unbind(1), (dt * x)[..., None].unbind(1), b.unbind(1), c.unbind(1)):
            state = (step * a).exp() * state + u * bt[:, None]
            out.append((state * ct[:, None]).sum(-1))
        return torch.stack(out, 1) + w[p + "ssm_d"] * x
