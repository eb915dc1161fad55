"""Numbers generated from a seed: splitmix64 and FNV-1a, as defined in kernels/README.md."""
import math

import numpy as np

M64 = (1 << 64) - 1


def splitmix(z):
    z = (z + 0x9E3779B97F4A7C15) & M64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & M64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M64
    return z ^ (z >> 31)


def splitmix_many(base, n):
    with np.errstate(over="ignore"):
        z = np.uint64(base) + np.arange(n, dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def fnv(text):
    h = 0xCBF29CE484222325
    for c in text.encode():
        h = ((h ^ c) * 0x100000001B3) & M64
    return h


# Offset and factor of u in vectors; "decay" and "wide-decay" are rates below 0, "step" biases of a step size.
VECTORS = {"norm": (1, 0.1), "bias": (0, 0.1), "decay": (-8.5, 7.5), "wide-decay": (-8.005, 7.995), "step": (-4.58, 2.33)}
DECAYS = ("decay", "wide-decay")


def seeded(seed, name, rows, cols, kind):
    """Returns the initial values of a tensor: [rows x cols] for a vector, [rows, cols] for a matrix."""
    u = (splitmix_many(splitmix(seed) ^ fnv(name), rows * cols) >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)
    if kind in VECTORS:
        offset, factor = VECTORS[kind]
        return np.float32(offset) + np.float32(factor) * u
    return (u * np.float32(math.sqrt(3.0 / cols))).reshape(rows, cols)
