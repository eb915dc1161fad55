"""Compares mixers of the PyTorch trainer with modules that others wrote, in float32: each with the same weights and inputs.

Each alone, because the models around these modules need layers that a layout lacks. Prints JSON lines {"mixer", "peer", "relativeError"}: the
largest difference relative to the largest output, of several sizes. Run by test/peers/compare-torch.ts; needs requirements.txt.
"""
import json
import pathlib
import sys

import torch
import torch.nn.functional as F
from ncps.torch import CfC
from s5.s5_model import apply_ssm, apply_ssm_liquid, discretize_zoh
from transformers.models.kimi_linear.configuration_kimi_linear import KimiLinearConfig
from transformers.models.kimi_linear.modeling_kimi_linear import KimiLinearDeltaAttention
from transformers.models.olmo_hybrid.configuration_olmo_hybrid import OlmoHybridConfig
from transformers.models.olmo_hybrid.modeling_olmo_hybrid import OlmoHybridGatedDeltaNet

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "profilers/pytorch"))
from edgefront_trainer.mixers.cfc import Cfc  # noqa: E402
from edgefront_trainer.mixers.gdn import Gdn  # noqa: E402
from edgefront_trainer.mixers.kda import Kda  # noqa: E402
from edgefront_trainer.mixers.s4d import Ls4, S4d  # noqa: E402

LENGTH, EPSILON = 150, 1e-5


class Layout:
    eps = EPSILON

    def __init__(self, weights, keys):
        self.tensors = {f"blk.0.{name}": tuple(reversed(w.shape)) for name, w in weights.items()}
        self.keys = keys

    def of_layer(self, key, n):
        return self.keys[key]


class Network:
    linear = staticmethod(F.linear)

    def __init__(self, weights):
        self.w = {f"blk.0.{name}": w for name, w in weights.items()}


def outputs(mixer, weights, x, **keys):
    """The layer's output: the mixer's, projected. `keys` are metadata that no tensor shows."""
    inner = mixer(Layout(weights, {key.replace("_", ".", 1): value for key, value in keys.items()}), 0)(Network(weights), "blk.0.", x)
    return F.linear(inner, weights[mixer.OUTPUT])


def uniform(module):
    for parameter in module.parameters():
        parameter.uniform_(-0.5, 0.5)
    return module


def kda(width, heads, head_dim, taps):
    module = uniform(KimiLinearDeltaAttention(KimiLinearConfig(
        hidden_size=width, num_hidden_layers=1, linear_num_heads=heads, linear_head_dim=head_dim, linear_conv_kernel_dim=taps,
        layer_types=["linear_attention"], rms_norm_eps=EPSILON), 0))
    gate = module.forget_gate
    gate.A_log.uniform_(-3, 2)
    x = torch.randn(2, LENGTH, width)
    return module(x), outputs(Kda, {
        "attn_qkv.weight": torch.cat([module.q_proj.weight, module.k_proj.weight, module.v_proj.weight]),
        "ssm_conv1d.weight": module.conv1d.weight[:, 0],
        "ssm_beta.weight": module.b_proj.weight,
        "ssm_f_a.weight": gate.f_a_proj.weight,
        "ssm_f_b.weight": gate.f_b_proj.weight,
        "ssm_dt.bias": gate.dt_bias,
        "ssm_a": gate.A_log.flatten(),  # the trainer keeps ln(-a)
        "ssm_g_a.weight": module.g_a_proj.weight,
        "ssm_g_b.weight": module.g_b_proj.weight,
        "ssm_norm.weight": module.o_norm.weight,
        "ssm_out.weight": module.o_proj.weight,
    }, x)


def gdn(width, key_heads, value_heads, key_dim, value_dim, taps):
    module = uniform(OlmoHybridGatedDeltaNet(OlmoHybridConfig(
        hidden_size=width, num_hidden_layers=2, num_attention_heads=2, linear_num_key_heads=key_heads, linear_num_value_heads=value_heads,
        linear_key_head_dim=key_dim, linear_value_head_dim=value_dim, linear_conv_kernel_dim=taps, rms_norm_eps=EPSILON,
        layer_types=["linear_attention", "full_attention"], linear_allow_neg_eigval=False), 0))
    module.A_log.uniform_(-3, 2)
    x = torch.randn(2, LENGTH, width)
    return module(x), outputs(Gdn, {
        "attn_qkv.weight": torch.cat([module.q_proj.weight, module.k_proj.weight, module.v_proj.weight]),
        "attn_gate.weight": module.g_proj.weight,
        "ssm_conv1d.weight": module.conv1d.weight[:, 0],
        "ssm_beta.weight": module.b_proj.weight,
        "ssm_alpha.weight": module.a_proj.weight,
        "ssm_dt.bias": module.dt_bias,
        "ssm_a": module.A_log,
        "ssm_norm.weight": module.o_norm.weight,
        "ssm_out.weight": module.o_proj.weight,
    }, x, ssm_group_count=key_heads)


def cfc(width):
    module = uniform(CfC(width, width, proj_size=width, batch_first=True, backbone_units=width, backbone_layers=1))
    module.fc.bias.zero_()
    cell, x = module.rnn_cell, torch.randn(2, LENGTH, width)
    inputs, state = cell.backbone[0].weight.split(width, 1)
    heads = {"f1": cell.ff1, "f2": cell.ff2, "time_a": cell.time_a, "time_b": cell.time_b}
    return module(x)[0], outputs(Cfc, {
        "cfc.in.weight": inputs,
        "cfc.in.bias": cell.backbone[0].bias,
        "cfc.state.weight": state,
        "cfc.out.weight": module.fc.weight,
        **{f"cfc.{name}.{part}": getattr(head, part) for name, head in heads.items() for part in ("weight", "bias")},
    }, x)


def filtered(name, channels, modes, theirs):
    """Runs a filter alone. theirs(a, step, b, c, d, u) is one channel's, with complex vectors of modes and u [length, 1]."""
    pair = lambda: torch.complex(torch.randn(channels, modes), torch.randn(channels, modes))
    a = torch.complex(-torch.rand(channels, modes) - 0.1, torch.pi * torch.arange(modes).repeat(channels, 1))
    step, b, c, d, u = torch.rand(channels) * 4 - 6, pair(), pair(), torch.randn(channels), torch.randn(1, LENGTH, channels)
    values = {"dt": step, "a_re": (-a.real).log(), "a_im": a.imag, "b_re": b.real, "b_im": b.imag, "c_re": c.real, "c_im": c.imag, "d": d}
    mixer = {"s4d": S4d, "ls4": Ls4}[name](None, 0)
    got = mixer.filter({f"{name}.{key}": value for key, value in values.items()}, "", u)
    want = [theirs(a[n], step[n].exp(), b[n], c[n], d[n], u[0, :, n : n + 1]) for n in range(channels)]
    return torch.cat(want, 1)[None], got


def s4d(channels, modes):
    """S5 of one channel whose inputs all have weight 1: the zero-order hold then stands before the state, not after it."""
    def theirs(a, step, b, c, d, u):
        rates, inputs = discretize_zoh(a, torch.ones(modes, 1, dtype=a.dtype), step)
        return apply_ssm(rates, inputs, 2 * c[None], d, u)[0]

    return filtered("s4d", channels, modes, theirs)


def ls4(channels, modes):
    """Liquid S5 of one channel, with the inputs that keep its state bounded."""
    def theirs(a, step, b, c, d, u):
        rates = (step * a).exp()
        inputs = (1 - rates.abs()) * b / (1 + b.abs())
        return apply_ssm_liquid(rates, inputs[:, None], 2 * c[None], d, u.tanh())[0]

    return filtered("ls4", channels, modes, theirs)


PEERS = [
    (kda, "KimiLinearDeltaAttention of transformers", [(48, 3, 16, 4), (40, 1, 32, 3), (64, 4, 24, 2)]),
    (gdn, "OlmoHybridGatedDeltaNet of transformers", [(48, 2, 4, 16, 24, 4), (40, 1, 3, 32, 8, 3), (64, 4, 4, 16, 16, 2)]),
    (cfc, "CfC of ncps", [(24,), (40,)]),
    (s4d, "S5 of s5-pytorch, a channel at a time", [(12, 8), (5, 32)]),
    (ls4, "liquid S5 of s5-pytorch, a channel at a time", [(12, 8), (5, 32)]),
]
torch.manual_seed(1)
with torch.no_grad():
    for compared, peer, sizes in PEERS:
        errors = []
        for size in sizes:
            want, got = compared(*size)
            errors.append(((got - want).abs().max() / want.abs().max()).item())
        print(json.dumps({"mixer": compared.__name__, "peer": peer, "relativeError": max(errors)}))
