"""The trainer's peer: the same layouts and training step in PyTorch on the CPU. Each line on stdin is a JSON request:
{"layers": [["conv", k, f] | ["attention", heads, kv, hd, f]], "width", "vocab", "length", "batch", "threads", "compiled", "stream": EFD1} builds a
model and warms it up; {"steps": n} trains n steps and answers {"seconds", "loss"}. It uses PyTorch's fast forms:
fused AdamW, scaled_dot_product_attention, and the depthwise convolution as shifted products (conv1d with groups is
several times slower on CPUs).
"""
import json
import math
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


class Conv(nn.Module):
    def __init__(self, d, k):
        super().__init__()
        self.k = k
        self.in_proj, self.out_proj = nn.Linear(d, 3 * d, bias=False), nn.Linear(d, d, bias=False)
        self.taps = nn.Parameter(torch.randn(k, d) / math.sqrt(k))

    def forward(self, x):
        b, c, h = self.in_proj(x).chunk(3, -1)
        length = x.shape[1]
        y = F.pad(b * h, (0, 0, self.k - 1, 0))
        z = y[:, :length] * self.taps[0]
        for j in range(1, self.k):
            z = z + y[:, j : j + length] * self.taps[j]
        return self.out_proj(c * z)


class Attention(nn.Module):
    def __init__(self, d, heads, kv, hd, length):
        super().__init__()
        self.heads, self.kv, self.hd = heads, kv, hd
        self.q, self.k, self.v = (nn.Linear(d, n * hd, bias=False) for n in (heads, kv, kv))
        self.o = nn.Linear(heads * hd, d, bias=False)
        self.q_norm, self.k_norm = nn.RMSNorm(hd, eps=1e-5), nn.RMSNorm(hd, eps=1e-5)
        angle = torch.outer(torch.arange(length).float(), 1e6 ** (-torch.arange(hd // 2).float() * 2 / hd))
        self.register_buffer("cos", angle.cos())
        self.register_buffer("sin", angle.sin())

    def rope(self, x):
        a, b = x.chunk(2, -1)
        return torch.cat([a * self.cos - b * self.sin, a * self.sin + b * self.cos], -1)

    def forward(self, x):
        batch, length, _ = x.shape
        q = self.q(x).view(batch, length, self.heads, self.hd).transpose(1, 2)
        k = self.k(x).view(batch, length, self.kv, self.hd).transpose(1, 2)
        v = self.v(x).view(batch, length, self.kv, self.hd).transpose(1, 2)
        q, k = self.rope(self.q_norm(q)), self.rope(self.k_norm(k))
        o = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.heads != self.kv)
        return self.o(o.transpose(1, 2).reshape(batch, length, -1))


class Block(nn.Module):
    def __init__(self, d, spec, length):
        super().__init__()
        f = spec[-1]
        self.mixer = Conv(d, spec[1]) if spec[0] == "conv" else Attention(d, *spec[1:4], length)
        self.norm1, self.norm2 = nn.RMSNorm(d, eps=1e-5), nn.RMSNorm(d, eps=1e-5)
        self.gate, self.up, self.down = nn.Linear(d, f, bias=False), nn.Linear(d, f, bias=False), nn.Linear(f, d, bias=False)

    def forward(self, x):
        x = x + self.mixer(self.norm1(x))
        h = self.norm2(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Model(nn.Module):
    def __init__(self, r):
        super().__init__()
        d = r["width"]
        self.embedding = nn.Embedding(r["vocab"], d)
        nn.init.normal_(self.embedding.weight, std=d**-0.5)
        self.blocks = nn.Sequential(*(Block(d, s, r["length"]) for s in r["layers"]))
        self.norm = nn.RMSNorm(d, eps=1e-5)

    def forward(self, tokens, targets):
        logits = F.linear(self.norm(self.blocks(self.embedding(tokens))), self.embedding.weight)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def main():
    model = optimizer = None
    for line in sys.stdin:
        r = json.loads(line)
        if "layers" in r:
            torch._dynamo.reset()
            torch.set_num_threads(r["threads"])
            torch.manual_seed(1)
            model = Model(r)
            parameters = sum(p.numel() for p in model.parameters())
            groups = [{"params": [p for p in model.parameters() if p.dim() == 2], "weight_decay": 0.1},
                      {"params": [p for p in model.parameters() if p.dim() != 2], "weight_decay": 0.0}]
            optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), fused=True)
            with open(r["stream"], "rb") as f:
                stream = torch.frombuffer(bytearray(f.read()[24:]), dtype=torch.uint16).long()
            length, batch = r["length"], r["batch"]
            run = torch.compile(model) if r["compiled"] else model
            offsets = torch.randint(len(stream) - length, (4096, batch))
            at = 0
        todo = r.get("steps", 3)
        start = time.perf_counter()
        for _ in range(todo):
            rows = offsets[at % 4096][:, None] + torch.arange(length + 1)
            at += 1
            window = stream[rows]
            loss = run(window[:, :-1], window[:, 1:])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        value = loss.item()
        print(json.dumps({"seconds": time.perf_counter() - start, "loss": value, "parameters": parameters, "version": torch.__version__}), flush=True)


if __name__ == "__main__":
    main()
