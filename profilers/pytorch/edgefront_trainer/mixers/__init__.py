"""The kinds of mixers there are. A kind is a class with

    OUTPUT              the tensor, without the layer's prefix, that writes the mixer's output into the residual stream (the network applies it)
    UNDECAYED           tensors of two dimensions that are not matrices: they take no weight decay
    describes(t, p)     whether the tensors t have this kind under the prefix p
    __init__(layout, n) reads layer n
    prepare(length, device, shared)   makes what depends on the length only; `shared` is a dict for all layers
    __call__(network, p, h)           [batch, length, d], normed -> what OUTPUT multiplies
"""
from ..refused import Refused
from .attention import Attention
from .conv import Conv

MIXERS = (Conv, Attention)


def mixer_of(layout, n):
    """Layer n's mixer."""
    for kind in MIXERS:
        if kind.describes(layout.tensors, f"blk.{n}."):
            return kind(layout, n)
    raise Refused("bad-request", f"layer {n} has no mixer that this trainer knows")
