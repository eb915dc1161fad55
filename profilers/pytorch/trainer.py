"""Proxy training by PyTorch, for those who have a GPU: the `train` job of the agent protocol (kernels/README.md) on stdin and stdout, with the
same layouts, seeds, batches and schedule as the native trainer. Needs torch and numpy, and nothing else of edgefront. It measures nothing;
it distils from no teacher and keeps no checkpoints: those are refused as unsupported.
"""
import base64
import hashlib
import json
import math
import os
import platform
import queue
import struct
import sys
import threading
import time

import numpy as np
import torch
import torch.nn.functional as F

M64 = (1 << 64) - 1
UNSCORED = 0xFFFF
UNCOUNTED = -100  # a target that cross-entropy leaves out
# Double precision is for comparisons: what then differs is the other side's rounding.
FLOAT = np.float64 if os.environ.get("EDGEFRONT_FLOAT64") else np.float32


class Refused(Exception):
    """A job's end with one of the protocol's codes."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


# ---- the seed's numbers: splitmix64 and FNV-1a, as kernels/README.md has them -------------------------------------------------


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


def seeded(seed, name, rows, cols, kind, residual):
    u = (splitmix_many(splitmix(seed) ^ fnv(name), rows * cols) >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)
    w = np.float32(1) + np.float32(0.1) * u if kind == "norm" else u * np.float32(math.sqrt(3.0 / cols))
    if name.endswith(("out_proj.weight", "attn_output.weight", "ffn_down.weight")):
        w = w * np.float32(residual)
    return w.reshape(cols) if kind == "norm" else w.reshape(rows, cols)


# ---- the plan: a GGUF header ----------------------------------------------------------------------------------------------------


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


class Layout:
    def __init__(self, plan):
        meta, tensors = plan.meta, plan.tensors
        arch = meta["general.architecture"]
        get = lambda key, default=None: meta.get(f"{arch}.{key}", default)
        per_layer = lambda value, n: value[n] if isinstance(value, list) else value
        self.dim, self.vocab = tensors["token_embd.weight"][:2]
        self.eps = get("attention.layer_norm_rms_epsilon")
        self.interleaved = arch == "llama"
        self.final_norm = "token_embd_norm.weight" if arch == "lfm2" else "output_norm.weight"
        self.output = "output.weight" if "output.weight" in tensors else "token_embd.weight"
        self.layers = []
        for n in range(get("block_count")):
            p = f"blk.{n}."
            if p + "shortconv.in_proj.weight" in tensors:
                self.layers.append(("conv", tensors[p + "shortconv.conv.weight"][0]))
                continue
            heads = per_layer(get("attention.head_count"), n)
            hd = tensors[p + "attn_q.weight"][1] // heads
            kv = tensors[p + "attn_k.weight"][1] // hd
            norm = p + "attn_q_norm.weight" in tensors
            window = per_layer(get("attention.sliding_window", 0), n)
            self.layers.append(("attention", heads, kv, hd, window, norm, per_layer(get("rope.freq_base"), n)))


# ---- the network ----------------------------------------------------------------------------------------------------------------


def rms(x, weight, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


class Rounded(torch.autograd.Function):
    """
    F.linear with the operands of its product, and of both products of its gradient, rounded to bfloat16 and summed in float32, as the native
    trainer's linear layers in that precision.
    """

    on_gpu = True  # whether this torch multiplies bfloat16 into float32 on a GPU, until it says that it does not

    @classmethod
    def product(cls, a, b, kind):
        if a.is_cuda and cls.on_gpu:
            try:
                return torch.mm(a, b, out_dtype=torch.float32)
            except torch.OutOfMemoryError:
                raise
            except (TypeError, RuntimeError):
                cls.on_gpu = False
        return a.to(kind) @ b.to(kind)  # products of two bfloat16 are exact there

    @staticmethod
    def forward(ctx, x, w):
        a, b = x.flatten(0, -2).float().bfloat16(), w.float().bfloat16()
        ctx.save_for_backward(a, b)
        return Rounded.product(a, b.T, x.dtype).unflatten(0, x.shape[:-1])

    @staticmethod
    def backward(ctx, gradient):
        a, b = ctx.saved_tensors
        g = gradient.flatten(0, -2).float().bfloat16()
        kind = gradient.dtype
        return Rounded.product(g, b, kind).unflatten(0, gradient.shape[:-1]), Rounded.product(g.T, a, kind)


class Network:
    def __init__(self, plan, seed, length, pooled, device, rounded):
        self.layout, self.pooled, self.length = Layout(plan), pooled, length
        self.linear = Rounded.apply if rounded else F.linear
        l = self.layout
        residual = 1 / math.sqrt(2 * len(l.layers))
        shapes = {name: t[:2] for name, t in plan.tensors.items()}
        if pooled:
            shapes["decoder.ffn_norm.weight"] = (l.dim, 1)
            shapes.update({f"decoder.ffn_{part}.weight": (l.dim, l.dim) for part in ("gate", "up", "down")})
        self.w = {}
        for name, (cols, rows) in shapes.items():
            kind = "norm" if "norm" in name else "matrix"
            self.w[name] = torch.tensor(seeded(seed, name, rows, cols, kind, residual).astype(FLOAT), device=device, requires_grad=True)
        at = torch.arange(length, device=device)
        gap = at[:, None] - at[None, :]
        self.masks, self.turns = {}, {}
        for layer in l.layers:
            if layer[0] != "attention":
                continue
            _, _, _, hd, window, _, base = layer
            self.masks[window] = (gap >= 0) & (gap < window) if window else None
            angle = np.outer(np.arange(length), float(base) ** (-2.0 * np.arange(hd // 2) / hd))
            self.turns[hd, base] = tuple(torch.tensor(f(angle).astype(FLOAT), device=device) for f in (np.cos, np.sin))
        half = l.dim // 2
        angle = np.outer(np.arange(length), 1e4 ** (-np.arange(half) / max(1, half - 1)))
        code = np.zeros((length, l.dim), FLOAT)
        code[:, :half], code[:, half : 2 * half] = np.sin(angle), np.cos(angle)
        self.code = torch.tensor(code, device=device)

    def rope(self, x, cos, sin):
        if self.layout.interleaved:
            a, b = x[..., ::2], x[..., 1::2]
            return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2)
        a, b = x.chunk(2, -1)
        return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)

    def mixer(self, n, h):
        w, l, p = self.w, self.layout.layers[n], f"blk.{n}."
        batch, length, _ = h.shape
        if l[0] == "conv":
            b, c, v = self.linear(h, w[p + "shortconv.in_proj.weight"]).chunk(3, -1)
            taps = w[p + "shortconv.conv.weight"]
            k = taps.shape[1]
            y = F.pad(b * v, (0, 0, k - 1, 0))
            z = sum(y[:, j : j + length] * taps[:, j] for j in range(k))
            return self.linear(c * z, w[p + "shortconv.out_proj.weight"])
        _, heads, kv, hd, window, norm, base = l
        q, k, v = (
            self.linear(h, w[p + f"attn_{x}.weight"]).view(batch, length, many, hd).transpose(1, 2) for x, many in (("q", heads), ("k", kv), ("v", kv))
        )
        if norm:
            q, k = rms(q, w[p + "attn_q_norm.weight"], self.layout.eps), rms(k, w[p + "attn_k_norm.weight"], self.layout.eps)
        cos, sin = self.turns[hd, base]
        q, k = self.rope(q, cos, sin), self.rope(k, cos, sin)
        mask = self.masks[window]
        o = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None, enable_gqa=heads != kv)
        return self.linear(o.transpose(1, 2).reshape(batch, length, heads * hd), w[p + "attn_output.weight"])

    def ffn(self, p, x):
        w = self.w
        h = rms(x, w[p + "ffn_norm.weight"], self.layout.eps)
        return x + self.linear(F.silu(self.linear(h, w[p + "ffn_gate.weight"])) * self.linear(h, w[p + "ffn_up.weight"]), w[p + "ffn_down.weight"])

    def logits(self, tokens, places):
        """Of some places of [batch x length] only: [places, vocabulary]."""
        w = self.w
        x = F.embedding(tokens, w["token_embd.weight"])
        for n in range(len(self.layout.layers)):
            p = f"blk.{n}."
            x = x + self.mixer(n, rms(x, w[p + "attn_norm.weight"], self.layout.eps))
            x = self.ffn(p, x)
        if self.pooled:
            x = self.ffn("decoder.", x[:, -1:] + self.code)
        x = x.flatten(0, 1).index_select(0, places)
        return self.linear(rms(x, w[self.layout.final_norm], self.layout.eps), w[self.layout.output])


# ---- data -----------------------------------------------------------------------------------------------------------------------


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
        """The rows that a run draws as its n-th and those after it."""
        if self.stream:
            return splitmix_many((self.key + n) & M64, count) % np.uint64(self.choices)
        picks = []
        while count > 0:
            epoch, at = divmod(n, self.choices)
            if epoch != self.epoch:
                self.epoch, self.order = epoch, self.shuffled(splitmix((self.key + epoch) & M64))
            picks.append(self.order[at : at + count])
            n, count = n + len(picks[-1]), count - len(picks[-1])
        return np.concatenate(picks)

    def shuffled(self, base):
        draws = (splitmix_many(base, self.choices) % np.arange(1, self.choices + 1, dtype=np.uint64)).tolist()
        order = list(range(self.choices))
        for i in range(self.choices - 1, 0, -1):
            j = draws[i]
            order[i], order[j] = order[j], order[i]
        return np.array(order)

    def batch(self, picks):
        """Rows as the network takes them: tokens, the places that are scored in the flattened batch, and what is right there."""
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


# ---- the job --------------------------------------------------------------------------------------------------------------------


def rate_at(o, step, steps):
    if step <= o["warmupSteps"]:
        return o["learningRate"] * step / o["warmupSteps"]
    done = (step - o["warmupSteps"]) / max(1, steps - o["warmupSteps"])
    return o["minLearningRate"] + 0.5 * (o["learningRate"] - o["minLearningRate"]) * (1 + math.cos(math.pi * done))


DEFAULTS = dict(learningRate=3e-3, minLearningRate=3e-4, warmupSteps=20, beta1=0.9, beta2=0.95, epsilon=1e-8, weightDecay=0.1, clip=1.0)


def export(plan, network, path):
    """The trained weights as a GGUF with the plan's header; float32 tensors."""
    if any(t[2] != 0 for t in plan.tensors.values()):
        raise Refused("unsupported", "the PyTorch trainer writes F32 plans only")
    part = path + ".part"
    with open(part, "wb") as f:
        f.write(plan.data[: plan.header_bytes])
        start = (plan.header_bytes + 31) // 32 * 32
        for name, (_, _, _, offset) in plan.tensors.items():
            f.seek(start + offset)
            f.write(network.w[name].detach().float().cpu().numpy().tobytes())
        f.truncate((f.tell() + 31) // 32 * 32)
    os.replace(part, path)


class StopRule:
    """Ends a run by what it reaches on the validation data; as RunState::Judge in kernels/train."""

    def __init__(self, rule):
        self.rule, self.best, self.stale, self.looks = rule or {}, math.inf, 0, []

    def due(self, step):
        return self.rule.get("every", 0) > 0 and step % self.rule["every"] == 0

    def judge(self, step, loss, accuracy):
        """Why the run should end, or None."""
        rule = self.rule
        self.looks.append([step, loss, accuracy])
        if accuracy >= rule.get("accuracy", 2):
            return "converged"
        if 0 < rule.get("hopelessStep", 0) <= step and loss > rule.get("hopelessLoss", math.inf):
            return "hopeless"
        self.stale = 0 if loss < self.best * (1 - rule.get("improvement", 0.001)) else self.stale + 1
        self.best = min(self.best, loss)
        return "plateau" if 0 < rule.get("patience", 0) <= self.stale else None


class Stepper:
    """
    Optimiser steps on batches from the host. On a GPU a step is hundreds of kernels that each end before the next is launched: it is captured
    as a CUDA graph after some steps, and replayed; where that fails, steps are launched as before. EDGEFRONT_CUDA_GRAPHS=0 leaves it out.
    """

    WARM = 3

    def __init__(self, step, device):
        self.step, self.device, self.graph, self.counts = step, device, None, []
        self.graphs = device.type == "cuda" and os.environ.get("EDGEFRONT_CUDA_GRAPHS") != "0"

    def __call__(self, *batch):
        """(loss, gradient norm) of a step, on the device: nothing waits for it."""
        if self.graphs and self.graph is None and len(self.counts) >= self.WARM:
            self.capture(batch)
        if self.graph is None or len(batch[1]) > len(self.inputs[1]):
            self.counts.append(len(batch[1]))
            return self.eager(batch)
        self.fill(batch)
        self.graph.replay()
        return self.output.clone()

    def fill(self, batch):
        tokens, places, targets = self.inputs
        count = len(batch[1])
        tokens.copy_(batch[0])
        places[:count].copy_(batch[1])
        targets[:count].copy_(batch[2])
        targets[count:].fill_(UNCOUNTED)

    def eager(self, batch):
        batch = [x.to(self.device) for x in batch]
        if not self.graphs:
            return self.step(*batch)
        side = torch.cuda.Stream()  # what is to be captured must not have run on the default stream
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            output = self.step(*batch)
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.synchronize()
        return output

    def capture(self, batch):
        """Records a step, which runs none of it: weights and moments stay as they were, and gradients are dropped before each step."""
        counts = {*self.counts, len(batch[1])}
        # Where the number of scored places varies, room for some more than were seen.
        size = max(counts) if len(counts) == 1 else min(batch[0].numel(), max(counts) * 5 // 4 + 16)
        try:
            places = torch.zeros(size, dtype=torch.int64, device=self.device)
            self.inputs = [batch[0].to(self.device), places, torch.full_like(places, UNCOUNTED)]
            self.fill(batch)
            graph = torch.cuda.CUDAGraph()
            torch.cuda.synchronize()
            with torch.cuda.graph(graph):
                self.output = self.step(*self.inputs)
            self.graph = graph
        except Exception as error:  # noqa: BLE001 - a step that cannot be captured still can be launched
            self.graphs = False
            print(f"no CUDA graph, so slower: {str(error).splitlines()[:1]}", file=sys.stderr, flush=True)


def train(r, progress, cancelled):
    for field in ("objective", "teacher"):
        if r.get(field) and r[field].get("kind") != "cross-entropy":
            raise Refused("unsupported", f"the PyTorch trainer knows no {field}; use the native one")
    if r.get("checkpoint", {}).get("pauseAt"):
        raise Refused("unsupported", "the PyTorch trainer keeps no checkpoint to pause at; use the native one")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
    if r.get("threads"):
        torch.set_num_threads(r["threads"])
    plan = Plan(base64.b64decode(r["model"]["plan"]))
    seed, steps, batch, spec = r.get("seed", 1), r.get("steps", 300), r.get("batch", 32), r["data"]
    every, o = r.get("reportEvery", 20), {**DEFAULTS, **{name: float(x) for name, x in r.get("optimizer", {}).items()}}
    data = Data(spec["train"], spec["kind"], spec["length"], seed)
    validation = Data(spec["validation"], spec["kind"], spec["length"], seed) if spec.get("validation") else None
    precision = r.get("precision", "float32")
    if precision not in ("float32", "bfloat16"):
        raise Refused("bad-request", "precision must be float32 or bfloat16")
    network = Network(plan, seed, spec["length"], r.get("head") == "pooled", device, precision == "bfloat16")
    if max(d.vocab for d in (data, validation) if d) > network.layout.vocab:
        raise Refused("bad-request", "the data's vocabulary exceeds the model's")
    matrices = {k: v for k, v in network.w.items() if v.dim() == 2 and "shortconv.conv" not in k}
    # muP (arXiv 2203.03466): the layers' matrices learn at base / d of the rate, and decay as without it.
    slower = r["baseWidth"] / network.layout.dim if r.get("baseWidth") else 1.0
    groups = [
        {"params": [v for k, v in matrices.items() if k.startswith("blk.")], "share": slower, "weight_decay": o["weightDecay"] / slower},
        {"params": [v for k, v in matrices.items() if not k.startswith("blk.")], "share": 1.0, "weight_decay": o["weightDecay"]},
        {"params": [v for k, v in network.w.items() if k not in matrices], "share": 1.0, "weight_decay": 0.0},
    ]
    cuda = device.type == "cuda"
    for group in groups:  # a captured step reads its rate from the device
        group["lr"] = torch.zeros((), device=device) if cuda else 0.0
    optimizer = torch.optim.AdamW(groups, betas=(o["beta1"], o["beta2"]), eps=o["epsilon"], fused=True, capturable=cuda)
    weights = list(network.w.values())

    def learn(tokens, places, targets):
        optimizer.zero_grad()
        loss = F.cross_entropy(network.logits(tokens, places), targets)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(weights, o["clip"] if o["clip"] > 0 else math.inf)
        optimizer.step()
        return torch.stack([loss.detach(), norm])

    @torch.no_grad()
    def validate():
        total, right, count = 0.0, 0, 0
        picks = validation.spread(r.get("evalBatches", 8) * batch)
        for i in range(0, len(picks), batch):
            tokens, places, targets = (x.to(device) for x in validation.batch(picks[i : i + batch]))
            logits = network.logits(tokens, places)
            total = total + F.cross_entropy(logits, targets, reduction="sum").double()
            at_target = logits.gather(1, targets[:, None])
            right = right + ((logits >= at_target).sum(1) == 1).sum()  # a tie is not an answer
            count += len(targets)
        loss = float(total) / count
        if not math.isfinite(loss):
            raise Refused("diverged", "validation loss is not finite")
        return loss, int(right) / count, count

    stepper, rule, stopped = Stepper(learn, device), StopRule(r.get("stop")), None
    losses, norms, window, pending = [], [], [], []
    start, looked = time.perf_counter(), 0.0
    for step in range(1, steps + 1):
        if cancelled():
            raise Refused("cancelled", "cancelled")
        if r.get("timeoutMs") and time.perf_counter() - start > r["timeoutMs"] / 1000:
            raise Refused("timeout", f"did not end within {r['timeoutMs']} ms")
        for group in optimizer.param_groups:
            rate = rate_at(o, step, steps) * group["share"]
            group["lr"] = group["lr"].fill_(rate) if cuda else rate
        pending.append(stepper(*data.batch(data.draw((step - 1) * batch, batch))))
        report = step % every == 0 or step == steps
        if report or not cuda:  # reading a GPU's numbers waits for it
            for loss, norm in torch.stack(pending).tolist():
                window.append((loss, norm))
                if not (math.isfinite(loss) and math.isfinite(norm)):
                    raise Refused("diverged", f"loss is not finite at step {(losses[-1][0] if losses else 0) + len(window)}")
            pending = []
        if report:
            losses.append([step, sum(loss for loss, _ in window) / len(window)])
            norms.append([step, sum(norm for _, norm in window) / len(window)])
            pace = step * batch * spec["length"] / (time.perf_counter() - start - looked)
            progress({"step": step, "steps": steps, "loss": losses[-1][1], "tokensPerSecond": pace})
            window = []
        if validation and rule.due(step) and step < steps:
            before = time.perf_counter()
            loss, accuracy, _ = validate()
            stopped = rule.judge(step, loss, accuracy)
            looked += time.perf_counter() - before
            if stopped:
                break
    if cuda:
        torch.cuda.synchronize()
    seconds = time.perf_counter() - start - looked
    loss, accuracy, count = validate() if validation and r.get("evalBatches", 8) > 0 else (0.0, 0.0, 0)
    if r.get("out"):
        export(plan, network, r["out"])
    digest = hashlib.sha256(b"".join(w.detach().cpu().numpy().tobytes() for w in network.w.values())).hexdigest()
    return {
        "steps": step, "resumedFrom": 0, "stopped": stopped or "steps", "trainLoss": losses, "gradientNorm": norms, "looks": rule.looks,
        "validation": {"loss": loss, "accuracy": accuracy, "tokens": count},
        "tokensPerSecond": step * batch * spec["length"] / seconds, "seconds": seconds,
        "parameters": sum(w.numel() for w in network.w.values()), "isa": f"torch-{device.type}", "precision": precision,
        "threads": torch.get_num_threads(), "weightsHash": digest,
    }


def boot_id():
    """The same as the agent on this machine says: it is one host, whoever answers."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return "unknown"


def probe():
    """What the protocol asks for; nothing is measured here, so rates are 0."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    page, pages = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_PHYS_PAGES")
    cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count()))
    return {
        "arch": ARCH, "os": platform.system(), "kernel": platform.release(), "hostname": None, "bootId": boot_id(), "pageBytes": page,
        "cpuModel": gpu or platform.processor() or platform.machine(), "cores": os.cpu_count(), "allowedCpus": cpus, "isas": ["torch"],
        "isa": "torch-cuda" if gpu else "torch-cpu", "features": [], "memoryBytes": page * pages, "availableBytes": page * pages,
        "swapBytes": 0, "loadAverage": os.getloadavg()[0], "emulated": False, "temperatureC": None, "frequencyMhz": None,
        "readBandwidthGBs": 0, "int8Gops": 0, "fp32Gflops": 0, "libc": " ".join(platform.libc_ver()), "compiler": f"torch {torch.__version__}",
    }


ARCH = "aarch64" if platform.machine().lower() in ("aarch64", "arm64") else "x86_64"


def main():
    lock, jobs, state = threading.Lock(), queue.Queue(), {"job": None, "cancel": None}
    start = time.monotonic()

    def say(line):
        with lock:
            sys.stdout.write(json.dumps({"v": 1, **line}) + "\n")
            sys.stdout.flush()

    def read():
        for text in sys.stdin:
            try:
                request = json.loads(text)
            except ValueError:
                say({"id": None, "type": "error", "error": {"code": "bad-request", "message": "not JSON"}})
                continue
            if request.get("type") == "cancel":
                state["cancel"] = request.get("id")
            else:
                jobs.put(request)
        os._exit(0)

    def beat():
        while True:
            time.sleep(5)
            say({"type": "heartbeat", "uptimeMs": 1000 * (time.monotonic() - start), "job": state["job"]})

    say({"type": "hello", "agent": "edgefront-agent", "version": "0.1.0", "arch": ARCH, "pid": os.getpid()})
    threading.Thread(target=read, daemon=True).start()
    threading.Thread(target=beat, daemon=True).start()
    while True:
        request = jobs.get()
        id = state["job"] = request.get("id")
        try:
            if request.get("type") == "probe":
                result = probe()
            elif request.get("type") == "train":
                result = train(request, lambda p: say({"id": id, "type": "progress", "progress": p}), lambda: state["cancel"] == id)
            else:
                raise Refused("unsupported", "this is the PyTorch trainer: it trains, and does nothing else")
            say({"id": id, "type": "result", "result": result})
        except Refused as refused:
            say({"id": id, "type": "error", "error": {"code": refused.code, "message": str(refused)}})
        except (torch.OutOfMemoryError, MemoryError) as error:
            say({"id": id, "type": "error", "error": {"code": "out-of-memory", "message": str(error).split("\n")[0]}})
        except Exception as error:  # noqa: BLE001 - whatever else breaks ends this job, not the trainer
            message = f"{type(error).__name__}: {error}".split("\n")[0]
            code = "out-of-memory" if "can't allocate memory" in message else "bad-request" if isinstance(error, KeyError) else "internal"
            say({"id": id, "type": "error", "error": {"code": code, "message": message}})
        state["job"] = None


if __name__ == "__main__":
    main()
