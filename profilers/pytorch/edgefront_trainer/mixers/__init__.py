"""Registry of the kinds of mixers. A kind is a class with

    OUTPUT              the tensor, without the layer's prefix, that maps the mixer's output to the residual
                        stream (the network applies it)
    UNDECAYED           tensors of two dimensions that are not matrices and take no weight decay
    VECTORS             kinds of the vectors (a key of VECTORS beside `seeded`) whose name does not say norm
    UPSTREAM            a tensor that only this kind has in upstream architectures; absent: they have no such layers
    __init__(layout, n) reads layer n
    prepare(length, device, shared)   prepares data that depends on the length only; `shared` is a dict for all layers
    place, kv_from                    set by Layout: the layer, and the one whose keys and values it reads (itself if its own)
    __call__(network, p, h)           normed input [batch, length, d] -> input of OUTPUT
"""
from .attention import Attention
from .cfc import Cfc
from .conv import Conv
from .gdn import Gdn
from .gla import Gla
from .kda import Kda
from .lin import Lin
from .m1 import Mamba
from .m2 import Mamba2
from .rtf import Rtf
from .s4d import Ls4, S4d

# The kind of each mixer of a layout, by its name there.
MIXERS = {
    "conv": Conv,
    "gqa": Attention,
    "swa": Attention,
    "m2": Mamba2,
    "m2.conv": Mamba2,
    "gdn": Gdn,
    "gdn.conv": Gdn,
    "s4d": S4d,
    "rtf": Rtf,
    "ls4": Ls4,
    "m1": Mamba,
    "m1.conv": Mamba,
    "cfc": Cfc,
    "lin": Lin,
    "gla": Gla,
    "kda": Kda,
    "kda.conv": Kda,
}


def mixers_of(layout, n):
    """Returns the mixers of layer n: one, or two parallel ones. Raises KeyError for an unknown kind."""
    names = layout.of_layer("layer.mixer", n)
    known = dict.fromkeys(MIXERS.values())
    kinds = [MIXERS[name] for name in names.split("+")] if names else [kind for kind in known if layout.has(n, getattr(kind, "UPSTREAM", ""))]
    if not kinds:
        raise KeyError(f"layer {n} has no mixer of a known kind")
    return [kind(layout, n) for kind in kinds]
