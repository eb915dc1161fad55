"""The agent protocol on stdin and stdout: hello, heartbeats, one job at a time."""
import json
import os
import queue
import sys
import threading
import time

import torch

from .refused import Refused
from .torch_host import ARCH, probe
from .train_job import train


class Channel:
    """Reads requests and writes answer lines."""

    def __init__(self):
        self.lock, self.jobs, self.job, self.cancelled = threading.Lock(), queue.Queue(), None, None
        self.start = time.monotonic()

    def say(self, line):
        with self.lock:
            sys.stdout.write(json.dumps({"v": 1, **line}) + "\n")
            sys.stdout.flush()

    def refuse(self, id, code, message):
        self.say({"id": id, "type": "error", "error": {"code": code, "message": message}})

    def read(self):
        for text in sys.stdin:
            try:
                request = json.loads(text)
            except ValueError:
                self.refuse(None, "bad-request", "not JSON")
                continue
            if request.get("type") == "cancel":
                self.cancelled = request.get("id")
            else:
                self.jobs.put(request)
        os._exit(0)

    def beat(self):
        while True:
            time.sleep(5)
            self.say({"type": "heartbeat", "uptimeMs": 1000 * (time.monotonic() - self.start), "job": self.job})


def answer(request, channel):
    """Returns a job's result."""
    id = request.get("id")
    if request.get("type") == "probe":
        return probe()
    if request.get("type") == "train":
        return train(request, lambda p: channel.say({"id": id, "type": "progress", "progress": p}), lambda: channel.cancelled == id)
    raise Refused("unsupported", "this is the PyTorch trainer: it trains, and does nothing else")


def main():
    if os.environ.get("EDGEFRONT_FLOAT64"):  # for comparisons: the remaining difference is the other side's rounding
        torch.set_default_dtype(torch.float64)
    channel = Channel()
    channel.say({"type": "hello", "agent": "edgefront-agent", "version": "0.1.0", "arch": ARCH, "pid": os.getpid()})
    threading.Thread(target=channel.read, daemon=True).start()
    threading.Thread(target=channel.beat, daemon=True).start()
    while True:
        request = channel.jobs.get()
        id = channel.job = request.get("id")
        try:
            channel.say({"id": id, "type": "result", "result": answer(request, channel)})
        except Refused as refused:
            channel.refuse(id, refused.code, str(refused))
        except (torch.OutOfMemoryError, MemoryError) as error:
            channel.refuse(id, "out-of-memory", str(error).split("\n")[0])
        except Exception as error:  # noqa: BLE001 - any other error ends this job, not the trainer
            message = f"{type(error).__name__}: {error}".split("\n")[0]
            code = "out-of-memory" if "can't allocate memory" in message else "bad-request" if isinstance(error, KeyError) else "internal"
            channel.refuse(id, code, message)
        channel.job = None
