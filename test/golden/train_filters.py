"""Mixers of make_train_golden.py: recursive filters between two gates, Mamba and CfC, token by token as their papers define them.
A mixer is a tuple of its name and its sizes. `add(name, shape, kind)` makes a tensor; `w` holds them by name; `linear(x, w)` multiplies."""
import torch
import torch.nn.functional as F

MODES = {"dt": "step", "a_re": "half-rate", "a_im": "frequency", "c_re": "complex", "c_im": "complex", "d": "conv"}
TENSORS = {
    "s4d": MODES,
    "ls4": MODES | {"b_re": "complex", "b_im": "complex"},
    "rtf": {"a": "bias", "b": "bias", "slack": "norm", "h0": "conv"},
}
ONCE = ("dt", "d", "slack", "h0")  # tensors with one value for each channel
GATES = ("f1", "f2", "time_a", "time_b")


def add_tensors(mixer, d, p, add):
    """Makes the tensors of a layer with the prefix p. Vectors that a file stores in two dimensions are flat."""
    name, *sizes = mixer
    if name in TENSORS:
        count = sizes[0] if name == "rtf" else sizes[0] // 2
        add(p + "shortconv.in_proj.weight", (3 * d, d))
        for part, kind in TENSORS[name].items():
            add(f"{p}{name}.{part}", (d, 1 if part in ONCE else count), kind, flat=True)
        add(p + "shortconv.out_proj.weight", (d, d))
    elif name == "m1":
        inner, states, rank, k = sizes
        add(p + "ssm_in.weight", (2 * inner, d))
        add(p + "ssm_conv1d.weight", (inner, k), "conv")
        add(p + "ssm_conv1d.bias", (inner,), "bias")
        if states:
            add(p + "ssm_x.weight", (rank + 2 * states, inner))
            add(p + "ssm_dt.weight", (inner, rank))
            add(p + "ssm_dt.bias", (inner,), "step")
            add(p + "ssm_a", (inner, states), "counted-rate", flat=True)
            add(p + "ssm_d", (inner,), "norm")
        add(p + "ssm_out.weight", (d, inner))
    else:
        for part in ("in", "state", *GATES, "out"):
            add(f"{p}cfc.{part}.weight", (d, d))
            if part not in ("state", "out"):
                add(f"{p}cfc.{part}.bias", (d,), "bias")


def modal(name, w, p, u):
    of = lambda part: w[f"{p}{name}.{part}"]
    d = u.shape[-1]
    pair = lambda part: torch.complex(of(part + "_re"), of(part + "_im")).view(d, -1)
    a = torch.complex(-of("a_re").exp(), of("a_im")).view(d, -1)
    decay, c = (of("dt").exp()[:, None] * a).exp(), 2 * pair("c")
    if name == "s4d":
        c = c * (decay - 1) / a
    else:
        b = (1 - decay.abs()) * pair("b") / (1 + pair("b").abs())
        u = u.tanh()
    s, y = torch.zeros_like(decay), []
    for x in u[..., None].unbind(1):
        s = decay * s + x if name == "s4d" else (decay + b * x) * s + b * x
        y.append((c * s).real.sum(-1))
    return torch.stack(y, 1) + of("d") * u


def rational(w, p, u):
    d = u.shape[-1]
    a, b = w[p + "rtf.a"].view(d, -1), w[p + "rtf.b"].view(d, -1)
    a = a / (a.abs().sum(1) + w[p + "rtf.slack"].abs() + 1e-6)[:, None]
    x, y = torch.zeros(len(u), *a.shape, dtype=u.dtype), []
    for now in u.unbind(1):
        y.append(w[p + "rtf.h0"] * now + (b * x).sum(-1))
        x = torch.cat([(now - (a * x).sum(-1))[..., None], x[..., :-1]], -1)
    return torch.stack(y, 1)


def mamba(mixer, w, p, h, linear):
    _, inner, states, rank, k = mixer
    x, z = linear(h, w[p + "ssm_in.weight"]).chunk(2, -1)
    taps = w[p + "ssm_conv1d.weight"].unsqueeze(1)
    x = F.silu(F.conv1d(F.pad(x.transpose(1, 2), (k - 1, 0)), taps, w[p + "ssm_conv1d.bias"], groups=inner).transpose(1, 2))
    if states:
        low, b, c = linear(x, w[p + "ssm_x.weight"]).split([rank, states, states], -1)
        dt = F.softplus(linear(low, w[p + "ssm_dt.weight"]) + w[p + "ssm_dt.bias"])
        a, s, y = -w[p + "ssm_a"].exp().view(inner, states), 0, []
        for t in range(h.shape[1]):
            s = (dt[:, t, :, None] * a).exp() * s + (dt * x)[:, t, :, None] * b[:, t, None]
            y.append((s * c[:, t, None]).sum(-1))
        x = torch.stack(y, 1) + w[p + "ssm_d"] * x
    return linear(x * F.silu(z), w[p + "ssm_out.weight"])


def cfc(w, p, h, linear):
    of = lambda part, x: linear(x, w[f"{p}cfc.{part}.weight"])
    biased = lambda part, x: of(part, x) + w[f"{p}cfc.{part}.bias"]
    inputs, state, y = biased("in", h), torch.zeros_like(h[:, 0]), []
    for x in inputs.unbind(1):
        z = 1.7159 * torch.tanh(0.666 * (x + of("state", state)))
        f1, f2, a, b = (biased(part, z) for part in GATES)
        gate = torch.sigmoid(a + b)
        state = f1.tanh() * (1 - gate) + gate * f2.tanh()
        y.append(state)
    return of("out", torch.stack(y, 1))


def mixed(mixer, w, p, h, linear):
    """Returns the change of the residual stream."""
    name = mixer[0]
    if name == "m1":
        return mamba(mixer, w, p, h, linear)
    if name == "cfc":
        return cfc(w, p, h, linear)
    b, c, v = linear(h, w[p + "shortconv.in_proj.weight"]).chunk(3, -1)
    return linear(c * (rational(w, p, b * v) if name == "rtf" else modal(name, w, p, b * v)), w[p + "shortconv.out_proj.weight"])
