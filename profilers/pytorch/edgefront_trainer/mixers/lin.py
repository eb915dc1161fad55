"""Linear attention (arXiv 2006.16236)."""
import torch.nn.functional as F

from .states import heads_of, recall

DIVISOR_EPSILON = 1e-6


class Lin:
    OUTPUT = "attn_output.weight"
    UNDECAYED = ()
    VECTORS = {}

    def __init__(self, layout, n):
        self.heads = layout.of_layer("ssm.time_step_rank", n)

    def prepare(self, length, device, shared):
        pass

    def __call__(self, network, p, h):
        q, k, v = (heads_of(x, self.heads) for x in network.linear(h, network.w[p + "attn_qkv.weight"]).chunk(3, -1))
        q, k = F.elu(q) + 1, F.elu(k) + 1
        # One more value, always 1, recalls the divisor.
        o = recall(q, k, F.pad(v, (0, 1), value=1.0), q.new_zeros(*q.shape[:3], 1))
        return (o[..., :-1] / (o[..., -1:] + DIVISOR_EPSILON)).transpose(1, 2).flatten(-2)
