"""The network: embedding, layers with their norms and residuals, head. Mixers and FFNs are classes of their own."""
import math

import torch
import torch.nn.functional as F

from .linear import rms
from .seeded import DECAYS, seeded


class Network:
    """
    The function that a layout computes from its tensors. `w` holds them by their names in a GGUF, as they are trained. `scaled`
    divides the initial values of matrices that write into the residual stream by sqrt(2 L), L layers, and starts biases of routers
    at 0.
    """

    def __init__(self, layout, seed, scaled, device):
        self.layout, self.linear, self.prepared = layout, F.linear, None
        self.kv = {}  # during a pass, the keys and values of layers by their numbers
        layers = zip(layout.prefixes, layout.mixers, layout.ffns)
        parts = [(p, part) for p, mixers, ffn in layers for part in (*mixers, ffn) if part]
        kinds = {p + name: kind for p, part in parts for name, kind in part.VECTORS.items()}
        self.decays = {name for name, kind in kinds.items() if kind in DECAYS}
        outputs = {p + part.OUTPUT for p, part in parts} | {"decoder.ffn_down.weight"}
        residual = 1 / math.sqrt(2 * len(layout.mixers))
        self.w = {}
        for name, (cols, rows) in self.shapes().items():
            kind = kinds.get(name, "norm" if "norm" in name else "matrix")
            values = seeded(seed, name, rows, cols, kind)
            if scaled and (name in outputs or kind == "balance"):
                values = values * (0 if kind == "balance" else residual)
            self.w[name] = self.trained(name, values).to(device, torch.get_default_dtype()).requires_grad_(kind != "balance")

    def shapes(self):
        """Returns the inputs and outputs of each tensor of parameters by name."""
        return {name: t[:2] for name, t in self.layout.tensors.items() if name not in self.layout.constants}

    def trained(self, name, values):
        """Returns values of a file as they are trained: rates below 0 as ln(-rate), so that a step cannot change their sign."""
        return torch.log(-values) if name in self.decays else values

    def stored(self):
        """Returns the tensors as a file holds them, by name."""
        return self.layout.constants | {name: -w.exp() if name in self.decays else w for name, w in self.w.items()}

    def matrices(self):
        """Returns the names of tensors with weight decay."""
        l = self.layout
        undecayed = {p + name for p, mixers in zip(l.prefixes, l.mixers) for mixer in mixers for name in mixer.UNDECAYED}
        return [name for name, w in self.w.items() if w.dim() == 2 and name not in undecayed]

    def prepare(self, length, device):
        """Prepares the data of mixers that depends on the length only."""
        if self.prepared == (length, device):
            return
        shared = {}
        for mixer in (mixer for mixers in self.layout.mixers for mixer in mixers):
            mixer.prepare(length, device, shared)
        self.prepared = (length, device)

    def balance(self):
        """Changes the weights that a step changes without gradients."""
        for p in dict.fromkeys(self.layout.prefixes):
            sharing = [ffn for prefix, ffn in zip(self.layout.prefixes, self.layout.ffns) if prefix == p and ffn]
            if sharing:
                sharing[0].balance(self, p, sharing)

    def ffn(self, ffn, p, x):
        """Returns x after an FFN, its norms and its residual; x if there is no FFN."""
        if ffn is None:
            return x
        return x + self.normed(ffn(self, p, rms(x, self.w[p + self.layout.ffn_norm], self.layout.eps)), p + "post_ffw_norm.weight")

    def normed(self, x, name):
        """Returns x after the norm of this name, if the layout has one."""
        return rms(x, self.w[name], self.layout.eps) if name in self.w else x

    def states(self, tokens):
        """Returns the residual stream [batch, length, d] after all layers."""
        w = self.w
        self.prepare(tokens.shape[1], tokens.device)
        x = F.embedding(tokens, w["token_embd.weight"])
        for p, mixers, ffn in zip(self.layout.prefixes, self.layout.mixers, self.layout.ffns):
            h = rms(x, w[p + "attn_norm.weight"], self.layout.eps)
            mixed = sum(self.linear(mixer(self, p, h), w[p + mixer.OUTPUT]) for mixer in mixers)
            x = x + self.normed(mixed, p + "post_attention_norm.weight")
            x = self.ffn(ffn, p, x)
        self.kv.clear()
        return x

    def logits(self, tokens, places=None):
        """Returns logits [batch, length, vocabulary], or [places, vocabulary] at the given places of [batch x length]."""
        x = self.states(tokens)
        if places is not None:
            x = x.flatten(0, 1).index_select(0, places)
        return self.linear(rms(x, self.w[self.layout.final_norm], self.layout.eps), self.w[self.layout.output])
