"""Optimisers of other projects behind one protocol, for test/bench/search.ts: JSON lines on stdin and stdout.

in:  {"peer": "optuna-tpe", "seed": 1, "objectives": 2, "evaluations": 100,
      "variables": [{"type": "float"} in [0, 1] | {"type": "choice", "count": 3}]}
out: {"x": [...]}   in: {"y": [...]} (smaller is better)   ... until {"done": true}.  One run after another.
Each optimiser runs with its defaults. NSGA-II has a population of 20, like ours, because budgets are small.
"""

import json
import sys
import warnings

import numpy as np

warnings.filterwarnings("ignore")
POPULATION = 20


def send(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def evaluate(x):
    send({"x": x})
    return json.loads(sys.stdin.readline())["y"]


def optuna_run(task, sampler_of):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(directions=["minimize"] * task["objectives"], sampler=sampler_of(optuna.samplers))
    for _ in range(task["evaluations"]):
        trial = study.ask()
        x = [
            trial.suggest_float(f"x{n}", 0.0, 1.0)
            if variable["type"] == "float"
            else trial.suggest_categorical(f"x{n}", list(range(variable["count"])))
            for n, variable in enumerate(task["variables"])
        ]
        study.tell(trial, evaluate(x))


def pymoo_run(task):
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.mixed import MixedVariableDuplicateElimination, MixedVariableMating, MixedVariableSampling
    from pymoo.core.problem import ElementwiseProblem
    from pymoo.core.variable import Choice
    from pymoo.optimize import minimize

    variables = task["variables"]
    continuous = all(variable["type"] == "float" for variable in variables)

    class Remote(ElementwiseProblem):
        def __init__(self):
            if continuous:
                super().__init__(n_var=len(variables), n_obj=task["objectives"], xl=0.0, xu=1.0)
            else:
                choices = {f"x{n}": Choice(options=list(range(v["count"]))) for n, v in enumerate(variables)}
                super().__init__(vars=choices, n_obj=task["objectives"])

        def _evaluate(self, x, out, *args, **kwargs):
            values = [float(v) for v in x] if continuous else [int(x[f"x{n}"]) for n in range(len(variables))]
            out["F"] = np.array(evaluate(values))

    mixed = {} if continuous else {
        "sampling": MixedVariableSampling(),
        "mating": MixedVariableMating(eliminate_duplicates=MixedVariableDuplicateElimination()),
        "eliminate_duplicates": MixedVariableDuplicateElimination(),
    }
    minimize(Remote(), NSGA2(pop_size=POPULATION, **mixed), ("n_eval", task["evaluations"]), seed=task["seed"])


PEERS = {
    "optuna-nsga2": lambda task: optuna_run(
        task, lambda s: s.NSGAIISampler(population_size=POPULATION, seed=task["seed"])
    ),
    "optuna-tpe": lambda task: optuna_run(task, lambda s: s.TPESampler(seed=task["seed"])),
    "optuna-gp": lambda task: optuna_run(task, lambda s: s.GPSampler(seed=task["seed"], deterministic_objective=True)),
    "pymoo-nsga2": pymoo_run,
}

for line in sys.stdin:
    task = json.loads(line)
    PEERS[task["peer"]](task)
    send({"done": True})
