"""Proxy training by PyTorch, for users with a GPU: the `train` job of the agent protocol (kernels/README.md).

Requests come on stdin, answers go to stdout. Layouts, seeds, batches and schedule equal those of the native
trainer. Needs only torch and numpy. It measures nothing. Distillation from a teacher and checkpoints are
refused as unsupported.
"""
