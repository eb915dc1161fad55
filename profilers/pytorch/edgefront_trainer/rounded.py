"""Linear layers with operands rounded to bfloat16."""
import torch


class Rounded(torch.autograd.Function):
    """
    F.linear in bfloat16: rounds the operands of its product, and of both products of its gradient, and sums in
    float32. The native trainer's linear layers do the same in that precision.
    """

    on_gpu = True  # becomes False if this torch cannot multiply bfloat16 into float32 on a GPU

    @classmethod
    def product(cls, a, b, kind):
        if a.is_cuda and cls.on_gpu:
            try:
                return torch.mm(a, b, out_dtype=torch.float32)
            except torch.OutOfMemoryError:
                raise
            except (TypeError, RuntimeError):
                cls.on_gpu = False
        return a.to(kind) @ b.to(kind)  # float32 holds products of two bfloat16 exactly

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
