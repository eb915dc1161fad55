"""Registry of the kinds of FFNs. A kind is a class with

    OUTPUT              the tensor, without the layer's prefix, that writes into the residual stream
    VECTORS             kinds of its vectors (a key of VECTORS beside `seeded`)
    describes(t, p)     True if the tensors t have this kind under the prefix p
    __init__(layout, n) reads layer n
    __call__(network, p, h)   normed input [batch, length, d] -> output, without the residual
    balance(network, p, sharing)   changes weights after a step, without gradients; `sharing`: the FFNs of all layers with these weights
"""
from .moe import Moe
from .swiglu import Swiglu

# The kind of each FFN of a layout, by its name there.
FFNS = {
    "swiglu": Swiglu,
    "moe": Moe,
}


def ffn_of(layout, n):
    """Returns the FFN of layer n; None if it has none."""
    for kind in FFNS.values():
        if kind.describes(layout.tensors, f"blk.{n}."):
            return kind(layout, n)
    return None
