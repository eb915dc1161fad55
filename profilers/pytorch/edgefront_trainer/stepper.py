"""Optimiser steps, on a GPU as a CUDA graph."""
import os
import sys

import torch

UNCOUNTED = -100  # a target that cross-entropy ignores


class Stepper:
    """
    Takes optimiser steps on batches from the host. On a GPU a step is hundreds of kernels, each of which ends
    before the next is launched. After some steps, a step is therefore captured as a CUDA graph and replayed.
    If the capture fails, steps are launched as before. EDGEFRONT_CUDA_GRAPHS=0 disables graphs.
    """

    WARM = 3

    def __init__(self, step, device):
        self.step, self.device, self.graph, self.counts = step, device, None, []
        self.graphs = device.type == "cuda" and os.environ.get("EDGEFRONT_CUDA_GRAPHS") != "0"

    def __call__(self, *batch):
        """Returns (loss, gradient norm) of a step as tensors on the device, without waiting for them."""
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
        side = torch.cuda.Stream()  # a step to be captured must not have run on the default stream
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            output = self.step(*batch)
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.synchronize()
        return output

    def capture(self, batch):
        """Records a step without running it. Weights and moments do not change.

        Each step drops the gradients before it starts.
        """
        counts = {*self.counts, len(batch[1])}
        # If the number of scored places varies, the graph has room for some more than were seen.
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
        except Exception as error:  # noqa: BLE001 - a step that cannot be captured can still be launched
            self.graphs = False
            print(f"no CUDA graph, so slower: {str(error).splitlines()[:1]}", file=sys.stderr, flush=True)
