"""The trainer's peer: the same layouts and training step in PyTorch on the CPU, with the networks of profilers/pytorch. Each line on
stdin is a JSON request: {"plan": GGUF header in base64, "length", "batch", "threads", "compiled", "stream": EFD1 file} builds a model and
trains the first steps; {"steps": n} trains n more. The answer is {"seconds", "processorSeconds", "loss", "parameters",
"version"}.
"""
import base64
import json
import os
import sys
import time

import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.join(os.getcwd(), "profilers", "pytorch"))
from edgefront_trainer.gguf_plan import Plan  # noqa: E402
from edgefront_trainer.layout import Layout  # noqa: E402
from edgefront_trainer.network import Network  # noqa: E402
from edgefront_trainer.train_job import DEFAULTS, make_optimizer  # noqa: E402

CPU = torch.device("cpu")


class Training:
    def __init__(self, r):
        torch._dynamo.reset()
        torch.set_num_threads(r["threads"])
        torch.manual_seed(1)
        self.network = Network(Layout(Plan(base64.b64decode(r["plan"]))), 1, scaled=True, device=CPU)
        self.parameters = list(self.network.w.values())
        self.optimizer = make_optimizer(self.network, DEFAULTS, None, CPU)
        for group in self.optimizer.param_groups:
            group["lr"] = 1e-3
        with open(r["stream"], "rb") as f:
            self.stream = torch.frombuffer(bytearray(f.read()[24:]), dtype=torch.uint16).long()
        self.window = torch.arange(r["length"] + 1)
        self.offsets = torch.randint(len(self.stream) - r["length"], (4096, r["batch"]))
        self.network.prepare(r["length"], CPU)  # outside of the compiled function: masks and tables are constants
        self.run, self.at = torch.compile(self.loss) if r["compiled"] else self.loss, 0

    def loss(self, tokens, targets):
        return F.cross_entropy(self.network.logits(tokens).flatten(0, 1), targets.flatten())

    def step(self):
        window = self.stream[self.offsets[self.at % 4096][:, None] + self.window]
        self.at += 1
        loss = self.run(window[:, :-1], window[:, 1:])
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.network.balance()
        return loss


def main():
    training = None
    for line in sys.stdin:
        r = json.loads(line)
        if "plan" in r:
            training = Training(r)
        start, processor = time.perf_counter(), time.process_time()
        for _ in range(r.get("steps", 3)):
            loss = training.step()
        answer = {"seconds": time.perf_counter() - start, "processorSeconds": time.process_time() - processor, "loss": loss.item()}
        answer |= {"parameters": sum(p.numel() for p in training.parameters), "version": torch.__version__}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
