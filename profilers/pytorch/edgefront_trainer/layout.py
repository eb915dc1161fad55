"""Reads a layout from a plan's metadata and tensor table."""
from .mixers import mixer_of


class Layout:
    def __init__(self, plan):
        meta, tensors = plan.meta, plan.tensors
        arch = meta["general.architecture"]
        self.meta, self.arch, self.tensors = meta, arch, tensors
        self.dim, self.vocab = tensors["token_embd.weight"][:2]
        self.eps = self.get("attention.layer_norm_rms_epsilon")
        self.interleaved = arch in ("llama", "granitehybrid")
        self.final_norm = "token_embd_norm.weight" if arch == "lfm2" else "output_norm.weight"
        self.output = "output.weight" if "output.weight" in tensors else "token_embd.weight"
        self.mixers = [mixer_of(self, n) for n in range(self.get("block_count"))]

    def get(self, key, default=None):
        """Returns a metadata value of the architecture."""
        return self.meta.get(f"{self.arch}.{key}", default)

    def of_layer(self, key, n, default=None):
        """Returns a quantity of layer n. The file stores a scalar, or an array with one value per layer."""
        value = self.get(key, default)
        return value[n] if isinstance(value, list) else value
