"""Proxy training by PyTorch, for those who have a GPU: the `train` job of the agent protocol (kernels/README.md) on stdin and stdout, with the
same layouts, seeds, batches and schedule as the native trainer. Needs torch and numpy, and nothing else of edgefront. It measures nothing;
it distils from no teacher and keeps no checkpoints: those are refused as unsupported.
"""
