"""The mixture of experts of LFM2-8B-A1B."""
import torch
import torch.nn.functional as F

BALANCE_RATE = 1e-3  # of a router's biases (arXiv 2408.15664)
SCORE_EPSILON = 1e-6


class Moe:
    """
    A router and its experts. Every expert runs on every token, because shapes that depend on the choice cannot be captured as a
    CUDA graph; a proxy has few experts.
    """

    OUTPUT = "ffn_down_exps.weight"
    VECTORS = {"exp_probs_b.bias": "balance"}

    @staticmethod
    def describes(tensors, p):
        return p + "ffn_gate_exps.weight" in tensors

    def __init__(self, layout, n):
        self.experts, self.used = layout.of_layer("expert_count", n), layout.of_layer("expert_used_count", n)

    def __call__(self, network, p, h):
        w, linear = network.w, network.linear
        scores = torch.sigmoid(linear(h, w[p + "ffn_gate_inp.weight"]))
        order = torch.sort(scores.detach() + w[p + "exp_probs_b.bias"], dim=-1, descending=True, stable=True).indices
        chosen = torch.zeros_like(scores).scatter_(-1, order[..., : self.used], 1.0)
        self.load = chosen.flatten(0, -2).sum(0)
        scores = scores * chosen
        weights = scores / (scores.sum(-1, keepdim=True) + SCORE_EPSILON)
        gates, ups, downs = (w[p + f"ffn_{part}_exps.weight"].chunk(self.experts) for part in ("gate", "up", "down"))
        out = 0
        for e, (gate, up, down) in enumerate(zip(gates, ups, downs)):
            out = out + weights[..., e : e + 1] * linear(F.silu(linear(h, gate)) * linear(h, up), down)
        return out

    @staticmethod
    @torch.no_grad()
    def balance(network, p, sharing):
        load = sum(ffn.load for ffn in sharing)
        network.w[p + "exp_probs_b.bias"] += BALANCE_RATE * torch.sign(load.mean() - load)
