"""Makes train_golden.txt: loss curves and first-step gradients of proxy training, by PyTorch in float64.

Written from kernels/README.md alone (blocks, seeded weights, schedule) as an independent check of kernels/train; autograd supplies every
gradient and torch.optim.AdamW the update. Needs torch and numpy:  python make_train_golden.py > train_golden.txt
With --bfloat16 the operands of linear layers are rounded, in fewer steps:  python make_train_golden.py --bfloat16 > train_golden_bf16.txt
Names of cases restrict the output to these:  python make_train_golden.py m2 >> train_golden.txt
"""
import math
import sys

import numpy as np
import torch
import torch.nn.functional as F

import linear_train_golden
import train_filters

M64 = (1 << 64) - 1
EPS = 1e-5
BFLOAT16 = "--bfloat16" in sys.argv[1:]


def splitmix(z):
    z = (z + 0x9E3779B97F4A7C15) & M64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & M64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M64
    return z ^ (z >> 31)


def splitmix_array(base, n):
    z = np.uint64(base) + np.arange(n, dtype=np.uint64)
    with np.errstate(over="ignore"):
        z = z + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def fnv(text):
    h = 0xCBF29CE484222325
    for c in text.encode():
        h = ((h ^ c) * 0x100000001B3) & M64
    return h


def uniform(seed, name, n):
    """u in [-1, 1) of element i, as the contract says."""
    return (splitmix_array(splitmix(seed) ^ fnv(name), n) >> np.uint64(40)).astype(np.float64) * 2.0**-23 - 1.0


def seeded(seed, name, shape, kind, layers):
    u = uniform(seed, name, int(np.prod(shape))).reshape(shape).astype(np.float32)
    offsets = {"norm": (1, 0.1), "bias": (0, 0.1), "decay": (-8.5, 7.5), "wide-decay": (-8.005, 7.995), "step": (-4.58, 2.33),
               "half-rate": (-0.5, 0), "counted-rate": (-1, 0), "frequency": (0, 0), "complex": (0, math.sqrt(1.5))}
    slopes = {"counted-rate": -1, "frequency": math.pi}
    if kind in offsets:
        w = np.float32(offsets[kind][0]) + np.float32(offsets[kind][1]) * u
        w = w + np.float32(slopes.get(kind, 0)) * np.arange(shape[-1], dtype=np.float32)
        w = np.log(-w) if kind.endswith(("decay", "rate")) else w  # trained as ln(-rate)
    else:
        w = np.float32(math.sqrt(3.0 / shape[-1])) * u
    if name.endswith(("out_proj.weight", "attn_output.weight", "ffn_down.weight", "ffn_down_exps.weight", "ssm_out.weight", "cfc.out.weight")):
        w = w * np.float32(1 / math.sqrt(2 * layers))
    return torch.tensor(w.astype(np.float64), requires_grad=True)


def make_weights(case):
    d, vocab, layers, seed = case["d"], case["vocab"], case["layers"], case["seed"]
    w = {}

    def add(name, shape, kind="matrix", flat=False):
        values = seeded(seed, name, shape, kind, len(layers))
        w[name] = values.detach().flatten().requires_grad_() if flat else values

    add("token_embd.weight", (vocab, d))
    for n, (mixer, ffn, options) in enumerate(layers):
        if case["weights_from"][n] != n:
            continue
        p = f"blk.{n}."
        add(p + "attn_norm.weight", (d,), "norm")
        if "sandwich" in options:
            add(p + "post_attention_norm.weight", (d,), "norm")
            add(p + "post_ffw_norm.weight", (d,), "norm")
        for mixer in (mixer, *options.get("beside", ())):
            if mixer[0] == "conv":
                add(p + "shortconv.in_proj.weight", (3 * d, d))
                add(p + "shortconv.conv.weight", (d, mixer[1]), "conv")
                add(p + "shortconv.out_proj.weight", (d, d))
            elif mixer[0] == "m2":
                _, inner, heads, states, groups, k = mixer
                convolved = inner + 2 * groups * states
                add(p + "ssm_in.weight", (inner + convolved + heads, d))
                add(p + "ssm_conv1d.weight", (convolved, k), "conv")
                add(p + "ssm_conv1d.bias", (convolved,), "bias")
                if heads:
                    add(p + "ssm_dt.bias", (heads,), "step")
                    add(p + "ssm_a", (heads,), "decay")
                    add(p + "ssm_d", (heads,), "norm")
                add(p + "ssm_norm.weight", (inner,), "norm")
                add(p + "ssm_out.weight", (d, inner))
            elif mixer[0] == "gdn":
                _, keys, values, dk, dv, k = mixer
                channels = 2 * keys * dk + values * dv
                add(p + ("attn_qkv.weight" if keys else "attn_v.weight"), (channels, d))
                add(p + "attn_gate.weight", (values * dv, d))
                add(p + "ssm_conv1d.weight", (channels, k), "conv")
                if keys:
                    add(p + "ssm_beta.weight", (values, d))
                    add(p + "ssm_alpha.weight", (values, d))
                    add(p + "ssm_dt.bias", (values,), "step")
                    add(p + "ssm_a", (values,), "wide-decay")
                add(p + "ssm_norm.weight", (dv,), "norm")
                add(p + "ssm_out.weight", (d, values * dv))
            elif mixer[0] in linear_train_golden.NAMES:
                linear_train_golden.add_weights(mixer, d, lambda name, *rest: add(p + name, *rest))
            elif mixer[0] != "attention":
                train_filters.add_tensors(mixer, d, p, add)
            else:
                _, heads, kv, hd, _, qk_norm, _ = mixer
                add(p + "attn_q.weight", (heads * hd, d))
                own = case["kv_from"][n] == n
                if own:
                    add(p + "attn_k.weight", (kv * hd, d))
                    add(p + "attn_v.weight", (kv * hd, d))
                add(p + "attn_output.weight", (d, heads * hd))
                if "gate" in options:
                    add(p + "attn_gate.weight", (heads, d))
                if qk_norm:
                    add(p + "attn_q_norm.weight", (hd,), "norm")
                if qk_norm and own:
                    add(p + "attn_k_norm.weight", (hd,), "norm")
        if ffn:
            add(p + "ffn_norm.weight", (d,), "norm")
        if isinstance(ffn, tuple):
            experts, _, width = ffn
            add(p + "ffn_gate_inp.weight", (experts, d))
            w[p + "exp_probs_b.bias"] = torch.zeros(experts)
            add(p + "ffn_gate_exps.weight", (experts, width, d))
            add(p + "ffn_up_exps.weight", (experts, width, d))
            add(p + "ffn_down_exps.weight", (experts, d, width))
        elif ffn:
            add(p + "ffn_gate.weight", (ffn, d))
            add(p + "ffn_up.weight", (ffn, d))
            add(p + "ffn_down.weight", (d, ffn))
    add("output_norm.weight", (d,), "norm")
    return w


class Rounded(torch.autograd.Function):
    """x @ w.T with the operands of all three products rounded to bfloat16; sums stay in the type of the tensors."""

    @staticmethod
    def bf16(x):
        return x.float().bfloat16().to(x.dtype)

    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(Rounded.bf16(x), Rounded.bf16(w))
        return Rounded.bf16(x) @ Rounded.bf16(w).T

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        g = Rounded.bf16(g)
        return g @ w, g.flatten(0, -2).T @ x.flatten(0, -2)


def linear(x, w):
    return Rounded.apply(x, w) if BFLOAT16 else x @ w.T


def rms(x, weight):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPS) * weight


def rope(x, base, rotated):
    """x [batch, heads, T, hd], pairs (i, i + hd/2); those beyond `rotated` channels stand still."""
    half = x.shape[-1] // 2
    angle = torch.outer(torch.arange(x.shape[2], dtype=x.dtype), base ** (-torch.arange(half, dtype=x.dtype) * 2 / x.shape[-1]))
    angle[:, rotated // 2 :] = 0
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], -1)


def mamba2(mixer, w, p, h):
    """The recurrence as arXiv 2405.21060 defines it, token by token."""
    _, inner, heads, states, groups, k = mixer
    batch, length, _ = h.shape
    convolved = inner + 2 * groups * states
    z, x, dt = linear(h, w[p + "ssm_in.weight"]).split([inner, convolved, heads], -1)
    x = F.conv1d(F.pad(x.transpose(1, 2), (k - 1, 0)), w[p + "ssm_conv1d.weight"].unsqueeze(1), w[p + "ssm_conv1d.bias"], groups=convolved)
    x = F.silu(x.transpose(1, 2))
    if heads:
        x, b, c = x.split([inner, groups * states, groups * states], -1)
        x = x.reshape(batch, length, heads, -1)
        b, c = (v.reshape(batch, length, groups, states).repeat_interleave(heads // groups, 2) for v in (b, c))
        dt = F.softplus(dt + w[p + "ssm_dt.bias"])
        s, y = torch.zeros(batch, heads, x.shape[-1], states, dtype=x.dtype), []
        for t in range(length):
            decay = torch.exp(-torch.exp(w[p + "ssm_a"]) * dt[:, t])
            s = s * decay[..., None, None] + (dt[:, t, :, None] * x[:, t]).unsqueeze(-1) * b[:, t].unsqueeze(-2)
            y.append((s * c[:, t].unsqueeze(-2)).sum(-1))
        x = (torch.stack(y, 1) + w[p + "ssm_d"][:, None] * x).flatten(2)
    u = (x * F.silu(z)).view(batch, length, groups, -1)
    return rms(u, w[p + "ssm_norm.weight"].view(groups, -1)).flatten(2)


def gated_delta_net(mixer, w, p, h):
    """The recurrence as arXiv 2412.06464 defines it, token by token."""
    _, keys, values, dk, dv, k = mixer
    batch, length, _ = h.shape
    taps = w[p + "ssm_conv1d.weight"]
    x = linear(h, w[p + ("attn_qkv.weight" if keys else "attn_v.weight")]).transpose(1, 2)
    x = F.silu(F.conv1d(F.pad(x, (k - 1, 0)), taps.unsqueeze(1), groups=len(taps)).transpose(1, 2))
    o = x[..., 2 * keys * dk :].reshape(batch, length, values, dv)
    if keys:
        q, key = x[..., : 2 * keys * dk].reshape(batch, length, 2, keys, dk).unbind(2)
        q, key = (v / (v.pow(2).sum(-1, keepdim=True) + 1e-6).sqrt() for v in (q, key))
        q, key = (v.repeat_interleave(values // keys, 2) for v in (q / math.sqrt(dk), key))
        rate = torch.sigmoid(linear(h, w[p + "ssm_beta.weight"]))
        step = F.softplus(linear(h, w[p + "ssm_alpha.weight"]) + w[p + "ssm_dt.bias"])
        decay = torch.exp(-torch.exp(w[p + "ssm_a"]) * step)
        s, outputs = torch.zeros(batch, values, dk, dv, dtype=x.dtype), []
        for t in range(length):
            s = s * decay[:, t, :, None, None]
            u = rate[:, t, :, None] * (o[:, t] - (s * key[:, t].unsqueeze(-1)).sum(-2))
            s = s + key[:, t].unsqueeze(-1) * u.unsqueeze(-2)
            outputs.append((s * q[:, t].unsqueeze(-1)).sum(-2))
        o = torch.stack(outputs, 1)
    return rms(o, w[p + "ssm_norm.weight"]).flatten(2) * F.silu(linear(h, w[p + "attn_gate.weight"]))


def mixture_of_experts(ffn, w, p, h):
    """Token by token. Leaves the number of tokens that chose an expert as the gradient of its bias."""
    experts, used, _ = ffn
    rows = h.flatten(0, 1)
    scores, bias = torch.sigmoid(linear(rows, w[p + "ffn_gate_inp.weight"])), w[p + "exp_probs_b.bias"]
    bias.grad = torch.zeros(experts)
    out = []
    for x, s in zip(rows, scores):
        values = (s + bias).tolist()
        chosen = sorted(range(experts), key=lambda e: (-values[e], e))[:used]
        bias.grad[chosen] += 1
        total, y = sum(s[e] for e in chosen) + 1e-6, 0
        for e in chosen:
            gate, up, down = (w[p + f"ffn_{part}_exps.weight"][e] for part in ("gate", "up", "down"))
            y = y + s[e] / total * linear(F.silu(linear(x[None], gate)) * linear(x[None], up), down)[0]
        out.append(y)
    return torch.stack(out).view_as(h)


def forward(case, w, tokens):
    x = w["token_embd.weight"][tokens]
    batch, length, d = x.shape
    cached = {}
    for n, (mixer, ffn, options) in enumerate(case["layers"]):
        p = f"blk.{case['weights_from'][n]}."

        def normed(y, name):
            return rms(y, w[p + name]) if p + name in w else y

        h = rms(x, w[p + "attn_norm.weight"])
        out = 0
        for mixer in (mixer, *options.get("beside", ())):
            if mixer[0] == "conv":
                b, c, v = linear(h, w[p + "shortconv.in_proj.weight"]).chunk(3, -1)
                k = mixer[1]
                y = F.pad((b * v).transpose(1, 2), (k - 1, 0))
                z = F.conv1d(y, w[p + "shortconv.conv.weight"].unsqueeze(1), groups=d).transpose(1, 2)
                out += linear(c * z, w[p + "shortconv.out_proj.weight"])
            elif mixer[0] == "m2":
                out += linear(mamba2(mixer, w, p, h), w[p + "ssm_out.weight"])
            elif mixer[0] == "gdn":
                out += linear(gated_delta_net(mixer, w, p, h), w[p + "ssm_out.weight"])
            elif mixer[0] in linear_train_golden.NAMES:
                mixed = linear_train_golden.mixed(mixer, lambda name: w[p + name], h, linear, rms)
                out += linear(mixed, w[p + linear_train_golden.OUTPUTS.get(mixer[0], "ssm_out.weight")])
            elif mixer[0] != "attention":
                out += train_filters.mixed(mixer, w, p, h, linear)
            else:
                _, heads, kv, hd, window, qk_norm, base = mixer
                rotated = options.get("rotated", hd)
                q = linear(h, w[p + "attn_q.weight"]).view(batch, length, heads, hd).transpose(1, 2)
                source = case["kv_from"][n]
                if source == n:
                    k = linear(h, w[p + "attn_k.weight"]).view(batch, length, kv, hd).transpose(1, 2)
                    v = linear(h, w[p + "attn_v.weight"]).view(batch, length, kv, hd).transpose(1, 2)
                    cached[n] = rope(rms(k, w[p + "attn_k_norm.weight"]) if qk_norm else k, base, rotated), v
                k, v = cached[source]
                q = rope(rms(q, w[p + "attn_q_norm.weight"]) if qk_norm else q, base, rotated)
                at = torch.arange(length)
                gap = at[:, None] - at[None, :]
                visible = (gap >= 0) if window == 0 else (gap >= 0) & (gap < window)
                k, v = k.repeat_interleave(heads // kv, 1), v.repeat_interleave(heads // kv, 1)
                scores = (q @ k.transpose(2, 3) / math.sqrt(hd)).masked_fill(~visible, -math.inf)
                o = (scores.softmax(-1) @ v).transpose(1, 2)
                if "gate" in options:
                    o = o * torch.sigmoid(linear(h, w[p + "attn_gate.weight"])).unsqueeze(-1)
                out += linear(o.reshape(batch, length, heads * hd), w[p + "attn_output.weight"])
        x = x + normed(out, "post_attention_norm.weight")
        if not ffn:
            continue
        h = rms(x, w[p + "ffn_norm.weight"])
        if isinstance(ffn, tuple):
            y = mixture_of_experts(ffn, w, p, h)
        else:
            y = linear(F.silu(linear(h, w[p + "ffn_gate.weight"])) * linear(h, w[p + "ffn_up.weight"]), w[p + "ffn_down.weight"])
        x = x + normed(y, "post_ffw_norm.weight")
    return linear(rms(x, w["output_norm.weight"]), w["token_embd.weight"])


def batch_of(case, step):
    """Tokens drawn from a counter; the target is a function of this token and the one two back, every fifth position unscored."""
    b, t, v = case["batch"], case["length"], case["vocab"]
    tokens = (splitmix_array(1 + step * b * t, b * t) % np.uint64(v)).astype(np.int64).reshape(b, t)
    back = np.concatenate([np.zeros((b, 2), np.int64), tokens[:, :-2]], 1)
    targets = (tokens + 3 * back) % v
    targets[:, ::5] = -100
    return torch.tensor(tokens), torch.tensor(targets)


def conv(k, ffn):
    return (("conv", k), ffn, {})


def gqa(heads, kv, hd, ffn, window=0, qk_norm=True, base=10000.0, **options):
    return (("attention", heads, kv, hd, window, qk_norm, base), ffn, options)


def sandwich(layer):
    mixer, ffn, options = layer
    return (mixer, ffn, dict(options, sandwich=1))


def beside(attention, layer):
    """Attention parallel to the mixer of a layer, with its FFN."""
    (mixer, _, options), (other, ffn, more) = attention, layer
    return (mixer, ffn, dict(options, **more, beside=(other,)))


def m2(inner, heads, states, groups, k, ffn):
    return (("m2", inner, heads, states, groups, k), ffn, {})


def gdn(keys, values, dk, dv, k, ffn):
    return (("gdn", keys, values, dk, dv, k), ffn, {})


def with_heads(name, heads, dk, dv, k, ffn):
    return ((name, heads, dk, dv, k), ffn, {})


def mixer_of(name, *sizes, ffn):
    return ((name, *sizes), ffn, {})


def sharing():
    """Layers 0 to 4 read their own weights; 5 to 8 are layers 0, 1, 2 and 1 again. The keys and values of 1, 3, 6 and 8 are read by others."""
    layers = [conv(3, 40), gqa(5, 1, 10, 50), gqa(5, 1, 10, 33), gqa(3, 3, 16, 40, qk_norm=False, window=9), gqa(3, 3, 16, 24, qk_norm=False, window=9)]
    order = [0, 1, 2, 1]
    return layers + [layers[n] for n in order], dict(weights_from=[0, 1, 2, 3, 4, *order], kv_from=[0, 1, 1, 3, 3, 5, 6, 6, 8], steps=40)


# Name, width, layers, and settings that are not those of SETTINGS. Rounding grows fast through the delta rule and repeated layers: after
# 100 steps PyTorch in float32 is 1e-3 off its own float64. The same holds for the frequencies of complex modes.
CASES = [
    ("all-conv", 32, [conv(2, 48), conv(3, 64), conv(8, 40)]),
    ("all-attention", 32, [gqa(2, 1, 16, 64), gqa(2, 2, 16, 64, qk_norm=False), gqa(4, 1, 8, 80, base=1e6)]),
    ("hybrid", 64, [conv(3, 96), gqa(4, 2, 16, 96), conv(4, 96), gqa(4, 4, 16, 96, window=7)]),
    ("windows", 32, [gqa(2, 1, 16, 48, window=1), gqa(2, 1, 16, 48, window=16), gqa(2, 1, 16, 48, window=33)]),
    ("odd-widths", 40, [conv(5, 33), gqa(5, 1, 10, 71), conv(7, 17), gqa(3, 3, 24, 50, qk_norm=False, window=9)]),
    ("mqa", 48, [gqa(6, 1, 32, 100), conv(6, 100)]),
    ("one-conv", 16, [conv(1, 24)]),
    ("one-attention", 32, [gqa(1, 1, 32, 48, qk_norm=False)]),
    ("lfm2-like", 64, [conv(3, 128), conv(3, 128), gqa(4, 2, 16, 128, base=1e6), conv(3, 128), gqa(4, 2, 16, 128, base=1e6)]),
    ("window-and-full", 32, [gqa(2, 1, 16, 64, window=4), gqa(2, 1, 16, 64), conv(4, 64), gqa(2, 1, 16, 64, window=12)]),
    ("deep", 16, [conv(3, 32), gqa(1, 1, 16, 32)] * 4),
    ("wide-ffn", 24, [conv(2, 200), gqa(3, 1, 8, 200)]),
    ("m2", 32, [m2(64, 4, 16, 1, 4, 64), m2(64, 4, 16, 1, 4, 64)]),
    ("m2-hybrid", 40, [m2(80, 8, 20, 2, 3, 33), gqa(5, 1, 10, 50), m2(54, 0, 0, 1, 5, 40), conv(3, 40)]),
    ("gdn", 32, [gdn(2, 2, 16, 16, 4, 64), gdn(4, 4, 8, 16, 4, 64)], dict(steps=40)),
    ("gdn-hybrid", 40, [gdn(2, 4, 10, 20, 3, 33), gqa(5, 1, 10, 50), gdn(0, 3, 0, 14, 4, 40), gdn(1, 3, 24, 12, 2, 40)], dict(steps=40)),
    ("gates", 32, [gqa(4, 2, 8, 48, gate=1), gqa(3, 1, 14, 40, window=9, qk_norm=False, rotated=6, gate=1), gqa(2, 1, 16, 64, rotated=0)]),
    ("lfm3-like", 40, [sandwich(conv(7, 50)), sandwich(gqa(4, 1, 10, 64, base=1e6, rotated=4, gate=1)), sandwich(m2(40, 4, 8, 1, 3, 33)),
                       sandwich(gqa(4, 1, 10, 64, window=9, gate=1)), conv(3, 40)]),
    ("linear", 40, [with_heads("lin", 3, 10, 10, 0, 33), gqa(5, 1, 10, 50), with_heads("lin", 2, 16, 16, 0, 40)], dict(steps=40)),
    ("gated-linear", 40, [with_heads("gla", 2, 10, 20, 0, 33), gqa(5, 1, 10, 50), with_heads("gla", 3, 16, 8, 0, 40)], dict(steps=40)),
    ("kimi-delta", 40, [with_heads("kda", 2, 20, 20, 3, 33), with_heads("kda.conv", 3, 0, 14, 4, 40), gqa(5, 1, 10, 50),
                        with_heads("kda", 3, 10, 10, 2, 40)], dict(steps=20)),
    ("moe", 32, [conv(3, (4, 2, 24)), gqa(2, 1, 16, (5, 2, 40))], dict(steps=15)),
    ("moe-hybrid", 24, [conv(3, 48), gqa(2, 1, 12, 0), conv(2, (3, 3, 17)), conv(3, (6, 2, 20))], dict(steps=15)),
    ("filters", 40, [mixer_of("s4d", 16, ffn=33), mixer_of("rtf", 5, ffn=40), gqa(5, 1, 10, 50), mixer_of("ls4", 8, ffn=40),
                     mixer_of("rtf", 1, ffn=24), mixer_of("s4d", 2, ffn=24)], dict(steps=12)),
    ("m1", 40, [mixer_of("m1", 80, 16, 3, 4, ffn=33), mixer_of("m1", 44, 5, 17, 2, ffn=40), gqa(5, 1, 10, 50), mixer_of("m1", 54, 0, 0, 5, ffn=40)], dict(steps=40)),
    ("cfc", 40, [mixer_of("cfc", ffn=33), gqa(5, 1, 10, 50), mixer_of("cfc", ffn=40)], dict(steps=40)),
    ("sharing", 40, *sharing()),
    ("parallel", 40, [beside(gqa(5, 1, 10, 0, rotated=6, gate=1), m2(36, 4, 10, 2, 4, 50)), conv(3, 33),
                      beside(gqa(3, 3, 16, 0, qk_norm=False, window=9), sandwich(gdn(1, 2, 10, 20, 3, 40))),
                      beside(gqa(2, 1, 24, 0), conv(5, 24))], dict(steps=40)),
]
SETTINGS = dict(vocab=37, length=41, batch=6, steps=100, seed=7, rate=3e-3, min_rate=3e-4, warmup=10, beta1=0.9, beta2=0.95, eps=1e-8, decay=0.1, clip=1.0)


def main():
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(2)
    names = [x for x in sys.argv[1:] if not x.startswith("--")]
    for name, d, layers, *other in CASES:
        if names and name not in names:
            continue
        own = list(range(len(layers)))
        case = dict(SETTINGS, d=d, layers=layers, weights_from=own, kv_from=own)
        case.update(*other, **({"steps": 20} if BFLOAT16 else {}))
        w = make_weights(case)
        decayed = [v for k, v in w.items() if v.dim() > 1 and not k.endswith(("conv.weight", "conv1d.weight"))]
        trained = [v for v in w.values() if v.requires_grad]
        rest = [v for v in trained if all(v is not m for m in decayed)]
        optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": case["decay"]}, {"params": rest, "weight_decay": 0.0}],
            lr=case["rate"], betas=(case["beta1"], case["beta2"]), eps=case["eps"])
        print("case", name, d, *(case[k] for k in ("vocab", "length", "batch", "steps", "seed", "rate", "min_rate", "warmup", "decay", "clip")))
        for mixer, ffn, options in layers:
            experts = isinstance(ffn, tuple)
            others = options.get("beside", ())
            for kind, one in (("layer", mixer), *(("beside", other) for other in others)):
                width = 0 if experts or (others and kind == "layer") else ffn
                shown = [x for key, value in options.items() if key == "sandwich" or (kind == "layer" and key != "beside") for x in (key, value)]
                print(kind, *(int(x) if isinstance(x, bool) else x for x in one), width, *shown)
            if experts:
                print("experts", *ffn)
        for key in ("weights_from", "kv_from"):
            if case[key] != own:
                print(key, *case[key])
        losses = []
        for step in range(1, case["steps"] + 1):
            if step <= case["warmup"]:
                rate = case["rate"] * step / case["warmup"]
            else:
                done = (step - case["warmup"]) / (case["steps"] - case["warmup"])
                rate = case["min_rate"] + 0.5 * (case["rate"] - case["min_rate"]) * (1 + math.cos(math.pi * done))
            for group in optimizer.param_groups:
                group["lr"] = rate
            tokens, targets = batch_of(case, step - 1)
            loss = F.cross_entropy(forward(case, w, tokens).flatten(0, 1), targets.flatten(), ignore_index=-100)
            optimizer.zero_grad()
            loss.backward()
            if step == 1:
                for key, v in w.items():
                    direction = torch.tensor(uniform(99, key, v.numel())).view(v.shape)
                    print("grad", key, f"{v.grad.norm():.9e} {(v.grad * direction).sum():.9e}")
            torch.nn.utils.clip_grad_norm_(trained, case["clip"])
            optimizer.step()
            for bias in (v for v in w.values() if not v.requires_grad):
                bias += 1e-3 * torch.sign(bias.grad.mean() - bias.grad)
            losses.append(loss.item())
        print("losses", *(f"{x:.8f}" for x in losses))
        print(name, losses[0], losses[-1], file=sys.stderr)


if __name__ == "__main__":
    main()
