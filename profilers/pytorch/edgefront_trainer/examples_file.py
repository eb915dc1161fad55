"""Batches from the rows of an EFD1 file (kernels/README.md)."""
import os
import struct

import numpy as np
import torch

from .refused import Refused
from .seeded import M64, fnv, splitmix, splitmix_many

UNSCORED = 0xFFFF


def draws(base, n):
    """Returns splitmix of base, base + 1, ... as uint64 [n]."""
    return splitmix_many(base, n).numpy().view(np.uint64)


class Data:
    """An EFD1 file, and the order in which a seed draws its rows."""

    def __init__(self, path, kind, length, seed):
        try:
            with open(path, "rb") as f:
                head = f.read(24)
        except OSError as error:
            raise Refused("io", f"data file {path}: {error.strerror}")
        if len(head) < 24 or head[:4] != b"EFD1":
            raise Refused("bad-request", f"data file {path}: not an EFD1 file, or empty")
        stream, self.vocab, row, self.count = struct.unpack("<IIIQ", head[4:])
        if (stream == 1) != (kind == "stream") or (kind == "examples" and row != length):
            raise Refused("bad-request", f"data file {path}: of another kind or length than asked for")
        words = self.count * (1 if stream else 2 * length)
        if os.path.getsize(path) < 24 + 2 * words or (stream and self.count <= length):
            raise Refused("bad-request", f"data file {path}: truncated, or shorter than a window")
        self.words = np.memmap(path, np.uint16, "r", 24, (words,))
        self.stream, self.length = stream == 1, length
        self.choices = self.count - length if stream else self.count
        self.key, self.epoch, self.order = splitmix(seed ^ fnv("order")), None, None

    def draw(self, n, count):
        """Returns the rows that a run draws from its n-th on."""
        if self.stream:
            return draws((self.key + n) & M64, count) % np.uint64(self.choices)
        picks = []
        while count > 0:
            epoch, at = divmod(n, self.choices)
            if epoch != self.epoch:
                self.epoch, self.order = epoch, self.shuffled(splitmix((self.key + epoch) & M64))
            picks.append(self.order[at : at + count])
            n, count = n + len(picks[-1]), count - len(picks[-1])
        return np.concatenate(picks)

    def shuffled(self, base):
        picks = (draws(base, self.choices) % np.arange(1, self.choices + 1, dtype=np.uint64)).tolist()
        order = list(range(self.choices))
        for i in range(self.choices - 1, 0, -1):
            j = picks[i]
            order[i], order[j] = order[j], order[i]
        return np.array(order)

    def batch(self, picks):
        """Returns rows as inputs of the network.

        These are the tokens, the indices of scored places in the flattened batch, and their targets.
        """
        t, picks = self.length, np.asarray(picks, np.int64)
        if self.stream:
            rows = self.words[picks[:, None] + np.arange(t + 1)].astype(np.int64)
            tokens, targets = rows[:, :-1], rows[:, 1:]
        else:
            rows = self.words.reshape(-1, 2, t)[picks].astype(np.int64)
            tokens, targets = rows[:, 0], rows[:, 1]
        targets = targets.ravel()
        places = np.flatnonzero(targets != UNSCORED)
        if len(places) == 0:
            raise Refused("bad-request", "a batch without a scored position")
        return tuple(torch.from_numpy(np.ascontiguousarray(x)) for x in (tokens, places, targets[places]))

    def spread(self, wanted):
        n = min(wanted, max(1, (self.count - 1) // self.length) if self.stream else self.count)
        return [i * self.choices // n for i in range(n)]
