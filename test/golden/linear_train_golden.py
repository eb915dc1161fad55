"""Linear attention, gated linear attention and Kimi Delta Attention in PyTorch, token by token, as their papers define them. Only
make_train_golden.py calls this. A mixer is (name, heads, dk, dv, taps); `linear(x, w)` is a linear layer.
"""
import math

import torch
import torch.nn.functional as F

NAMES = ("lin", "gla", "kda", "kda.conv")
OUTPUTS = {"lin": "attn_output.weight"}


def add_weights(mixer, d, add):
    """Calls add(name, shape, kind) for each tensor."""
    name, heads, dk, dv, taps = mixer
    width = heads * dv
    if name == "kda.conv":
        add("attn_v.weight", (width, d))
    else:
        add("attn_qkv.weight", (heads * (2 * dk + dv), d))
    if taps:
        add("ssm_conv1d.weight", (width if name == "kda.conv" else 3 * width, taps), "conv")
    if name == "gla":
        add("attn_gate.weight", (width, d))
        add("ssm_f_a.weight", (16, d))
        add("ssm_f_b.weight", (heads * dk, 16))
        add("ssm_f_b.bias", (heads * dk,), "bias")
    if name == "kda":
        add("ssm_beta.weight", (heads, d))
        add("ssm_f_a.weight", (dv, d))
        add("ssm_f_b.weight", (width, dv))
        add("ssm_dt.bias", (width,), "step")
        add("ssm_a", (heads,), "decay")
    if name.startswith("kda"):
        add("ssm_g_a.weight", (dv, d))
        add("ssm_g_b.weight", (width, dv))
    if name != "lin":
        add("ssm_norm.weight", (dv,), "norm")
    add(OUTPUTS.get(name, "ssm_out.weight"), (d, width))


def states(q, k, v, decay, rate):
    """q, k, decay [batch, length, heads, dk], v [.., dv], rate [batch, length, heads] or None -> [batch, length, heads, dv]"""
    s, outputs = 0, []
    for t in range(q.shape[1]):
        s = s * decay[:, t].unsqueeze(-1)
        u = v[:, t]
        if rate is not None:
            u = rate[:, t].unsqueeze(-1) * (u - (s * k[:, t].unsqueeze(-1)).sum(-2))
        s = s + k[:, t].unsqueeze(-1) * u.unsqueeze(-2)
        outputs.append((s * q[:, t].unsqueeze(-1)).sum(-2))
    return torch.stack(outputs, 1)


def lin(heads, x):
    q, k, v = x.unflatten(-1, (3, heads, -1)).unbind(2)
    q, k = (torch.where(y > 0, y + 1, y.clamp(max=0).exp()) for y in (q, k))
    sums = k.cumsum(1)
    return states(q, k, v, torch.ones_like(q), None) / ((sums * q).sum(-1, keepdim=True) + 1e-6)


def mixed(mixer, w, h, linear, rms):
    """w: tensors by their names in the layer. Returns the mixer's output before its projection."""
    name, heads, dk, dv, taps = mixer
    x = linear(h, w("attn_v.weight" if name == "kda.conv" else "attn_qkv.weight"))
    if name == "lin":
        return lin(heads, x).flatten(2)
    low = lambda a, b: linear(linear(h, w(a)), w(b))
    if name == "gla":
        q, k, v = (y.unflatten(-1, (heads, -1)) for y in x.split([heads * dk, heads * dk, heads * dv], -1))
        alpha = torch.sigmoid(low("ssm_f_a.weight", "ssm_f_b.weight") + w("ssm_f_b.bias")) ** (1 / 16)
        o = states(q / math.sqrt(dk), k, v, alpha.unflatten(-1, (heads, dk)), None)
        return rms(o, w("ssm_norm.weight")).flatten(2) * F.silu(linear(h, w("attn_gate.weight")))
    x = F.silu(F.conv1d(F.pad(x.transpose(1, 2), (taps - 1, 0)), w("ssm_conv1d.weight").unsqueeze(1), groups=x.shape[-1]).transpose(1, 2))
    if name == "kda.conv":
        o = x.unflatten(-1, (heads, dv))
    else:
        q, k, v = x.unflatten(-1, (3, heads, dv)).unbind(2)
        q, k = (y / (y.pow(2).sum(-1, keepdim=True) + 1e-6).sqrt() for y in (q, k))
        step = F.softplus(low("ssm_f_a.weight", "ssm_f_b.weight") + w("ssm_dt.bias")).unflatten(-1, (heads, dv))
        decay = torch.exp(-torch.exp(w("ssm_a"))[:, None] * step)
        o = states(q / math.sqrt(dv), k, v, decay, torch.sigmoid(linear(h, w("ssm_beta.weight"))))
    return rms(o, w("ssm_norm.weight")).flatten(2) * torch.sigmoid(low("ssm_g_a.weight", "ssm_g_b.weight"))
