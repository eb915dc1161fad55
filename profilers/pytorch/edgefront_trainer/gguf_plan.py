"""Reads a plan (the header of a GGUF) and writes trained weights after it."""
import os
import struct

from .refused import Refused


class Plan:
    """Metadata and tensor table of a GGUF v3 header."""

    SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}

    def __init__(self, data):
        self.data, self.at = data, 0
        if self.take("4s")[0] != b"GGUF":
            raise Refused("bad-model", "the plan is not a GGUF")
        version, tensors, pairs = self.take("IQQ")
        if version != 3:
            raise Refused("bad-model", f"GGUF version {version} is not 3")
        self.meta = {self.text(): self.value(self.take("I")[0]) for _ in range(pairs)}
        self.tensors = {}
        for _ in range(tensors):
            name, dims = self.text(), self.take("I")[0]
            shape = self.take(f"{dims}Q")
            kind, offset = self.take("IQ")
            self.tensors[name] = (shape[0], shape[1] if dims > 1 else 1, kind, offset)
        self.header_bytes = self.at

    def take(self, form):
        size = struct.calcsize("<" + form)
        if self.at + size > len(self.data):
            raise Refused("bad-model", "the plan is cut off")
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


def export(plan, weights, path):
    """Writes tensors, given by name, as a GGUF with the plan's header. Supports float32 only."""
    if any(t[2] != 0 for t in plan.tensors.values()):
        raise Refused("unsupported", "the PyTorch trainer writes F32 plans only")
    part = path + ".part"
    with open(part, "wb") as f:
        f.write(plan.data[: plan.header_bytes])
        start = (plan.header_bytes + 31) // 32 * 32
        for name, (_, _, _, offset) in plan.tensors.items():
            f.seek(start + offset)
            f.write(weights[name].detach().float().cpu().numpy().tobytes())
        f.truncate((f.tell() + 31) // 32 * 32)
    os.replace(part, path)
