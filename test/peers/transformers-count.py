"""Instantiates transformers models from config.json files (no weights are allocated).

Each line on stdin is a path. Each answer is a JSON line: the class, the number of parameters (a tied matrix counts
once), and, for a small enough model, the shape of the logits of one step."""

import json
import sys

import torch
from transformers import AutoConfig, AutoModelForCausalLM

SMALL = 5_000_000

for line in sys.stdin:
    config = AutoConfig.from_pretrained(line.strip())
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    model.tie_weights()
    count = sum(p.numel() for p in {id(p): p for p in model.parameters()}.values())
    shape = None
    if count < SMALL:
        small = AutoModelForCausalLM.from_config(config).eval()
        with torch.no_grad():
            shape = list(small(torch.tensor([[1, 2, 3, 4, 5]])).logits.shape)
    print(json.dumps({"class": type(model).__name__, "parameters": count, "logits": shape}), flush=True)
