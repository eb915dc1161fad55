"""Optimiser steps, on a GPU as a CUDA graph."""
import os
import sys

import torch

UNCOUNTED = -100  # a target that cross-entropy leaves out


class Stepper:
    """
    Optimiser steps on batches from the host. On a GPU a step is hundreds of kernels that each end before the next is launched: it is captured
    as a CUDA graph after some steps, and replayed; where that fails, steps are launched as before. EDGEFRONT_CUDA_GRAPHS=0 leaves it out.
    """

    WARM = 3

    def __init__(self, step, device):
        self.step, self.device, self.graph, self.counts = step, device, None, []
        self.graphs = device.type == "cuda" and os.environ.get("EDGEFRONT_CUDA_GRAPHS") != "0"

    def __call__(self, *batch):
        """(loss, gradient norm) of a step, on the device: nothing waits for it."""
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
        side = torch.cuda.Stream()  # what is to be captured must not have run on the default stream
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            output = self.step(*batch)
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.synchronize()
        return output

    def capture(self, batch):
        """Records a step, which runs none of it: weights and moments stay as they were, and gradients are dropped before each step."""
        counts = {*self.counts, len(batch[1])}
        # Where the number of scored places varies, room for some more than were seen.
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
        except Exception as error:  # noqa: BLE001 - a step that cannot be captured still can be launched
            self.graphs = False
            print(f"no CUDA graph, so slower: {str(error).splitlines()[:1]}", file=sys.stderr, flush=True)
