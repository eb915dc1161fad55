"""Recurrent mixers of make_infer_golden.py. Each follows its definition, token by token, in double. `vector(name, dims, kind)` makes a
tensor of the layer, as one flat array; `matrix(name, rows, ne0)` a matrix."""
import numpy as np


def rms(x, w, eps=1e-5):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * w


def silu(x):
    return x / (1 + np.exp(-x))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def modes(prefix, d, count, vector):
    """Returns step [d, 1], rates a and outputs c [d, count], and the skip [d]. `liquid` tensors lie between a and c."""
    made = lambda name, kind: vector(prefix + name, [count, d], kind).reshape(d, count)
    step = np.exp(vector(prefix + "dt", [1, d], "step"))[:, None]
    a = made("a_re", "half-rate") + 1j * made("a_im", "frequency")
    b = made("b_re", "complex") + 1j * made("b_im", "complex") if prefix == "ls4." else None
    c = made("c_re", "complex") + 1j * made("c_im", "complex")
    return step, a, b, c, vector(prefix + "d", [1, d], "taps")


def s4d(u, state, vector):
    step, a, _, c, skip = modes("s4d.", u.shape[1], state // 2, vector)
    decay = np.exp(step * a)
    c = c * (decay - 1) / a
    s, y = np.zeros_like(a), np.empty_like(u)
    for t in range(len(u)):
        s = decay * s + u[t][:, None]
        y[t] = 2 * (c * s).sum(1).real + skip * u[t]
    return y


def ls4(u, state, vector):
    step, a, b, c, skip = modes("ls4.", u.shape[1], state // 2, vector)
    decay = np.exp(step * a)
    b = (1 - np.abs(decay)) * b / (1 + np.abs(b))
    u = np.tanh(u)
    s, y = np.zeros_like(a), np.empty_like(u)
    for t in range(len(u)):
        s = (decay + b * u[t][:, None]) * s + b * u[t][:, None]
        y[t] = 2 * (c * s).sum(1).real + skip * u[t]
    return y


def rtf(u, state, vector):
    d = u.shape[1]
    a, b = (vector(f"rtf.{name}", [state, d], "bias").reshape(d, state) for name in "ab")
    slack, h0 = vector("rtf.slack", [1, d], "norm"), vector("rtf.h0", [1, d], "taps")
    a = a / (np.abs(a).sum(1) + np.abs(slack) + 1e-6)[:, None]
    x, y = np.zeros((d, state)), np.empty_like(u)
    for t in range(len(u)):
        y[t] = h0 * u[t] + (b * x).sum(1)
        x = np.hstack([(u[t] - (a * x).sum(1))[:, None], x[:, :-1]])
    return y


FILTERS = {"s4d": s4d, "ls4": ls4, "rtf": rtf}


def gated_filter(h, l, vector, matrix):
    """The mixer's output before its projection, [T, d]."""
    d = h.shape[1]
    b, c, v = np.split(h @ matrix("shortconv.in_proj", 3 * d, d).T, 3, axis=1)
    return c * FILTERS[l["filter"]](b * v, l["states"], vector)


def mamba(h, l, vector, matrix):
    """arXiv 2312.00752; without states only the convolution."""
    t, inner, states, rank, k = len(h), l["channels"], l["states"], l["rank"], l["k"]
    x, z = np.split(h @ matrix("ssm_in", 2 * inner, h.shape[1]).T, 2, axis=1)
    taps = vector("ssm_conv1d.weight", [k, inner], "taps").reshape(inner, k)
    padded = np.vstack([np.zeros((k - 1, inner)), x])
    x = silu(sum(padded[j : j + t] * taps[:, j] for j in range(k)) + vector("ssm_conv1d.bias", [inner], "bias"))
    if states:
        low, b, c = np.split(x @ matrix("ssm_x", rank + 2 * states, inner).T, [rank, rank + states], axis=1)
        dt = np.log1p(np.exp(low @ matrix("ssm_dt", inner, rank).T + vector("ssm_dt.bias", [inner], "step")))
        a = vector("ssm_a", [states, inner], "counted-rate").reshape(inner, states)
        skip, s, y = vector("ssm_d", [inner], "norm"), np.zeros((inner, states)), np.empty_like(x)
        for i in range(t):
            s = np.exp(a * dt[i][:, None]) * s + (dt[i] * x[i])[:, None] * b[i]
            y[i] = s @ c[i] + skip * x[i]
        x = y
    return x * silu(z)


def cfc(h, vector, matrix):
    """arXiv 2106.13898, as in the package ncps with all widths d."""
    d = h.shape[1]
    biased = lambda name: (matrix("cfc." + name, d, d), vector(f"cfc.{name}.bias", [d], "bias"))
    (into, bias), recurrent = biased("in"), matrix("cfc.state", d, d)
    heads = [biased(name) for name in ("f1", "f2", "time_a", "time_b")]
    state, out = np.zeros(d), np.empty_like(h)
    for t in range(len(h)):
        z = 1.7159 * np.tanh(0.666 * (into @ h[t] + recurrent @ state + bias))
        f1, f2, a, b = (m @ z + v for m, v in heads)
        gate = 1 / (1 + np.exp(-a - b))
        state = np.tanh(f1) * (1 - gate) + gate * np.tanh(f2)
        out[t] = state
    return out


def mamba2(h, l, vector, matrix):
    """The recurrence of arXiv 2405.21060 as its definition says, one head and one token at a time; without heads only the convolution."""
    t, inner, heads, states, groups, k = len(h), l["inner"], l["heads"], l["states"], l["groups"], l["k"]
    convolved = inner + 2 * groups * states
    projected = h @ matrix("ssm_in", inner + convolved + heads, h.shape[1]).T
    z, xbc, dt = np.split(projected, [inner, inner + convolved], axis=1)
    taps = vector("ssm_conv1d.weight", [k, convolved], "taps").reshape(convolved, k)
    padded = np.vstack([np.zeros((k - 1, convolved)), xbc])
    xbc = silu(sum(padded[j : j + t] * taps[:, j] for j in range(k)) + vector("ssm_conv1d.bias", [convolved], "bias"))
    x, b, c = np.split(xbc, [inner, inner + groups * states], axis=1)
    if heads:
        dt = np.log1p(np.exp(dt + vector("ssm_dt.bias", [heads], "step")))
        a, skip = vector("ssm_a", [1, heads], "decay"), vector("ssm_d", [1, heads], "norm")
        x, b, c = x.reshape(t, heads, -1), b.reshape(t, groups, states), c.reshape(t, groups, states)
        y = np.zeros_like(x)
        for head in range(heads):
            g = head // (heads // groups)
            s = np.zeros((x.shape[2], states))
            for i in range(t):
                s = np.exp(a[head] * dt[i, head]) * s + dt[i, head] * np.outer(x[i, head], b[i, g])
                y[i, head] = s @ c[i, g] + skip[head] * x[i, head]
        x = y.reshape(t, inner)
    x = (x * silu(z)).reshape(t, groups, inner // groups)
    return rms(x, vector("ssm_norm.weight", [inner // groups, groups], "norm").reshape(groups, -1)).reshape(t, inner)


def unit(x):
    return x / np.sqrt((x * x).sum() + 1e-6)


def delta_rule(q, k, v, decay, rate):
    """One head, token by token. q, k [T, dk], v [T, dv], decay and rate [T]."""
    state, out = np.zeros((k.shape[1], v.shape[1])), np.empty_like(v)
    for t in range(len(v)):
        key, query = unit(k[t]), unit(q[t]) / np.sqrt(k.shape[1])
        state = decay[t] * state
        state = state + np.outer(key, rate[t] * (v[t] - state.T @ key))
        out[t] = state.T @ query
    return out


def gated_delta_net(l, p, h, w):
    """The mixer's output before its projection, [T, heads * dv]. Without key heads: its short-convolution part."""
    t, d = h.shape
    hk, hv, dk, dv, taps = l["keys"], l["values"], l["dk"], l["dv"], l["taps"]
    channels = 2 * hk * dk + hv * dv
    x = np.vstack([np.zeros((taps - 1, channels)), h @ w(p + ("attn_qkv" if hk else "attn_v"), channels, d).T])
    z = h @ w(p + "attn_gate", hv * dv, d).T
    tap = w(p + "ssm_conv1d", channels, taps)
    x = silu(sum(x[j : j + t] * tap[:, j] for j in range(taps)))
    v = x[:, 2 * hk * dk :].reshape(t, hv, dv)
    if hk:
        rate = 1 / (1 + np.exp(-(h @ w(p + "ssm_beta", hv, d).T)))
        step = np.log(1 + np.exp(h @ w(p + "ssm_alpha", hv, d).T + w(p + "ssm_dt.bias", 1, hv, "step")))
        decay = np.exp(step * w(p + "ssm_a", 1, hv, "wide-decay"))
        q, k = (x[:, i * hk * dk : (i + 1) * hk * dk].reshape(t, hk, dk) for i in (0, 1))
        v = np.stack([delta_rule(q[:, j // (hv // hk)], k[:, j // (hv // hk)], v[:, j], decay[:, j], rate[:, j]) for j in range(hv)], 1)
    return rms(v, w(p + "ssm_norm", 1, dv, "norm")).reshape(t, -1) * silu(z)


def convolved(x, taps):
    past = np.vstack([np.zeros((taps.shape[1] - 1, x.shape[1])), x])
    return silu(sum(past[j : j + len(x)] * taps[:, j] for j in range(taps.shape[1])))


# Linear attention and its relatives. A layer has `linear` (its name), `many` heads of dk and dv channels, and `conv` taps.


def lin(l, p, h, w):
    (t, d), many, dim = h.shape, l["many"], l["dv"]
    q, k, v = np.split((h @ w(p + "attn_qkv", 3 * many * dim, d).T).reshape(t, 3 * many, dim), 3, axis=1)
    q, k = (np.where(x > 0, x + 1, np.exp(np.minimum(x, 0))) for x in (q, k))
    out = np.empty_like(v)
    for head in range(many):
        for i in range(t):
            weights = k[: i + 1, head] @ q[i, head]  # as attention over all earlier tokens, without a state
            out[i, head] = weights @ v[: i + 1, head] / (weights.sum() + 1e-6)
    return out.reshape(t, -1)


def gla(l, p, h, w):
    (t, d), many, dk, dv = h.shape, l["many"], l["dk"], l["dv"]
    qkv = h @ w(p + "attn_qkv", many * (2 * dk + dv), d).T
    z = h @ w(p + "attn_gate", many * dv, d).T
    low = h @ w(p + "ssm_f_a", 16, d).T @ w(p + "ssm_f_b", many * dk, 16).T
    alpha = (sigmoid(low + w(p + "ssm_f_b.bias", 1, many * dk, "bias")) ** (1 / 16)).reshape(t, many, dk)
    q, k, v = (x.reshape(t, many, -1) for x in np.split(qkv, [many * dk, 2 * many * dk], axis=1))
    out = np.empty_like(v)
    for head in range(many):
        state = np.zeros((dk, dv))
        for i in range(t):
            state = alpha[i, head][:, None] * state + np.outer(k[i, head], v[i, head])
            out[i, head] = state.T @ q[i, head] / np.sqrt(dk)
    return rms(out, w(p + "ssm_norm", 1, dv, "norm")).reshape(t, -1) * silu(z)


def kda(l, p, h, w):
    """Without keys (dk 0): the short-convolution part."""
    (t, d), many, dim, recurrent = h.shape, l["many"], l["dv"], l["dk"] > 0
    width = many * dim
    x = h @ w(p + ("attn_qkv" if recurrent else "attn_v"), width * (3 if recurrent else 1), d).T
    x = convolved(x, w(p + "ssm_conv1d", x.shape[1], l["conv"])).reshape(t, -1, dim)
    out = x[:, -many:]
    if recurrent:
        rate = sigmoid(h @ w(p + "ssm_beta", many, d).T)
        low = h @ w(p + "ssm_f_a", dim, d).T @ w(p + "ssm_f_b", width, dim).T
        step = np.log(1 + np.exp(low + w(p + "ssm_dt.bias", 1, width, "step"))).reshape(t, many, dim)
        decay = np.exp(step * w(p + "ssm_a", 1, many, "decay")[:, None])
        values, out = out, np.empty_like(out)
        for head in range(many):
            state = np.zeros((dim, dim))
            for i in range(t):
                q, k = (unit(y) for y in (x[i, head], x[i, many + head]))
                state = decay[i, head][:, None] * state
                state = state + np.outer(k, rate[i, head] * (values[i, head] - state.T @ k))
                out[i, head] = state.T @ q / np.sqrt(dim)
    gate = h @ w(p + "ssm_g_a", dim, d).T @ w(p + "ssm_g_b", width, dim).T
    return rms(out, w(p + "ssm_norm", 1, dim, "norm")).reshape(t, -1) * sigmoid(gate)


def linear_attention(l, p, h, w):
    """The mixer's output before its projection, [T, many * dv]."""
    return {"lin": lin, "gla": gla, "kda": kda, "kda.conv": kda}[l["linear"]](l, p, h, w)


def mixture_of_experts(n, l, vector):
    """Token by token: the experts of the largest score + bias, and their sum weighted by the scores alone."""
    count, used, width = l["experts"]
    d = n.shape[1]
    scores = 1 / (1 + np.exp(-(n @ vector("ffn_gate_inp.weight", [d, count], "matrix").reshape(count, d).T)))
    order = np.argsort(-(scores + vector("exp_probs_b.bias", [count], "bias")), axis=1, kind="stable")
    gate, up = (vector(f"ffn_{part}_exps.weight", [d, width, count], "matrix").reshape(count, width, d) for part in ("gate", "up"))
    down = vector("ffn_down_exps.weight", [width, d, count], "matrix").reshape(count, d, width)
    out = np.zeros_like(n)
    for t, chosen in enumerate(order[:, :used]):
        for e in chosen:
            out[t] += scores[t, e] / (scores[t, chosen].sum() + 1e-6) * (down[e] @ (silu(gate[e] @ n[t]) * (up[e] @ n[t])))
    return out
