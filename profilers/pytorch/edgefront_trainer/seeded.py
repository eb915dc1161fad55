"""Numbers generated from a seed: splitmix64 and FNV-1a. The same seed gives the same values in every program of edgefront."""
import math

import torch

M64 = (1 << 64) - 1
PIECE = 1 << 15  # numbers made at once, few enough for a cache and a single thread: several times faster


def splitmix(z):
    z = (z + 0x9E3779B97F4A7C15) & M64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & M64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M64
    return z ^ (z >> 31)


def signed(z):
    """Returns the int64 with the bits of a number from 0 to 2^64 - 1."""
    return z - (1 << 64) if z >> 63 else z


def shifted(z, bits):
    """Returns int64 numbers shifted right as if they had no sign."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)


def splitmix_many(base, n):
    """Returns splitmix of base, base + 1, ... as the bits of int64 [n]. Products and sums wrap around."""
    z = torch.arange(n) + signed((base + 0x9E3779B97F4A7C15) & M64)
    z = (z ^ shifted(z, 30)) * signed(0xBF58476D1CE4E5B9)
    z = (z ^ shifted(z, 27)) * signed(0x94D049BB133111EB)
    return z ^ shifted(z, 31)


def uniform(base, n):
    """Returns float32 [n] in [-1, 1), from the top 24 bits of splitmix_many(base, n)."""
    pieces = (splitmix_many(base + at, min(PIECE, n - at)) for at in range(0, n, PIECE))
    return torch.cat([shifted(z, 40).float() * 2.0**-23 - 1 for z in pieces])


def fnv(text):
    h = 0xCBF29CE484222325
    for c in text.encode():
        h = ((h ^ c) * 0x100000001B3) & M64
    return h


# Offset and factor of u in vectors. "balance" are biases of a router's choice. "decay", "wide-decay", "half-rate" and "counted-rate" are rates below 0, "step" biases of a step
# size, or its logarithm.
VECTORS = {
    "norm": (1, 0.1), "bias": (0, 0.1), "balance": (0, 0.1), "decay": (-8.5, 7.5), "wide-decay": (-8.005, 7.995), "step": (-4.58, 2.33),
    "half-rate": (-0.5, 0), "counted-rate": (-1, 0), "frequency": (0, 0), "complex": (0, math.sqrt(1.5)), "unit": (0, math.sqrt(3)),
}
SLOPES = {"counted-rate": -1, "frequency": math.pi}  # added for each place of an element in its row
DECAYS = ("decay", "wide-decay", "half-rate", "counted-rate")


def seeded(seed, name, rows, cols, kind):
    """Returns the initial values of a tensor, float32: [rows x cols] for a vector, [rows, cols] for a matrix."""
    u = uniform(splitmix(seed) ^ fnv(name), rows * cols)
    if kind in VECTORS:
        offset, factor = VECTORS[kind]
        places = (torch.arange(rows * cols) % cols).to(torch.float32)
        return offset + factor * u + SLOPES.get(kind, 0.0) * places
    return (u * math.sqrt(3 / cols)).view(rows, cols)
