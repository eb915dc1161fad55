"""Writes the golden files that kernels/tests/infer_test.cc reads: a plan (GGUF without data) and the F32 logits of every
position, computed here in NumPy float64 from the same seeded weights. Nothing is shared with the C++ code: the GGUF writer,
the seed formula and the model are written again from kernels/README.md.

    python3 test/golden/make_infer_golden.py        # needs numpy; rewrites test/golden/*.plan and *.logits, or those of the named cases

NumPy in double precision rather than PyTorch: its errors are far below those of F32, and it installs anywhere.
"""
import pathlib
import struct
import sys

import numpy as np

from infer_mixers import cfc, gated_delta_net, gated_filter, linear_attention, mamba, mamba2, mixture_of_experts, rms

HERE = pathlib.Path(__file__).parent
M64 = (1 << 64) - 1


def splitmix64(z):
    z = (np.asarray(z, np.uint64) + np.uint64(0x9E3779B97F4A7C15)).astype(np.uint64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def fnv1a64(s):
    h = 0xCBF29CE484222325
    for c in s.encode():
        h = ((h ^ c) * 0x100000001B3) & M64
    return h


def weight(seed, name, shape, kind):
    """shape is (rows, ne0); the value is rounded to float32 as the tensor would be."""
    rows, ne0 = shape
    base = int(splitmix64(seed)) ^ fnv1a64(name)
    index = np.arange(rows * ne0, dtype=np.uint64) + np.uint64(base)
    u = ((splitmix64(index) >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)).astype(np.float32)
    offsets = {"norm": (1, 0.1), "bias": (0, 0.1), "decay": (-8.5, 7.5), "wide-decay": (-8.005, 7.995), "step": (-4.58, 2.33),
               "half-rate": (-0.5, 0), "counted-rate": (-1, 0), "frequency": (0, 0), "complex": (0, np.sqrt(1.5))}
    slopes = {"counted-rate": -1, "frequency": np.pi}
    if kind in offsets:
        offset, factor = offsets[kind]
        w = np.float32(offset) + np.float32(factor) * u + np.float32(slopes.get(kind, 0)) * np.tile(np.arange(ne0, dtype=np.float32), rows)
    else:
        w = np.float32(np.sqrt(3.0 / ne0)) * u
    return w.astype(np.float32).astype(np.float64).reshape(rows, ne0)


# GGUF v3 writer -----------------------------------------------------------------------------------------------------
U32, I32, F32, BOOL, STR, ARR, U64 = 4, 5, 6, 7, 8, 9, 10
PACK = {U32: "<I", I32: "<i", F32: "<f", BOOL: "<B", U64: "<Q"}


def gguf_string(s):
    b = s.encode()
    return struct.pack("<Q", len(b)) + b


def gguf_value(kind, v):
    return gguf_string(v) if kind == STR else struct.pack(PACK[kind], v)


def gguf(kv, tensors):
    out = struct.pack("<IIQQ", 0x46554747, 3, len(tensors), len(kv))
    for key, kind, v in kv:
        out += gguf_string(key)
        if isinstance(v, list):
            out += struct.pack("<IIQ", ARR, kind, len(v)) + b"".join(gguf_value(kind, x) for x in v)
        else:
            out += struct.pack("<I", kind) + gguf_value(kind, v)
    offset = 0
    for name, dims in tensors:
        out += gguf_string(name) + struct.pack("<I", len(dims)) + b"".join(struct.pack("<Q", d) for d in dims)
        out += struct.pack("<IQ", 0, offset)
        offset += (4 * int(np.prod(dims)) + 31) // 32 * 32
    return out


# The model, in double ------------------------------------------------------------------------------------------------
def rope(x, base, rotated, interleaved):
    """x [T, heads, hd]. Pairs beyond `rotated` channels stand still."""
    t, _, hd = x.shape
    angle = np.arange(t)[:, None] * base ** (-2.0 * np.arange(hd // 2) / hd)
    angle[:, rotated // 2 :] = 0
    c, s = np.cos(angle)[:, None, :], np.sin(angle)[:, None, :]
    out = np.empty_like(x)
    if interleaved:
        a, b = x[..., 0::2], x[..., 1::2]
        out[..., 0::2], out[..., 1::2] = a * c - b * s, a * s + b * c
    else:
        a, b = x[..., : hd // 2], x[..., hd // 2 :]
        out[..., : hd // 2], out[..., hd // 2 :] = a * c - b * s, a * s + b * c
    return out


def build(arch, d, vocab, layers, seed, tokens):
    """Returns the plan's bytes and the logits [T, vocab]."""
    tensors, made, cached = {}, {}, {}

    def w(name, rows, ne0, kind="matrix"):
        bare = ("ssm_a", ".bias", "ffn_norm") if arch == "falcon-h1" else ("ssm_a", ".bias")
        name += "" if name.endswith(bare) else ".weight"
        tensors[name] = [ne0, rows] if kind == "matrix" else [ne0]
        made[name] = weight(seed, name, (rows, ne0), kind)
        return made[name] if kind == "matrix" else made[name][0]

    def vector(prefix):
        """Returns a function that makes a vector by its whole name and its dimensions in the file, as one flat array."""

        def make(name, dims, kind):
            tensors[prefix + name] = dims
            return weight(seed, prefix + name, (int(np.prod(dims[1:])), dims[0]), kind).ravel()

        return make

    def branch(l, p, name, x):
        """What a mixer or an FFN adds to the stream: its output, normalised in sandwich layers."""
        return rms(x, w(p + name, 1, d, "norm")) if l.get("sandwich") else x

    def mix(n, l, p, h):
        """What a mixer of layer n adds to the stream, from the normalised stream h."""
        if "filter" in l:
            mixed = gated_filter(h, l, vector(p), lambda name, rows, ne0: w(p + name, rows, ne0))
            return mixed @ w(p + "shortconv.out_proj", d, d).T
        if "cfc" in l:
            mixed = cfc(h, vector(p), lambda name, rows, ne0: w(p + name, rows, ne0))
            return mixed @ w(p + "cfc.out", d, d).T
        if "channels" in l:
            mixed = mamba(h, l, vector(p), lambda name, rows, ne0: w(p + name, rows, ne0))
            return mixed @ w(p + "ssm_out", d, l["channels"]).T
        if "inner" in l:
            mixed = mamba2(h, l, vector(p), lambda name, rows, ne0: w(p + name, rows, ne0))
            return mixed @ w(p + "ssm_out", d, l["inner"]).T
        if "k" in l:
            k = l["k"]
            gate_b, gate_c, value = np.split(h @ w(p + "shortconv.in_proj", 3 * d, d).T, 3, axis=1)
            taps = w(p + "shortconv.conv", d, k)
            y = np.vstack([np.zeros((k - 1, d)), gate_b * value])
            z = sum(y[j : j + t] * taps[:, j] for j in range(k))
            return (gate_c * z) @ w(p + "shortconv.out_proj", d, d).T
        if "linear" in l:
            output = "attn_output" if l["linear"] == "lin" else "ssm_out"
            return linear_attention(l, p, h, w) @ w(p + output, d, l["many"] * l["dv"]).T
        if "taps" in l:
            return gated_delta_net(l, p, h, w) @ w(p + "ssm_out", d, l["values"] * l["dv"]).T
        heads, kv, hd = l["heads"], l["kv"], l["hd"]
        q = (h @ w(p + "attn_q", heads * hd, d).T).reshape(t, heads, hd)
        own = l["kv_from"] is None
        if own:
            key = (h @ w(p + "attn_k", kv * hd, d).T).reshape(t, kv, hd)
            v = (h @ w(p + "attn_v", kv * hd, d).T).reshape(t, kv, hd)
        if l["norm"]:
            q = rms(q, w(p + "attn_q_norm", 1, hd, "norm"))
        if l["norm"] and own:
            key = rms(key, w(p + "attn_k_norm", 1, hd, "norm"))
        q = rope(q, l["base"], l["rotated"], arch == "llama")
        cached[n] = (rope(key, l["base"], l["rotated"], arch == "llama"), v) if own else cached[l["kv_from"]]
        key, v = cached[n]
        o = np.empty_like(q)
        age = np.arange(t)[:, None] - np.arange(t)[None, :]
        hidden = (age < 0) | ((age >= l["window"]) if l["window"] else False)
        for j in range(heads):
            g = j // (heads // kv)
            s = q[:, j] @ key[:, g].T / np.sqrt(hd)
            s[hidden] = -np.inf
            e = np.exp(s - s.max(-1, keepdims=True))
            o[:, j] = e / e.sum(-1, keepdims=True) @ v[:, g]
        if l["gate"]:
            o = o / (1 + np.exp(-(h @ w(p + "attn_gate", heads, d).T)))[:, :, None]
        return o.reshape(t, -1) @ w(p + "attn_output", d, heads * hd).T

    embedding = w("token_embd", vocab, d)
    x = embedding[tokens]
    t = len(tokens)
    for n, l in enumerate(layers):
        p = f"blk.{l.get('again', n)}."
        h = rms(x, w(p + "attn_norm", 1, d, "norm"))
        out = mix(n, l, p, h) + (mix(n, l["beside"], p, h) if "beside" in l else 0)
        x = x + branch(l, p, "post_attention_norm", out)
        if "experts" in l:
            x = x + branch(l, p, "post_ffw_norm", mixture_of_experts(rms(x, w(p + "ffn_norm", 1, d, "norm")), l, vector(p)))
        elif l.get("ffn"):
            f = rms(x, w(p + "ffn_norm", 1, d, "norm"))
            gate = f @ w(p + "ffn_gate", l["ffn"], d).T
            up = f @ w(p + "ffn_up", l["ffn"], d).T
            x = x + branch(l, p, "post_ffw_norm", (gate / (1 + np.exp(-gate)) * up) @ w(p + "ffn_down", d, l["ffn"]).T)
    final = rms(x, w("token_embd_norm" if arch.startswith("lfm2") else "output_norm", 1, d, "norm"))

    attention = [l for l in layers if "heads" in l]
    a = arch + "."
    kv = [
        ("general.architecture", STR, arch), ("general.name", STR, "golden"), ("general.alignment", U32, 32),
        ("edgefront.weights.seed", U64, seed), (a + "block_count", U32, len(layers)), (a + "embedding_length", U32, d),
        (a + "context_length", U32, 4096), (a + "vocab_size", U32, vocab), (a + "attention.layer_norm_rms_epsilon", F32, 1e-5),
    ]
    if arch == "edgefront":
        per = lambda key, default: [l.get(key, default) for l in layers]
        others = [l.get("beside", l) for l in layers]  # parallel layers have attention and another mixer
        if any("experts" in l for l in layers):
            names = ("expert_count", "expert_used_count", "expert_feed_forward_length")
            kv += [(a + name, I32, [l.get("experts", (0, 0, 0))[i] for l in layers]) for i, name in enumerate(names)]
        if any("taps" in l for l in layers):
            kv += [
                (a + "ssm.conv_kernel", I32, per("taps", 0)), (a + "ssm.state_size", I32, per("dk", 0)),
                (a + "ssm.group_count", I32, per("keys", 0)), (a + "ssm.time_step_rank", I32, per("values", 0)),
                (a + "ssm.inner_size", I32, [l.get("values", 0) * l.get("dv", 0) for l in layers]),
            ]
        if any("linear" in l for l in layers):
            kv += [
                (a + "ssm.inner_size", I32, [l.get("many", 0) * l.get("dv", 0) for l in layers]),
                (a + "ssm.time_step_rank", I32, per("many", 0)), (a + "ssm.conv_kernel", I32, per("conv", 0)),
                (a + "ssm.state_size", I32, per("dk", 0)),
            ]
        kv += [
            (a + "feed_forward_length", I32, per("ffn", 0)), (a + "attention.head_count", I32, per("heads", 0)),
            (a + "attention.head_count_kv", I32, per("kv", 0)), (a + "attention.key_length", I32, per("hd", 0)),
            (a + "attention.value_length", I32, per("hd", 0)), (a + "rope.dimension_count", I32, per("hd", 0)),
            (a + "rope.freq_base", F32, per("base", 1.0)), (a + "attention.sliding_window", I32, per("window", 0)),
            (a + "shortconv.l_cache", I32, [0 if "inner" in l or "channels" in l else l.get("k", 0) for l in others]), (a + "attention.qk_norm", BOOL, [int(x) for x in per("norm", False)]),
            (a + "layer.mixer", STR, ["+".join(mixer_name(x) for x in [l, *([l["beside"]] if "beside" in l else [])]) for l in layers]),
        ]
        if any("beside" in l for l in layers):
            kv += [(a + "attention.output_gate", BOOL, [int(x) for x in per("gate", False)])]
        if any(l.get("rotated") != l.get("hd") for l in layers):
            kv += [(a + "rope.rotated_count", I32, per("rotated", 0))]
        for key, source in (("layer.weights_from", "again"), ("attention.kv_from", "kv_from")):
            if any(l.get(source) is not None for l in layers):
                kv += [(a + key, I32, [n if l.get(source) is None else l[source] for n, l in enumerate(layers)])]
        if any("inner" in l for l in others):
            of = lambda key: [l[key] if "inner" in l else 0 for l in others]
            kv += [
                (a + "ssm.conv_kernel", I32, of("k")), (a + "ssm.inner_size", I32, of("inner")), (a + "ssm.state_size", I32, of("states")),
                (a + "ssm.time_step_rank", I32, of("heads")), (a + "ssm.group_count", I32, of("groups")),
            ]
        if any("filter" in l or "channels" in l for l in layers):
            of = lambda key: [l.get(key, 0) if "filter" in l or "channels" in l else 0 for l in layers]
            kv += [
                (a + "ssm.conv_kernel", I32, of("k")), (a + "ssm.inner_size", I32, of("channels")), (a + "ssm.state_size", I32, of("states")),
                (a + "ssm.time_step_rank", I32, of("rank")),
            ]
    else:
        l = attention[0]
        kv += [
            (a + "feed_forward_length", U32, layers[0]["ffn"]), (a + "attention.head_count", U32, l["heads"]),
            (a + "attention.key_length", U32, l["hd"]), (a + "attention.value_length", U32, l["hd"]),
            (a + "rope.dimension_count", U32, l["hd"]), (a + "rope.freq_base", F32, l["base"]),
        ]
        if arch == "lfm2moe":
            count, used, width = layers[-1]["experts"]
            kv += [(a + "expert_count", U32, count), (a + "expert_used_count", U32, used), (a + "expert_feed_forward_length", U32, width),
                   (a + "leading_dense_block_count", U32, sum("experts" not in x for x in layers)), (a + "expert_gating_func", U32, 2)]
        if arch.startswith("lfm2"):
            kv += [(a + "attention.head_count_kv", I32, [x.get("kv", 0) for x in layers]),
                   (a + "shortconv.l_cache", U32, next(x["k"] for x in layers if "k" in x))]
        else:
            kv += [(a + "attention.head_count_kv", U32, l["kv"])]
        if arch == "falcon-h1":
            names = {"conv_kernel": "k", "inner_size": "inner", "state_size": "states", "time_step_rank": "heads", "group_count": "groups"}
            kv += [(a + "ssm." + key, U32, l["beside"][name]) for key, name in names.items()]
    return gguf(kv, tensors.items()), final @ embedding.T


def mixer_name(l):
    if "cfc" in l:
        return "cfc"
    if "filter" in l:
        return l["filter"]
    if "channels" in l:
        return "m1" if l["states"] else "m1.conv"
    if "linear" in l:
        return l["linear"]
    if "inner" in l:
        return "m2" if l["heads"] else "m2.conv"
    if "taps" in l:
        return "gdn" if l["keys"] else "gdn.conv"
    return "conv" if "k" in l else "swa" if l["window"] else "gqa"


def m2(inner, heads, states, groups, k, ffn):
    return dict(inner=inner, heads=heads, states=states, groups=groups, k=k, ffn=ffn)


def gdn(keys, values, dk, dv, taps, ffn):
    return dict(keys=keys, values=values, dk=dk, dv=dv, taps=taps, ffn=ffn)


def linear(name, many, dk, dv, conv, ffn):
    return dict(linear=name, many=many, dk=dk, dv=dv, conv=conv, ffn=ffn)


def filtered(name, states, ffn):
    return dict(filter=name, states=states, ffn=ffn)


def m1(channels, states, rank, k, ffn):
    return dict(channels=channels, states=states, rank=rank, k=k, ffn=ffn)


def attn(heads, kv, hd, ffn, window=0, norm=True, base=1e4, rotated=None, gate=False, kv_from=None):
    return dict(heads=heads, kv=kv, hd=hd, ffn=ffn, window=window, norm=norm, base=base, rotated=hd if rotated is None else rotated, gate=gate,
                kv_from=kv_from)


def moe(experts, used, width, **mixer):
    return dict(mixer, experts=(experts, used, width))


def sandwich(layer):
    return dict(layer, sandwich=True)


def beside(attention, other):
    return dict(attention, beside=other)


def again(layers, order):
    """Returns the layers, then those with these numbers again, with the same weights."""
    return layers + [dict(layers[n], again=n) for n in order]


CASES = {
    "lfm2": ("lfm2", 48, 61, [dict(k=3, ffn=80), attn(6, 2, 8, 80, base=1e6), dict(k=3, ffn=80)]),
    "llama": ("llama", 40, 57, [attn(4, 2, 16, 72, norm=False), attn(4, 2, 16, 72, norm=False)]),
    "qwen3": ("qwen3", 40, 57, [attn(4, 1, 20, 72, base=1e6), attn(4, 1, 20, 72, base=1e6)]),
    "falcon-h1": ("falcon-h1", 40, 57, [beside(attn(4, 2, 16, 72, norm=False), m2(60, 6, 20, 2, 3, 0))] * 2),
    "edgefront": ("edgefront", 36, 53, [dict(k=5, ffn=50), attn(3, 3, 12, 70, window=9), dict(k=2, ffn=33),
                                        attn(8, 2, 10, 64, base=5e5), attn(4, 1, 34, 41, window=64, norm=False), dict(k=8, ffn=97)]),
    "m2": ("edgefront", 36, 53, [m2(72, 6, 20, 1, 4, 50), m2(40, 8, 9, 4, 2, 33), attn(3, 1, 12, 41), m2(54, 0, 0, 1, 5, 64),
                                 m2(30, 1, 33, 1, 1, 40), dict(k=3, ffn=48), m2(48, 0, 0, 3, 2, 24)]),
    # Experts stand before attention where a token uses only some: rounding of keys and values must not change the choice.
    "lfm2moe": ("lfm2moe", 48, 61, [dict(k=3, ffn=80), moe(7, 2, 24, k=3), moe(7, 2, 24, k=3), moe(7, 2, 24, **attn(6, 2, 8, 0, base=1e6))]),
    "moe": ("edgefront", 36, 53, [moe(5, 2, 33, k=3), dict(k=2), moe(20, 1, 17, k=4), moe(1, 1, 40, k=1), attn(3, 3, 12, 0), moe(3, 3, 20, k=3),
                                  attn(4, 1, 10, 50, window=9)]),
    "gdn": ("edgefront", 36, 53, [gdn(2, 4, 10, 12, 4, 50), gdn(0, 2, 0, 14, 3, 33), gdn(3, 3, 16, 16, 2, 64),
                                  attn(3, 3, 12, 40, window=9), gdn(1, 2, 24, 40, 4, 41)]),
    "filters": ("edgefront", 36, 53, [filtered("s4d", 64, 50), filtered("rtf", 16, 33), attn(3, 1, 12, 41), filtered("ls4", 20, 24),
                                      filtered("rtf", 1, 40), filtered("s4d", 2, 24)]),
    "m1": ("edgefront", 36, 53, [m1(72, 16, 3, 4, 50), m1(40, 5, 7, 2, 33), attn(3, 1, 12, 41), m1(54, 0, 0, 5, 64), m1(36, 1, 1, 1, 40)]),
    "cfc": ("edgefront", 36, 53, [dict(cfc=True, ffn=50), attn(3, 1, 12, 41), dict(cfc=True, ffn=33)]),
    "lfm3": ("edgefront", 36, 53, [sandwich(dict(k=7, ffn=50)), sandwich(attn(4, 1, 16, 50, base=1e6, rotated=8, gate=True)),
                                   sandwich(dict(k=7, ffn=50)), sandwich(attn(4, 1, 16, 50, window=9, gate=True)),
                                   attn(3, 3, 10, 41, rotated=0), sandwich(gdn(1, 2, 10, 12, 3, 33)), attn(5, 1, 14, 40, norm=False, rotated=6)]),
    "linear": ("edgefront", 36, 53, [linear("lin", 3, 12, 12, 0, 50), linear("gla", 2, 10, 12, 0, 33), linear("kda", 2, 14, 14, 4, 64),
                                     linear("kda.conv", 3, 0, 10, 3, 40), attn(3, 3, 12, 40, window=9), linear("gla", 1, 24, 40, 0, 48),
                                     linear("kda", 1, 32, 32, 2, 24), linear("lin", 1, 33, 33, 0, 41)]),
    "parallel": ("edgefront", 36, 53, again([beside(attn(4, 2, 10, 48), m2(72, 6, 20, 1, 4, 0)), dict(k=3, ffn=40),
                                             sandwich(beside(attn(3, 1, 12, 41, window=9, norm=False, gate=True), dict(k=5))),
                                             attn(6, 2, 10, 33, kv_from=0), beside(attn(3, 3, 10, 50, rotated=6), m2(40, 8, 9, 4, 2, 0))],
                                            [4, 1])),
    "sharing": ("edgefront", 36, 53, again([dict(k=3, ffn=40), attn(4, 2, 10, 48), attn(3, 3, 12, 40, window=9),
                                            attn(6, 2, 10, 33, kv_from=1), attn(3, 3, 12, 56, window=9, kv_from=2)], [0, 3, 1, 1, 2, 4])),
}

if __name__ == "__main__":
    for name, (arch, d, vocab, layers) in CASES.items():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        count = 150
        tokens = (splitmix64(np.arange(count)) % np.uint64(vocab)).astype(int)
        with np.errstate(over="ignore"):
            plan, logits = build(arch, d, vocab, layers, 1234567, tokens)
        (HERE / f"{name}.plan").write_bytes(plan)
        # Every seventh position keeps the files small; the last is among them.
        rows = list(range(count - 1, -1, -7))[::-1]
        data = struct.pack("<II", len(rows), vocab) + np.array(rows, "<u4").tobytes() + logits[rows].astype("<f4").tobytes()
        (HERE / f"{name}.logits").write_bytes(data)
        print(name, len(plan), len(data), "max |logit|", float(np.abs(logits).max()))
