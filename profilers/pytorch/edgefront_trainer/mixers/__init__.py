"""Registry of the kinds of mixers. A kind is a class with

    OUTPUT              the tensor, without the layer's prefix, that maps the mixer's output to the residual
                        stream (the network applies it)
    UNDECAYED           tensors of two dimensions that are not matrices and take no weight decay
    VECTORS             kinds of the vectors (seeded.py) whose name does not say norm
    describes(t, p)     True if the tensors t have this kind under the prefix p
    __init__(layout, n) reads layer n
    prepare(length, device, shared)   prepares data that depends on the length only; `shared` is a dict for all layers
    __call__(network, p, h)           normed input [batch, length, d] -> input of OUTPUT
"""
from ..refused import Refused
from .attention import Attention
from .conv import Conv
from .gdn import Gdn
from .m2 import Mamba2

MIXERS = (Conv, Attention, Mamba2, Gdn)


def mixer_of(layout, n):
    """Returns the mixer of layer n. Raises Refused for an unknown kind."""
    for kind in MIXERS:
        if kind.describes(layout.tensors, f"blk.{n}."):
            return kind(layout, n)
    raise Refused("bad-request", f"layer {n} has no mixer that this trainer knows")
