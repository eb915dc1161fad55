"""A layout, read from a plan's metadata and tensor table."""
from .mixers import mixer_of


class Layout:
    def __init__(self, plan):
        meta, tensors = plan.meta, plan.tensors
        arch = meta["general.architecture"]
        self.meta, self.arch, self.tensors = meta, arch, tensors
        self.dim, self.vocab = tensors["token_embd.weight"][:2]
        self.eps = self.get("attention.layer_norm_rms_epsilon")
        self.interleaved = arch == "llama"
        self.final_norm = "token_embd_norm.weight" if arch == "lfm2" else "output_norm.weight"
        self.output = "output.weight" if "output.weight" in tensors else "token_embd.weight"
        self.mixers = [mixer_of(self, n) for n in range(self.get("block_count"))]

    def get(self, key, default=None):
        """The architecture's own metadata."""
        return self.meta.get(f"{self.arch}.{key}", default)

    def of_layer(self, key, n, default=None):
        """A quantity of layer n, which the file gives as a scalar or as an array with one value a layer."""
        value = self.get(key, default)
        return value[n] if isinstance(value, list) else value
