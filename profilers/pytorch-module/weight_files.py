"""Files of weights by tensor name: safetensors, and GGUF with the types F32, F16, Q4_0, Q6_K and Q8_0."""
import json
import math
import os
import struct

import torch

from edgefront_trainer.gguf_plan import Plan, raw

SAFE_TYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def read_safetensors(path):
    """Returns the tensors of a file as float32, by name."""
    with open(path, "rb") as f:
        data = bytearray(f.read())
    start = 8 + struct.unpack_from("<Q", data)[0]
    tensors = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            flat = torch.frombuffer(data, dtype=torch.uint8, count=end - begin, offset=start + begin)
            tensors[name] = flat.clone().view(SAFE_TYPES[entry["dtype"]]).float().view(entry["shape"])
    return tensors


def write_safetensors(path, tensors):
    """Writes float32 and float16 tensors, given by name."""
    names = {dtype: name for name, dtype in SAFE_TYPES.items()}
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [at, at + tensor.nbytes]}
        at += tensor.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".part", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            f.write(raw(tensor))
    os.replace(path + ".part", path)


def blocks(data, size):
    """Returns blocks [count, size] of bytes as their scales [count, 1], float16 in the first two bytes, and the rest."""
    rows = data.view(-1, size)
    return rows[:, :2].contiguous().view(torch.float16).float(), rows[:, 2:].contiguous()


def from_q4_0(data):
    scales, pairs = blocks(data, 18)
    return scales * (torch.cat([pairs & 15, pairs >> 4], 1).float() - 8)


def from_q8_0(data):
    scales, values = blocks(data, 34)
    return scales * values.view(torch.int8).float()


def from_q6_k(data):
    """A block: low 4 bits of 256 numbers, high 2 bits, a scale for each 16 numbers, and a float16 for all."""
    rows = data.view(-1, 210)
    low, high = rows[:, :128].view(-1, 2, 64), rows[:, 128:192].view(-1, 2, 32)
    high = torch.cat([(high >> bits) & 3 for bits in (0, 2, 4, 6)], 2)
    numbers = (torch.cat([low & 15, low >> 4], 2) | high << 4).float() - 32
    scales = rows[:, 192:208].view(torch.int8).float() * rows[:, 208:].contiguous().view(torch.float16).float()
    return numbers.view(-1, 16, 16) * scales[..., None]


# By ggml type: elements and bytes of a block, and the function that makes bytes to numbers.
GGML_TYPES = {
    0: (1, 4, lambda data: data.view(torch.float32)),
    1: (1, 2, lambda data: data.view(torch.float16).float()),
    2: (32, 18, from_q4_0),
    8: (32, 34, from_q8_0),
    14: (256, 210, from_q6_k),
}


def read_gguf(path):
    """Returns the tensors of a file as float32 without their dimensions, by name."""
    with open(path, "rb") as f:
        data = bytearray(f.read())
    plan = Plan(data)
    alignment = plan.meta.get("general.alignment", 32)
    start = -(-plan.header_bytes // alignment) * alignment
    tensors = {}
    for name, (cols, rows, kind, offset) in plan.tensors.items():
        if kind not in GGML_TYPES:
            raise ValueError(f"{path}: {name} has ggml type {kind}; F32, F16, Q4_0, Q6_K and Q8_0 can be read")
        elements, size, numbers = GGML_TYPES[kind]
        count = cols * rows // elements * size
        flat = torch.frombuffer(data, dtype=torch.uint8, count=count, offset=start + offset)
        tensors[name] = numbers(flat.clone()).flatten()
    return tensors


def encoded(value, integer=4):
    """Returns the ggml type of a metadata value and its bytes. Integers are u32, those of arrays i32; reals are f32."""
    if isinstance(value, str):
        text = value.encode()
        return 8, struct.pack("<Q", len(text)) + text
    if isinstance(value, bool):
        return 7, struct.pack("<?", value)
    if isinstance(value, int):
        return integer, struct.pack("<i" if integer == 5 else "<I", value)
    if isinstance(value, float):
        return 6, struct.pack("<f", value)
    items = [encoded(item, 5) for item in value]
    return 9, struct.pack("<IQ", items[0][0], len(items)) + b"".join(data for _, data in items)


def gguf_header(metadata, dims, halves):
    """
    Returns a GGUF up to its data. `dims` has the dimensions of each tensor by name, inputs first. The tensors named by `halves`
    are F16, the others F32.
    """
    out = [b"GGUF", struct.pack("<IQQ", 3, len(dims), len(metadata))]
    for key, value in metadata.items():
        kind, data = encoded(value)
        out += [encoded(key)[1], struct.pack("<I", kind), data]
    offset = 0
    for name, shape in dims.items():
        half = name in halves
        out += [encoded(name)[1], struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, half, offset)]
        offset += -(-math.prod(shape) * (2 if half else 4) // 32) * 32
    return b"".join(out)
