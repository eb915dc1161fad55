"""Trains the runs of a folder that `bench:proxies --plan` wrote, on a machine that has neither Node nor the repository:

    python3 run-plan.py FOLDER --out runs.jsonl [--native 4] [--pytorch 0] [--seconds 540] [--compare-graphs STEPS]

--native and --pytorch are numbers of workers, which run side by side with one thread each. A worker takes the next
run of its kind. Every finished run is written to --out at once, as a line for bench:proxies. Runs already there are
skipped. A failed run is repeated once by a fresh process, with PyTorch without CUDA graphs. After --seconds all
workers are stopped, and unfinished runs are lost. --compare-graphs first trains this many steps of a PyTorch run
with and without CUDA graphs, and disables graphs where the losses differ.
"""
import argparse
import json
import os
import queue
import subprocess
import sys
import threading
import time

flags = argparse.ArgumentParser(description=__doc__.split("\n")[0])
flags.add_argument("folder")
flags.add_argument("--out", required=True)
flags.add_argument("--native", type=int, default=4)
flags.add_argument("--pytorch", type=int, default=0)
flags.add_argument("--seconds", type=float, default=float("inf"))
flags.add_argument("--compare-graphs", type=int, default=0)
args = flags.parse_args()
start = time.monotonic()
folder = os.path.abspath(args.folder)
if not os.path.exists(os.path.join(folder, "plan.jsonl")):
    sys.exit(f"{args.folder}: no plan.jsonl in it; bench:proxies --plan writes one")
PROGRAMS = {
    "native": [os.path.join(folder, "edgefront-agent"), "serve"],
    "pytorch": [sys.executable, os.path.join(folder, "pytorch"), "serve"],
}
lock, children, shared = threading.Lock(), [], {"OMP_NUM_THREADS": "1"}
ready = {backend: threading.Event() for backend in PROGRAMS}


def say(text):
    print(f"{time.monotonic() - start:6.1f} s  {text}", file=sys.stderr, flush=True)


def keep(run):
    with lock, open(args.out, "a") as out:
        out.write(json.dumps(run) + "\n")


def done():
    if not os.path.exists(args.out):
        return set()
    with open(args.out) as lines:
        return {json.loads(line)["key"] for line in lines if line.endswith("\n")}


def ask(child, id, request):
    """Returns a job's last line: its result or its error."""
    child.stdin.write(json.dumps({"v": 1, "id": id, "type": "train", **request}) + "\n")
    child.stdin.flush()
    for text in child.stdout:
        line = json.loads(text)
        if line.get("id") == id and line["type"] in ("result", "error"):
            return line
    raise OSError(f"the trainer ended (exit code {child.wait()})")


class Trainer:
    """A process that trains. A failed one is replaced by a new one."""

    def __init__(self, backend, **environment):
        self.backend, self.environment, self.child, self.id = backend, environment, None, 0

    def train(self, request):
        """Returns a result, or None where the loss diverged."""
        if self.child is None or self.child.poll() is not None:
            environment = {**os.environ, **shared, **self.environment}
            self.child = subprocess.Popen(
                PROGRAMS[self.backend], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
            )
            children.append(self.child)
        self.id += 1
        data = {name: os.path.join(folder, x) if name in ("train", "validation") else x for name, x in request["data"].items()}
        answer = ask(self.child, str(self.id), {**request, "data": data})
        if answer["type"] == "result":
            return answer["result"]
        if answer["error"]["code"] == "diverged":
            return None
        raise OSError(f"{answer['error']['code']}: {answer['error']['message']}")

    def end(self):
        if self.child is not None:
            self.child.kill()
            self.child = None


def keep_run(key, r):
    if r is None:
        keep({"key": key, "loss": None, "accuracy": 0, "curve": [], "norms": [], "seconds": 0})
        return say(f"{key}: diverged")
    loss, accuracy = r["validation"]["loss"], r["validation"]["accuracy"]
    keep({"key": key, "loss": loss, "accuracy": accuracy, "curve": r["trainLoss"], "norms": r["gradientNorm"], "seconds": r["seconds"], "isa": r["isa"]})
    say(f"{key}: loss {loss:.4f}, accuracy {accuracy:.4f}, {r['steps']} steps in {r['seconds']:.0f} s")


def work(backend, waiting):
    ready[backend].wait()
    trainer = Trainer(backend)
    while True:
        try:
            key, request = waiting.get_nowait()
        except queue.Empty:
            return trainer.end()
        try:
            keep_run(key, trainer.train(request))
        except Exception as error:  # noqa: BLE001 - a fresh process, or the next run, may succeed
            trainer.end()
            say(f"FAILED, tried again: {key}: {type(error).__name__}: {error}")
            again = Trainer(backend, EDGEFRONT_CUDA_GRAPHS="0")
            try:
                keep_run(key, again.train(request))
            except Exception as error:  # noqa: BLE001
                say(f"FAILED twice: {key}: {type(error).__name__}: {error}")
            again.end()


def compare_graphs(request):
    """Checks that replayed steps learn the same as launched ones."""
    try:
        short = {name: x for name, x in request.items() if name != "stop"}
        short = {**short, "steps": args.compare_graphs, "reportEvery": 1}
        both = [Trainer("pytorch", EDGEFRONT_CUDA_GRAPHS=on) for on in ("1", "0")]
        with_graphs, without = [trainer.train(short) for trainer in both]
        for trainer in both:
            trainer.end()
        apart = max(abs(a[1] - b[1]) for a, b in zip(with_graphs["trainLoss"], without["trainLoss"]))
        speeds = " and ".join(f"{1000 * r['seconds'] / r['steps']:.2f} ms a step" for r in (with_graphs, without))
        say(f"with and without CUDA graphs: {speeds} (starts included), training losses at most {apart:.2g} apart")
        if not apart < 1e-3:
            raise OSError("too far apart")
    except Exception as error:  # noqa: BLE001 - training without graphs is only slower
        say(f"no CUDA graphs: {type(error).__name__}: {error}")
        shared["EDGEFRONT_CUDA_GRAPHS"] = "0"
    ready["pytorch"].set()


def stop():
    say("time is over")
    with lock:  # keeps lines whole
        for child in children:
            child.kill()
        os._exit(0)


if args.seconds < float("inf"):
    timer = threading.Timer(args.seconds, stop)
    timer.daemon = True
    timer.start()
there, workers = done(), []
with open(os.path.join(folder, "plan.jsonl")) as lines:
    plan = [json.loads(line) for line in lines]
for backend, count in (("native", args.native), ("pytorch", args.pytorch)):
    waiting = queue.SimpleQueue()
    for one in plan:
        if one["backend"] == backend and one["key"] not in there:
            waiting.put((one["key"], one["request"]))
    say(f"{backend}: {waiting.qsize()} runs, {count} workers")
    workers += [threading.Thread(target=work, args=(backend, waiting)) for _ in range(count)]
    first = next((one["request"] for one in plan if one["backend"] == backend), None)
    if backend == "pytorch" and count > 0 and args.compare_graphs > 0 and first is not None:
        workers.append(threading.Thread(target=compare_graphs, args=(first,)))
    else:
        ready[backend].set()
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
say("all done")
