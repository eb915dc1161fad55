"""PyTorch's reference for test/peers/compare-torch.ts.

Reads JSON lines {"file": F32 GGUF, "config": config.json, "tokens", "out", "weightsFrom", "kvFrom"} from stdin. Each
model is the class of transformers that the config names, with the file's weights. The last two fields have the layer
whose weights, keys and values each layer uses. Its logits are written to `out` as little-endian float32 [tokens][V].
Needs torch, transformers and gguf (requirements.txt).
"""
import json
import sys

import torch
from gguf import GGUFReader
from transformers import AutoConfig, AutoModelForCausalLM

# GGUF name inside a layer -> transformers name, by model type; gate, up and down are w1, w3 and w2 in Lfm2.
LFM2 = {
    "attn_norm": "operator_norm", "ffn_norm": "ffn_norm",
    "ffn_gate": "feed_forward.w1", "ffn_up": "feed_forward.w3", "ffn_down": "feed_forward.w2",
    "shortconv.in_proj": "conv.in_proj", "shortconv.conv": "conv.conv", "shortconv.out_proj": "conv.out_proj",
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.out_proj", "attn_q_norm": "self_attn.q_layernorm", "attn_k_norm": "self_attn.k_layernorm",
}
LFM2_MOE = LFM2 | {
    "ffn_gate_inp": "feed_forward.gate", "exp_probs_b.bias": "feed_forward.expert_bias",
    "ffn_gate_up_exps": "feed_forward.experts.gate_up_proj", "ffn_down_exps": "feed_forward.experts.down_proj",
}
LFM3 = LFM2 | {
    "attn_output": "self_attn.o_proj", "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm",
    "attn_gate": "self_attn.g_proj", "post_attention_norm": "post_operator_norm", "post_ffw_norm": "post_ffn_norm",
}
GRANITE = {
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "ffn_down": "shared_mlp.output_linear",
    "ffn_gate_up": "shared_mlp.input_linear",
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
    "ssm_in": "mamba.in_proj", "ssm_conv1d": "mamba.conv1d", "ssm_norm": "mamba.norm", "ssm_out": "mamba.out_proj",
    "ssm_conv1d.bias": "mamba.conv1d.bias", "ssm_dt.bias": "mamba.dt_bias", "ssm_a": "mamba.A_log", "ssm_d": "mamba.D",
}
QWEN = {
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm",
    "attn_qkv": "linear_attn.in_proj_qkv", "attn_gate": "linear_attn.in_proj_z", "ssm_beta": "linear_attn.in_proj_b",
    "ssm_alpha": "linear_attn.in_proj_a", "ssm_dt.bias": "linear_attn.dt_bias", "ssm_a": "linear_attn.A_log",
    "ssm_conv1d": "linear_attn.conv1d", "ssm_norm": "linear_attn.norm", "ssm_out": "linear_attn.out_proj",
}
MAMBA2 = {
    "attn_norm": "norm", "ssm_in": "mixer.in_proj", "ssm_conv1d": "mixer.conv1d", "ssm_conv1d.bias": "mixer.conv1d.bias",
    "ssm_dt.bias": "mixer.dt_bias", "ssm_a": "mixer.A_log", "ssm_d": "mixer.D", "ssm_norm": "mixer.norm", "ssm_out": "mixer.out_proj",
}
MAMBA = MAMBA2 | {"ssm_x": "mixer.x_proj", "ssm_dt": "mixer.dt_proj", "ssm_dt.bias": "mixer.dt_proj.bias"}


FALCON = GRANITE | {
    "ffn_norm": "pre_ff_layernorm",
    "ffn_gate": "feed_forward.gate_proj", "ffn_up": "feed_forward.up_proj", "ffn_down": "feed_forward.down_proj",
}


def halves(weight, heads):
    """Rows of each head in the order of transformers' RoPE, pairs (i, i + hd/2), from pairs (2i, 2i+1)."""
    pairs = weight.view(heads, -1, 2, weight.shape[1])
    return pairs.transpose(1, 2).reshape(weight.shape)


def granite(layer, config, architecture):
    """Joins and converts the tensors of one layer, by GGUF name, to the forms that the class keeps."""
    layer["ffn_gate_up"] = torch.cat([layer.pop("ffn_gate"), layer.pop("ffn_up")])
    if "ssm_in" in layer:
        return logarithmic(layer, config, architecture)
    if architecture == "granitehybrid":
        layer["attn_q"] = halves(layer["attn_q"], config.num_attention_heads)
        layer["attn_k"] = halves(layer["attn_k"], config.num_key_value_heads)
    return layer


def logarithmic(layer, config, architecture):
    """Turns decay rates into the logarithms that the classes keep."""
    if "ssm_a" in layer:
        layer["ssm_a"] = (-layer["ssm_a"]).log()
    return layer


def gated(layer, config, architecture):
    """Gives attention the output gates of the class: 1/2 for every channel, which output matrices of twice the values make up for."""
    if "attn_q" in layer:
        queries = layer["attn_q"].view(config.num_attention_heads, config.head_dim, -1)
        layer["attn_q"] = torch.cat([queries, torch.zeros_like(queries)], 1).flatten(0, 1)
        layer["attn_output"] = 2 * layer["attn_output"]
    return logarithmic(layer, config, architecture)


def stacked(layer, config, architecture):
    """Joins the gate and up matrices of experts."""
    if "ffn_gate_exps" in layer:
        layer["ffn_gate_up_exps"] = torch.cat([layer.pop("ffn_gate_exps"), layer.pop("ffn_up_exps")], 1)
    return layer


def unchanged(layer, config, architecture):
    return layer


# Of each model type: names inside a layer, of the token table and of the final norm, conversion of a layer's tensors.
CLASSES = {
    "lfm2": (LFM2, "embed_tokens", "embedding_norm", unchanged),
    "lfm2_moe": (LFM2_MOE, "embed_tokens", "embedding_norm", stacked),
    "lfm3": (LFM3, "embed_tokens", "embedding_norm", unchanged),
    "granitemoehybrid": (GRANITE, "embed_tokens", "norm", granite),
    "falcon_h1": (FALCON, "embed_tokens", "final_layernorm", logarithmic),
    "qwen3_5_text": (QWEN, "embed_tokens", "norm", gated),
    "mamba": (MAMBA, "embeddings", "norm_f", logarithmic),
    "mamba2": (MAMBA2, "embeddings", "norm_f", logarithmic),
}
# Norms that multiply by 1 + weight.
CENTRED = ("Qwen3_5RMSNorm",)


def weights_of(file, model, known):
    """The file's tensors by the names of `known`, which are those of the model's state."""
    config, prefix = model.config, model.base_model_prefix
    names, table, final_norm, convert = CLASSES[config.model_type]
    outer = {"token_embd": table, "token_embd_norm": final_norm, "output_norm": final_norm}
    layers, weights = {}, {}
    reader = GGUFReader(file)
    architecture = reader.fields["general.architecture"].contents()
    for tensor in reader.tensors:
        value = torch.from_numpy(tensor.data.copy()).float()
        name = tensor.name.removesuffix(".weight")
        if name == "rope_freqs":  # holds no parameters
            weights[name] = value
        elif name in outer:
            weights[f"{prefix}.{outer[name]}.weight"] = value
        else:
            _, layer, rest = name.split(".", 2)
            layers.setdefault(layer, {})[rest] = value
    for layer, values in layers.items():
        for name, value in convert(values, config, architecture).items():
            parameter = f"{prefix}.layers.{layer}.{names[name]}"
            weights[parameter if parameter in known else f"{parameter}.weight"] = value
    for name, module in model.named_modules():
        if type(module).__name__ in CENTRED:
            weights[f"{name}.weight"] = weights[f"{name}.weight"] - 1
    return weights


class Keep(torch.nn.Module):
    """Returns the output of a module, and keeps it under a name."""

    def __init__(self, inner, kept, name):
        super().__init__()
        self.inner, self.kept, self.name = inner, kept, name

    def forward(self, x):
        self.kept[self.name] = self.inner(x)
        return self.kept[self.name]


class Kept(torch.nn.Module):
    """Returns the output kept last under a name."""

    def __init__(self, kept, name):
        super().__init__()
        self.kept, self.name = kept, name

    def forward(self, x):
        return self.kept[self.name]


def share(layers, weights_from, kv_from):
    """
    Lets layers of Lfm2 share. All attention of one model is of one kind, so a layer reads the keys and values that were computed last.
    They do not depend on the reader: the rotation of a key depends on its position alone.
    """
    kept = {}
    for n, layer in enumerate(layers if kv_from != list(range(len(layers))) else ()):
        for name in ("k_layernorm", "v_proj") if hasattr(layer, "self_attn") else ():
            own = Keep(getattr(layer.self_attn, name), kept, name)
            setattr(layer.self_attn, name, own if kv_from[n] == n else Kept(kept, name))
    for n, owner in enumerate(weights_from):
        layers[n] = layers[owner]


def logits(request):
    fields = dict(request["config"])
    config = AutoConfig.for_model(fields.pop("model_type"), **fields)
    model = AutoModelForCausalLM.from_config(config).eval().float()
    state = model.state_dict()
    weights = weights_of(request["file"], model, state)
    turns = weights.pop("rope_freqs", None)
    if turns is not None:  # 1 where a pair turns
        assert ((turns == 1) == (model.model.rotary_emb.full_attention_inv_freq != 0)).all(), "other channels turn than in transformers"
    weights_from, kv_from = request["weightsFrom"], request["kvFrom"]
    unused = [f"model.layers.{n}." for n, owner in enumerate(weights_from) if owner != n]
    unused += [f"model.layers.{n}.self_attn.{x}" for n, source in enumerate(kv_from) if source != n for x in ("k_proj", "v_proj", "k_layernorm")]
    missing = {name for name in set(state) - set(weights) - {"lm_head.weight"} if not name.startswith(tuple(unused))}
    assert not missing, f"no tensor for {sorted(missing)}"
    for name, value in weights.items():
        state[name].copy_(value.view(state[name].shape))
    assert model.lm_head.weight.data_ptr() == model.get_input_embeddings().weight.data_ptr(), "the output matrix is not tied"
    share(model.base_model.layers, weights_from, kv_from)
    with torch.no_grad():
        return model(torch.tensor([request["tokens"]]), use_cache=False).logits[0]


torch.manual_seed(0)
for line in sys.stdin:
    request = json.loads(line)
    logits(request).contiguous().numpy().astype("<f4").tofile(request["out"])
    sys.stdout.write(json.dumps({"torch": torch.__version__}) + "\n")
    sys.stdout.flush()
