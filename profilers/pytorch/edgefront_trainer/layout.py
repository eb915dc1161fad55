"""Reads a layout from a plan's metadata and tensor table."""
import torch

from .ffns import ffn_of
from .mixers import mixers_of


class Layout:
    def __init__(self, plan):
        meta, tensors = plan.meta, plan.tensors
        arch = meta["general.architecture"]
        self.meta, self.arch, self.tensors = meta, arch, tensors
        self.dim, self.vocab = tensors["token_embd.weight"][:2]
        self.eps = self.get("attention.layer_norm_rms_epsilon")
        self.interleaved = arch in ("llama", "nanbeige", "granitehybrid")
        self.final_norm = "token_embd_norm.weight" if arch.startswith("lfm2") else "output_norm.weight"
        self.ffn_norm = "ffn_norm" if arch == "falcon-h1" else "ffn_norm.weight"
        self.output = "output.weight" if "output.weight" in tensors else "token_embd.weight"
        # Tensors of the file that hold no parameters: divisors of RoPE frequencies, 1 where a pair turns (lfm3).
        self.constants = {}
        if "rope_freqs.weight" in tensors:
            turns = 2 * torch.arange(tensors["rope_freqs.weight"][0]) < self.get("rope.rotated_count")
            self.constants["rope_freqs.weight"] = torch.where(turns, 1.0, 1e30)
        stack = self.get("block_count")  # nanbeige lists the layers of one loop
        layers = range(stack * self.get("num_loops", 1))
        owners = [self.of_layer("layer.weights_from", n, n % stack) for n in layers]
        self.prefixes = [f"blk.{owner}." for owner in owners]
        # The mixers of each layer. Layers with the same weights have their own, because each reads its own keys and values.
        self.mixers = [mixers_of(self, owner) for owner in owners]
        self.ffns = [ffn_of(self, owner) for owner in owners]
        for n, mixers in enumerate(self.mixers):
            for mixer in mixers:
                mixer.place, mixer.kv_from = n, self.of_layer("attention.kv_from", n, n)

    def get(self, key, default=None):
        """Returns a metadata value of the architecture."""
        return self.meta.get(f"{self.arch}.{key}", default)

    def has(self, n, name):
        """Returns whether layer n has a tensor of this name."""
        return f"blk.{n}.{name}" in self.tensors

    def of_layer(self, key, n, default=None):
        """Returns a quantity of layer n. The file stores a scalar, or an array with one value per layer."""
        value = self.get(key, default)
        return value[n] if isinstance(value, list) else value
