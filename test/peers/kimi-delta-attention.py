"""Compares Kimi Delta Attention of the PyTorch trainer with transformers' KimiLinearDeltaAttention, in float32.

Prints the largest difference of the outputs relative to the largest output; ends with 1 above 1e-4. The module runs alone, because
its model needs other layers that we lack. Needs requirements.txt with transformers >= 5.24:  python test/peers/kimi-delta-attention.py
"""
import pathlib
import sys

import torch
import torch.nn.functional as F
from transformers.models.kimi_linear.configuration_kimi_linear import KimiLinearConfig
from transformers.models.kimi_linear.modeling_kimi_linear import KimiLinearDeltaAttention

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "profilers/pytorch"))
from edgefront_trainer.mixers.kda import Kda  # noqa: E402

LENGTH, EPSILON, LIMIT = 150, 1e-5, 1e-4


class Layout:
    eps = EPSILON

    def __init__(self, weights):
        self.tensors = {f"blk.0.{name}": tuple(reversed(w.shape)) for name, w in weights.items()}


class Network:
    linear = staticmethod(F.linear)

    def __init__(self, weights):
        self.w = {f"blk.0.{name}": w for name, w in weights.items()}


def weights_of(module):
    gate = module.forget_gate
    return {
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
    }


@torch.no_grad()
def difference(width, heads, head_dim, taps):
    config = KimiLinearConfig(
        hidden_size=width, num_hidden_layers=1, linear_num_heads=heads, linear_head_dim=head_dim, linear_conv_kernel_dim=taps,
        layer_types=["linear_attention"], rms_norm_eps=EPSILON)
    module = KimiLinearDeltaAttention(config, 0)
    for parameter in module.parameters():
        parameter.uniform_(-0.5, 0.5)
    module.forget_gate.A_log.uniform_(-3, 2)
    weights = weights_of(module)
    x = torch.randn(2, LENGTH, width)
    ours = F.linear(Kda(Layout(weights), 0)(Network(weights), "blk.0.", x), weights["ssm_out.weight"])
    theirs = module(x)
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


torch.manual_seed(1)
worst = max(difference(*sizes) for sizes in [(48, 3, 16, 4), (40, 1, 32, 3), (64, 4, 24, 2)])
print(f"largest relative difference {worst:.1e}, limit {LIMIT:.0e}")
sys.exit(worst > LIMIT)
