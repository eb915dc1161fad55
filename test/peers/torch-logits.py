"""PyTorch's reference for test/peers/compare-torch.ts.

Reads JSON lines {"file": F32 GGUF, "config": Lfm2Config fields, "tokens", "out"} from stdin. Each model is
transformers' Lfm2ForCausalLM with the file's weights. Its logits are written to `out` as little-endian float32
[tokens][V].
Needs torch, transformers and gguf (requirements.txt).
"""
import json
import sys

import torch
from gguf import GGUFReader
from transformers import Lfm2Config, Lfm2ForCausalLM

# GGUF name inside a layer -> transformers name; gate, up and down are w1, w3 and w2 there.
LAYER = {
    "attn_norm": "operator_norm", "ffn_norm": "ffn_norm",
    "ffn_gate": "feed_forward.w1", "ffn_up": "feed_forward.w3", "ffn_down": "feed_forward.w2",
    "shortconv.in_proj": "conv.in_proj", "shortconv.conv": "conv.conv", "shortconv.out_proj": "conv.out_proj",
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.out_proj", "attn_q_norm": "self_attn.q_layernorm", "attn_k_norm": "self_attn.k_layernorm",
}
OUTER = {"token_embd": "embed_tokens", "token_embd_norm": "embedding_norm"}


def name_of(gguf_name):
    stem = gguf_name.removesuffix(".weight")
    if stem in OUTER:
        return f"model.{OUTER[stem]}.weight"
    _, layer, rest = stem.split(".", 2)
    return f"model.layers.{layer}.{LAYER[rest]}.weight"


def logits(request):
    model = Lfm2ForCausalLM(Lfm2Config(**request["config"])).eval()
    state = model.state_dict()
    seen = set()
    for tensor in GGUFReader(request["file"]).tensors:
        name = name_of(tensor.name)
        value = torch.from_numpy(tensor.data.copy()).float()
        state[name].copy_(value.unsqueeze(1) if name.endswith("conv.conv.weight") else value)
        seen.add(name)
    missing = set(state) - seen - {"lm_head.weight"}
    assert not missing, f"no tensor for {sorted(missing)}"
    assert model.lm_head.weight.data_ptr() == model.model.embed_tokens.weight.data_ptr(), "the output matrix is not tied"
    with torch.no_grad():
        return model(torch.tensor([request["tokens"]]), use_cache=False).logits[0]


torch.manual_seed(0)
for line in sys.stdin:
    request = json.loads(line)
    logits(request).contiguous().numpy().astype("<f4").tofile(request["out"])
    sys.stdout.write(json.dumps({"torch": torch.__version__}) + "\n")
    sys.stdout.flush()
