"""Mamba-2 (arXiv 2405.21060), and its short-conv part only, which has no heads."""
import torch
import torch.nn.functional as F

from ..linear import rms, short_conv

CHUNK = 64  # tokens of the quadratic form; chunks follow one another through the state


class Mamba2:
    OUTPUT = "ssm_out.weight"
    UPSTREAM = "ssm_norm.weight"
    UNDECAYED = ("ssm_conv1d.weight",)
    VECTORS = {"ssm_conv1d.bias": "bias", "ssm_dt.bias": "step", "ssm_a": "decay", "ssm_d": "norm"}

    def __init__(self, layout, n):
        of = lambda key: layout.of_layer("ssm." + key, n)
        self.inner, self.groups = of("inner_size"), of("group_count")
        self.heads, self.states, self.eps = of("time_step_rank"), of("state_size"), layout.eps

    def prepare(self, length, device, shared):
        if "future" not in shared:
            shared["future"] = torch.ones(CHUNK, CHUNK, dtype=torch.bool, device=device).triu(1)
        self.future = shared["future"]

    def __call__(self, network, p, h):
        w, (batch, length, _) = network.w, h.shape
        convolved = self.inner + 2 * self.groups * self.states
        z, x, dt = network.linear(h, w[p + "ssm_in.weight"]).split([self.inner, convolved, self.heads], -1)
        x = F.silu(short_conv(x, w[p + "ssm_conv1d.weight"]) + w[p + "ssm_conv1d.bias"])
        if self.heads:
            x = self.recurrence(w, p, x, F.softplus(dt + w[p + "ssm_dt.bias"]))
        groups = (x * F.silu(z)).view(batch, length, self.groups, -1)
        return rms(groups, w[p + "ssm_norm.weight"].view(self.groups, -1), self.eps).flatten(2)

    def recurrence(self, w, p, x, dt):
        """x: x, B and C after the convolution; dt: step sizes [batch, length, heads]."""
        batch, length, heads = dt.shape
        vectors = self.groups * self.states
        x, b, c = x.split([self.inner, vectors, vectors], -1)
        x = x.view(batch, length, heads, -1)
        b, c = (v.view(batch, length, self.groups, self.states).repeat_interleave(heads // self.groups, 2) for v in (b, c))
        inputs, log = x * dt[..., None], -w[p + "ssm_a"].exp() * dt
        state, out = x.new_zeros(batch, heads, x.shape[-1], self.states), []
        for t in range(0, length, CHUNK):
            xs, bs, cs, total = inputs[:, t : t + CHUNK], b[:, t : t + CHUNK], c[:, t : t + CHUNK], log[:, t : t + CHUNK].cumsum(1)
            size = total.shape[1]
            # Only differences of logarithms, which are at most 0, become exponentials.
            gap = total[:, :, None] - total[:, None]
            decay = gap.masked_fill(self.future[:size, :size, None], -torch.inf).exp()
            scores = torch.einsum("bthn,bshn->btsh", cs, bs) * decay
            carried = torch.einsum("bthn,bhpn->bthp", cs, state) * total.exp()[..., None]
            out.append(torch.einsum("btsh,bshp->bthp", scores, xs) + carried)
            left = (total[:, -1:] - total).exp()
            state = state * total[:, -1].exp()[..., None, None] + torch.einsum("bshp,bshn,bsh->bhpn", xs, bs, left)
        return (torch.cat(out, 1) + x * w[p + "ssm_d"][:, None]).flatten(2)
