"""Reads a plan (the header of a GGUF) and writes weights after it."""
import ctypes
import math
import os
import struct

import torch

WRITTEN = {0: torch.float32, 1: torch.float16}  # by ggml type


class Plan:
    """Metadata and tensor table of a GGUF v3 header. Raises ValueError for other data."""

    SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}

    def __init__(self, data):
        self.data, self.at = data, 0
        if self.take("4s")[0] != b"GGUF":
            raise ValueError("the plan is not a GGUF")
        version, tensors, pairs = self.take("IQQ")
        if version != 3:
            raise ValueError(f"GGUF version {version} is not 3")
        self.meta = {self.text(): self.value(self.take("I")[0]) for _ in range(pairs)}
        self.tensors = {}
        for _ in range(tensors):
            name, dims = self.text(), self.take("I")[0]
            shape = self.take(f"{dims}Q")
            kind, offset = self.take("IQ")
            self.tensors[name] = (shape[0], math.prod(shape[1:]), kind, offset)
        self.header_bytes = self.at

    def take(self, form):
        size = struct.calcsize("<" + form)
        if self.at + size > len(self.data):
            raise ValueError("the plan is cut off")
        self.at += size
        return struct.unpack_from("<" + form, self.data, self.at - size)

    def text(self):
        return self.take(f"{self.take('Q')[0]}s")[0].decode()

    def value(self, kind):
        if kind == 8:
            return self.text()
        if kind == 9:
            inner, count = self.take("IQ")
            return [self.value(inner) for _ in range(count)]
        return self.take(self.SCALARS[kind])[0]


def raw(tensor):
    """Returns the bytes of a tensor, without numpy."""
    tensor = tensor.detach().cpu().contiguous()
    return ctypes.string_at(tensor.data_ptr(), tensor.nbytes)


def export(plan, weights, path):
    """Writes tensors, given by name, as a GGUF with the plan's header. The types are those of WRITTEN."""
    part = path + ".part"
    with open(part, "wb") as f:
        f.write(plan.data[: plan.header_bytes])
        start = (plan.header_bytes + 31) // 32 * 32
        for name, (_, _, kind, offset) in plan.tensors.items():
            f.seek(start + offset)
            f.write(raw(weights[name].to(WRITTEN[kind])))
        f.truncate((f.tell() + 31) // 32 * 32)
    os.replace(part, path)
