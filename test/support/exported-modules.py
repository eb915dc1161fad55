"""Runs PyTorch modules that `edgefront export --format pytorch` wrote.

Reads JSON lines {"module": path, "do": [[name, argument...], ...]} from stdin. Each action works on one model of the module, made with
seed 1. The answer is a line with the list of the actions' results, or the text of an exception. Needs torch.
"""
import importlib.util
import json
import sys
import traceback

import torch
import torch.nn.functional as F

sys.path.insert(0, "profilers/pytorch")
from edgefront_trainer.gguf_plan import Plan
from edgefront_trainer.layout import Layout
from edgefront_trainer.network import Network


def imported(path):
    spec = importlib.util.spec_from_file_location("exported", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def relative(ours, theirs):
    """Returns the largest difference, relative to the largest value."""
    return ((ours - theirs).abs().max() / theirs.abs().max().clamp(min=1e-30)).item()


class Actions:
    def __init__(self, module):
        self.module, self.model = module, module.Model()

    def logits(self, tokens):
        with torch.no_grad():
            return self.model(torch.tensor([tokens])).flatten().tolist()

    def save(self, path, half=False):
        self.model.save(path, half)

    def load(self, path):
        self.model.load(path)

    def refusal(self, path):
        try:
            self.model.load(path)
        except ValueError as error:
            return str(error)

    def disturb(self):
        with torch.no_grad():
            for w in self.model.parameters():
                w.mul_(0.9)

    def differences(self, seed=1):
        """Returns by how much each parameter differs from that of a new model."""
        fresh = dict(self.module.Model(seed).named_parameters())
        return {name: relative(w.detach(), fresh[name].detach()) for name, w in self.model.named_parameters()}

    def gradients(self, plan):
        """Returns the largest difference of a gradient from the trainer's, on the trainer's initial values."""
        self.model = self.module.Model(seed=7, scaled=True)
        with open(plan, "rb") as f:
            network = Network(Layout(Plan(f.read())), 7, scaled=True, device="cpu")
        tokens = torch.arange(48).view(2, 24) * 5 % self.module.VOCABULARY
        F.cross_entropy(self.model(tokens).flatten(0, 1), tokens.flatten()).backward()
        F.cross_entropy(network.logits(tokens, torch.arange(48)), tokens.flatten()).backward()
        return max(relative(w.grad, network.w[name].grad) for name, w in self.model.named_parameters() if w.requires_grad)

    def train(self, steps):
        """Returns the losses of steps on one batch, in which each token predicts the one before it."""
        tokens = torch.arange(64).view(2, 32) ** 2 % self.module.VOCABULARY
        optimizer = torch.optim.AdamW(self.model.parameter_groups(weight_decay=0.1), lr=3e-3)
        losses = []
        for _ in range(steps):
            loss = F.cross_entropy(self.model(tokens)[:, 1:].flatten(0, 1), tokens[:, :-1].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            self.model.balance()
            losses.append(loss.item())
        return losses


torch.set_num_threads(1)
for line in sys.stdin:
    request = json.loads(line)
    try:
        actions = Actions(imported(request["module"]))
        answer = [getattr(actions, name)(*arguments) for name, *arguments in request["do"]]
    except Exception:  # noqa: BLE001 - the next request may still be answered
        answer = traceback.format_exc()
    print(json.dumps(answer), flush=True)
