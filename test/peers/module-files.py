"""Opens the files of exported PyTorch modules with the libraries of their formats.

Each line on stdin is a module's path. Each answer is a JSON line: the number of parameters, and the largest difference of a value in
the module's safetensors or GGUF file from the value in the module, relative to the largest of its tensor. Needs torch, safetensors
and gguf."""
import json
import runpy
import sys
import tempfile

import torch
from gguf import GGUFReader
from safetensors.torch import load_file

for line in sys.stdin:
    model = runpy.run_path(line.strip())["Model"]()
    with tempfile.TemporaryDirectory() as folder:
        model.save(f"{folder}/m.safetensors")
        model.save(f"{folder}/m.gguf")
        safe = load_file(f"{folder}/m.safetensors")
        gguf = {t.name: torch.from_numpy(t.data.copy()) for t in GGUFReader(f"{folder}/m.gguf").tensors}
    own = model.network.stored()
    assert set(own) == set(safe) == set(gguf)
    pairs = [(values, file[name]) for name, values in own.items() for file in (safe, gguf)]
    difference = max(((a.detach().flatten() - b.flatten()).abs().max() / a.abs().max()).item() for a, b in pairs)
    print(json.dumps({"parameters": sum(w.numel() for w in model.parameters()), "difference": difference}), flush=True)
