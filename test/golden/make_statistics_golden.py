"""Writes statistics.json: what SciPy says of a few small data sets, which test/profilers/statistics.test.ts compares with.

    python3 test/golden/make_statistics_golden.py        # needs scipy; rewrites test/golden/statistics.json
"""
import json
import pathlib

import numpy as np
from scipy import stats

rng = np.random.default_rng(4)
SAMPLES = {
    "symmetric": rng.normal(0.03, 0.028, 20),
    "skewed": rng.lognormal(0, 0.8, 15) - 1,
    "few": rng.normal(0.1, 0.2, 6),
    "null": rng.normal(0, 0.03, 12),
}
RANKS = {
    "agreeing": [(i, i + d) for i, d in enumerate(rng.normal(0, 3, 16))],
    "ties": [(int(i), int(j)) for i, j in rng.integers(0, 5, (14, 2))],
    "reversed": [(i, -i) for i in range(7)],
}


def bca(values, level):
    result = stats.bootstrap((values,), np.mean, confidence_level=level, n_resamples=200_000, method="BCa", vectorized=True,
                             axis=-1, batch=20_000, rng=np.random.default_rng(1))
    return [float(result.confidence_interval.low), float(result.confidence_interval.high)]


golden = {
    "normal": [{"x": x, "cdf": float(stats.norm.cdf(x))} for x in (-6, -3.2, -1.96, -0.5, 0, 0.1, 1, 2.5758, 4)],
    "samples": [
        {
            "name": name,
            "values": [float(v) for v in values],
            "bca95": bca(values, 0.95),
            "bca90": bca(values, 0.90),
        }
        for name, values in SAMPLES.items()
    ],
    # Two groups of paired differences by the order within the pair: flipping which side went first flips signs, and the test
    # over all such flips with as many of each order is Mann and Whitney's on (second - first).
    "paired": [
        {
            "aFirst": list(map(float, forward)),
            "bFirst": list(map(float, backward)),
            "p": float(stats.mannwhitneyu(forward, -np.asarray(backward), method="exact").pvalue),
        }
        for forward, backward in (
            (rng.normal(0.03, 0.028, n), rng.normal(0.03, 0.028, m)) for n, m in ((10, 10), (4, 4), (7, 8), (25, 25))
        )
    ],
    "kendall": [
        {"name": name, "pairs": [[float(a), float(b)] for a, b in pairs], "tau": float(stats.kendalltau(*zip(*pairs)).statistic)}
        for name, pairs in RANKS.items()
    ],
}
# The sign test of each null hypothesis value, and the interval it leaves: drawn last, so that what is above stays the same.
golden["sign"] = [
    {
        "values": list(map(float, values)),
        "p": float(stats.binomtest(int((values > 0).sum()), len(values)).pvalue),
        "interval": [
            float(np.sort(values)[int(stats.binom.ppf(0.025, len(values), 0.5)) - 1]),
            float(np.sort(values)[len(values) - int(stats.binom.ppf(0.025, len(values), 0.5))]),
        ],
    }
    for values in (rng.normal(0.4, 1, n) for n in (6, 9, 24, 60))
]
path = pathlib.Path(__file__).parent / "statistics.json"
path.write_text(json.dumps(golden, indent=1) + "\n")
