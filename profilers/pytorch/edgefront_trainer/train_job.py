"""One training run: setup from a request, steps, validation, result."""
import base64
import hashlib
import math
import time

import torch
import torch.nn.functional as F

from .examples_file import Data
from .gguf_plan import WRITTEN, Plan, export
from .layout import Layout
from .network import Network
from .pooled import PooledNetwork
from .refused import Refused
from .rounded import Rounded
from .stepper import Stepper
from .stop_rule import StopRule

DEFAULTS = dict(learningRate=3e-3, minLearningRate=3e-4, warmupSteps=20, beta1=0.9, beta2=0.95, epsilon=1e-8, weightDecay=0.1, clip=1.0)


def rate_at(o, step, steps):
    if step <= o["warmupSteps"]:
        return o["learningRate"] * step / o["warmupSteps"]
    done = (step - o["warmupSteps"]) / max(1, steps - o["warmupSteps"])
    return o["minLearningRate"] + 0.5 * (o["learningRate"] - o["minLearningRate"]) * (1 + math.cos(math.pi * done))


def check(r):
    for field in ("objective", "teacher"):
        if r.get(field) and r[field].get("kind") != "cross-entropy":
            raise Refused("unsupported", f"the PyTorch trainer knows no {field}; use the native one")
    if r.get("checkpoint", {}).get("pauseAt"):
        raise Refused("unsupported", "the PyTorch trainer keeps no checkpoint to pause at; use the native one")


def read_plan(r):
    """Returns the request's plan."""
    try:
        plan = Plan(base64.b64decode(r["model"]["plan"]))
    except ValueError as error:
        raise Refused("bad-model", str(error))
    if r.get("out") and any(kind not in WRITTEN for _, _, kind, _ in plan.tensors.values()):
        raise Refused("unsupported", "the PyTorch trainer writes F32 and F16 plans only")
    return plan


def make_optimizer(network, o, base_width, device):
    """Returns AdamW. With muP (arXiv 2203.03466) the layers' matrices learn at base / d of the rate; decay is unchanged."""
    matrices = network.matrices()
    slower = base_width / network.layout.dim if base_width else 1.0
    tensors = lambda which: [w for name, w in network.w.items() if which(name)]
    groups = [
        {"params": tensors(lambda k: k in matrices and k.startswith("blk.")), "share": slower, "weight_decay": o["weightDecay"] / slower},
        {"params": tensors(lambda k: k in matrices and not k.startswith("blk.")), "share": 1.0, "weight_decay": o["weightDecay"]},
        {"params": tensors(lambda k: k not in matrices), "share": 1.0, "weight_decay": 0.0},
    ]
    cuda = device.type == "cuda"
    for group in groups:  # a captured step reads its rate from device memory
        group["lr"] = torch.zeros((), device=device) if cuda else 0.0
    return torch.optim.AdamW(groups, betas=(o["beta1"], o["beta2"]), eps=o["epsilon"], fused=True, capturable=cuda)


class Run:
    """A run in progress. `progress` receives reports; `cancelled()` ends the run if it returns True."""

    def __init__(self, r, progress, cancelled):
        self.r, self.progress, self.cancelled = r, progress, cancelled
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
        if r.get("threads"):
            torch.set_num_threads(r["threads"])
        self.plan = read_plan(r)
        seed, spec = r.get("seed", 1), r["data"]
        self.steps, self.batch, self.length = r.get("steps", 300), r.get("batch", 32), spec["length"]
        self.every, self.o = r.get("reportEvery", 20), {**DEFAULTS, **{name: float(x) for name, x in r.get("optimizer", {}).items()}}
        self.data = Data(spec["train"], spec["kind"], spec["length"], seed)
        self.validation = Data(spec["validation"], spec["kind"], spec["length"], seed) if spec.get("validation") else None
        self.precision = r.get("precision", "float32")
        if self.precision not in ("float32", "bfloat16"):
            raise Refused("bad-request", "precision must be float32 or bfloat16")
        kind = PooledNetwork if r.get("head") == "pooled" else Network
        self.network = kind(Layout(self.plan), seed, scaled=True, device=self.device)
        if self.precision == "bfloat16":
            self.network.linear = Rounded.apply
        if max(d.vocab for d in (self.data, self.validation) if d) > self.network.layout.vocab:
            raise Refused("bad-request", "the data's vocabulary exceeds the model's")
        self.optimizer = make_optimizer(self.network, self.o, r.get("baseWidth"), self.device)
        self.weights = list(self.network.w.values())
        self.stepper, self.rule, self.stopped = Stepper(self.learn, self.device), StopRule(r.get("stop")), None
        self.losses, self.norms, self.window, self.pending = [], [], [], []
        self.step, self.start, self.looked = 0, 0.0, 0.0

    @property
    def on_gpu(self):
        return self.device.type == "cuda"

    def learn(self, tokens, places, targets):
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.network.logits(tokens, places), targets)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.weights, self.o["clip"] if self.o["clip"] > 0 else math.inf)
        self.optimizer.step()
        self.network.balance()
        return torch.stack([loss.detach(), norm])

    @torch.no_grad()
    def validate(self):
        """Returns (loss, accuracy, scored tokens) over the validation rows."""
        total, right, count, batch = 0.0, 0, 0, self.batch
        picks = self.validation.spread(self.r.get("evalBatches", 8) * batch)
        for i in range(0, len(picks), batch):
            tokens, places, targets = (x.to(self.device) for x in self.validation.batch(picks[i : i + batch]))
            logits = self.network.logits(tokens, places)
            total = total + F.cross_entropy(logits, targets, reduction="sum").double()
            at_target = logits.gather(1, targets[:, None])
            right = right + ((logits >= at_target).sum(1) == 1).sum()  # a tie counts as wrong
            count += len(targets)
        loss = float(total) / count
        if not math.isfinite(loss):
            raise Refused("diverged", "validation loss is not finite")
        return loss, int(right) / count, count

    def pace(self):
        return self.step * self.batch * self.length / (time.perf_counter() - self.start - self.looked)

    def take_step(self):
        r = self.r
        if self.cancelled():
            raise Refused("cancelled", "cancelled")
        if r.get("timeoutMs") and time.perf_counter() - self.start > r["timeoutMs"] / 1000:
            raise Refused("timeout", f"did not end within {r['timeoutMs']} ms")
        for group in self.optimizer.param_groups:
            rate = rate_at(self.o, self.step, self.steps) * group["share"]
            group["lr"] = group["lr"].fill_(rate) if self.on_gpu else rate
        self.pending.append(self.stepper(*self.data.batch(self.data.draw((self.step - 1) * self.batch, self.batch))))
        report = self.step % self.every == 0 or self.step == self.steps
        if report or not self.on_gpu:  # reading numbers from a GPU waits for the GPU
            self.collect()
        if report:
            self.report()

    def collect(self):
        """Reads the numbers of the steps since the last call."""
        for loss, norm in torch.stack(self.pending).tolist():
            self.window.append((loss, norm))
            if not (math.isfinite(loss) and math.isfinite(norm)):
                at = (self.losses[-1][0] if self.losses else 0) + len(self.window)
                raise Refused("diverged", f"loss is not finite at step {at}")
        self.pending = []

    def report(self):
        window = self.window
        self.losses.append([self.step, sum(loss for loss, _ in window) / len(window)])
        self.norms.append([self.step, sum(norm for _, norm in window) / len(window)])
        self.progress({"step": self.step, "steps": self.steps, "loss": self.losses[-1][1], "tokensPerSecond": self.pace()})
        self.window = []

    def look(self):
        """Validates at the steps that the stop rule requests."""
        if not (self.validation and self.rule.due(self.step) and self.step < self.steps):
            return
        before = time.perf_counter()
        loss, accuracy, _ = self.validate()
        self.stopped = self.rule.judge(self.step, loss, accuracy)
        self.looked += time.perf_counter() - before

    def loop(self):
        self.start = time.perf_counter()
        for self.step in range(1, self.steps + 1):
            self.take_step()
            self.look()
            if self.stopped:
                break
        if self.on_gpu:
            torch.cuda.synchronize()
        return time.perf_counter() - self.start - self.looked

    def result(self, seconds):
        r, w = self.r, self.network.w
        loss, accuracy, count = self.validate() if self.validation and r.get("evalBatches", 8) > 0 else (0.0, 0.0, 0)
        if r.get("out"):
            export(self.plan, self.network.stored(), r["out"])
        digest = hashlib.sha256(b"".join(x.detach().cpu().numpy().tobytes() for x in w.values())).hexdigest()
        return {
            "steps": self.step, "resumedFrom": 0, "stopped": self.stopped or "steps", "trainLoss": self.losses, "gradientNorm": self.norms,
            "looks": self.rule.looks, "validation": {"loss": loss, "accuracy": accuracy, "tokens": count},
            "tokensPerSecond": self.step * self.batch * self.length / seconds, "seconds": seconds,
            "parameters": sum(x.numel() for x in w.values()), "isa": f"torch-{self.device.type}", "precision": self.precision,
            "threads": torch.get_num_threads(), "weightsHash": digest,
        }


def train(r, progress, cancelled):
    check(r)
    run = Run(r, progress, cancelled)
    return run.result(run.loop())
