"""The module. Its parameters have the names of the tensors in a GGUF."""
import torch
from torch import nn

# The parts of an exported file are in the order of these imports.
from .constants import HALVES, KINDS, LAYERS, METADATA, OUTER
from edgefront_trainer.layout import Layout
from edgefront_trainer.network import Network
from edgefront_trainer.gguf_plan import Plan, export
from .weight_files import gguf_header, read_gguf, read_safetensors, write_safetensors

DIMS = {**OUTER, **{f"blk.{n}.{name}": dims for n, kind in enumerate(LAYERS) for name, dims in KINDS[kind].items()}}


class Model(nn.Module):
    def __init__(self, seed=1, scaled=False):
        """
        Generates initial values from a seed: those of `edgefront compile --weights seed:N`. `scaled` divides matrices that write
        into the residual stream by sqrt(2 L), L layers, as the trainers of edgefront do.
        """
        super().__init__()
        # The trainers of edgefront, too, read a layout from the header of a GGUF.
        self.network = Network(Layout(Plan(gguf_header(METADATA, DIMS, ()))), seed, scaled, "cpu")
        for name, values in self.network.w.items():
            self.add(name, nn.Parameter(values.detach(), values.requires_grad))

    def add(self, name, parameter):
        """Adds a parameter under a name with dots, in modules of these names."""
        *parents, leaf = name.split(".")
        module = self
        for parent in parents:
            if parent not in module._modules:
                module.add_module(parent, nn.Module())
            module = module._modules[parent]
        module.register_parameter(leaf, parameter)

    def forward(self, tokens, places=None):
        """
        Returns logits [batch, length, VOCABULARY] of tokens [batch, length], or [places, VOCABULARY] at the given places of
        [batch x length].
        """
        self.network.w = dict(self.named_parameters())
        return self.network.logits(tokens, places)

    def parameter_groups(self, weight_decay):
        """Returns groups for an optimiser: matrices have weight decay; norms, biases and taps of convolutions have none."""
        matrices = set(self.network.matrices())
        learned = [(name in matrices, w) for name, w in self.named_parameters() if w.requires_grad]
        groups = {decayed: [w for is_matrix, w in learned if is_matrix == decayed] for decayed in (True, False)}
        return [{"params": groups[True], "weight_decay": weight_decay}, {"params": groups[False], "weight_decay": 0.0}]

    def balance(self):
        """Balances experts after a step of training. Without experts it does nothing."""
        self.network.balance()

    @torch.no_grad()
    def load(self, path):
        """Reads all weights from a .safetensors or .gguf file."""
        tensors = read_gguf(path) if path.endswith(".gguf") else read_safetensors(path)
        own = dict(self.named_parameters())
        sizes = {(name, w.numel()) for name, w in own.items()}
        found = {(name, values.numel()) for name, values in tensors.items() if name not in self.network.layout.constants}
        other = sorted(dict(sizes ^ found))
        if other:
            raise ValueError(f"{path} is of another layout: {other[0]} is missing in one of both, or differs in size")
        for name, w in own.items():
            w.copy_(self.network.trained(name, tensors[name]).view(w.shape))
        return self

    @torch.no_grad()
    def save(self, path, half=False):
        """Writes a .safetensors or .gguf file: float32, or with `half` the tensors of HALVES in float16."""
        self.network.w = dict(self.named_parameters())
        halves = {name for name in DIMS if half and (name in HALVES or name.split(".", 2)[-1] in HALVES)}
        tensors = {name: w.to(torch.float16 if name in halves else torch.float32) for name, w in self.network.stored().items()}
        if path.endswith(".gguf"):
            metadata = {**METADATA, "general.file_type": int(half)}
            export(Plan(gguf_header(metadata, DIMS, halves)), tensors, path)
        else:
            write_safetensors(path, tensors)
