"""What judging frozen features takes, and the linear probe beside scikit-learn's on the same features.

    python -m benchmarks.judging runs/demo         three sides of a run on Fashion-MNIST (`make demo` makes it), and
                                                   4,000 of its pictures cut to 20 pixels

Features are made first and timed alone. `judge` is all that the protocol fits: nearest neighbours, 12 probes on few
labels, and the linear probe on all. Beside scikit-learn stands a fit of 10,000 samples with the L2 weight that `judge`
chose: `fit_linear` standardises, fits a part of them and then all; `LogisticRegression` gets them standardised.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from benchmarks import measure
from selftaught import encoders, pretraining
from selftaught.data.image.arrays import ArraySource
from selftaught.evaluate import embed, fit_linear, raw
from selftaught.evaluate.knn import percent
from selftaught.evaluate.linear import Standard
from selftaught.evaluate.probe import SIDES, judge, score
from selftaught.method import Encoder, Source
from selftaught.pretraining.judged import Judged

FITTED = 10_000
"""Samples that scikit-learn fits in minutes."""
BEFORE: dict[str, dict[str, Any]] = {
    "trained": {
        "judge": {"wall": 135.6, "cpu": 163.2},
        "linear": 90.88,
        "knn": 84.34,
        "labels": {"10": 74.46, "100": 84.44, "1%": 82.63, "10%": 87.75},
    },
    "untrained": {
        "judge": {"wall": 190.0, "cpu": 167.2},
        "linear": 88.30,
        "knn": 79.92,
        "labels": {"10": 70.00, "100": 80.26, "1%": 78.50, "10%": 84.31},
    },
    "raw": {
        "judge": {"wall": 110.0, "cpu": 72.0},
        "linear": 84.64,
        "knn": 82.14,
        "labels": {"10": 71.51, "100": 79.92, "1%": 78.62, "10%": 82.82},
    },
}
"""The same features of `make demo` judged at 0631603, on this machine while it was busy: compare processor seconds."""

Sides = dict[str, Callable[[Source], NDArray[np.float32]]]


def timed(call: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What `call` returns, and its seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = call()
    return found, {"wall": round(time.perf_counter() - wall, 2), "cpu": round(time.process_time() - cpu, 2)}


def row(name: str, features: Callable[[Source], NDArray[np.float32]], train: Source, test: Source) -> dict[str, Any]:
    """One side: seconds of each part, accuracies in percent, and scikit-learn's."""
    (x, z), embedding = timed(lambda: (features(train), features(test)))
    some = np.random.default_rng(0).permutation(len(x))[:FITTED]
    few_x, few_y = x[some], train.labels[some]  # before `judge` destroys them
    judged, judging = timed(lambda: judge(x, train.labels, z))
    found = score({"trained": judged}, test.labels, len(x))
    l2 = judged.fit["l2"]
    standard = Standard(few_x)
    given, asked = standard(few_x), standard(z)
    theirs, their_time = timed(lambda: LogisticRegression(C=1 / l2, max_iter=5000).fit(given, few_y))
    ours, our_time = timed(lambda: fit_linear(few_x, few_y, strengths=(l2,)))
    return {
        "row": name,
        "samples": len(x),
        "tested": len(z),
        "width": x.shape[1],
        "embed": embedding,
        "judge": judging,
        "linear": found["linear"]["trained"],
        "knn": found["knn"]["trained"],
        "labels": {budget: entry["trained"] for budget, entry in found["labels"].items()},
        "before": BEFORE.get(name),
        "fit": {
            "samples": len(few_x),
            "l2": l2,
            "ours": our_time | {"accuracy": percent(ours.predict(z), test.labels)},
            "scikit-learn": their_time
            | {"accuracy": percent(theirs.predict(asked), test.labels), "iterations": int(theirs.n_iter_.max())},
            "ratio": round(their_time["wall"] / our_time["wall"], 1),
        },
    }


def sides(trained: Encoder, untrained: Encoder) -> Sides:
    """How each side's features are made."""
    return {
        "trained": lambda source: embed(trained, source),
        "untrained": lambda source: embed(untrained, source),
        "raw": lambda source: raw(source, trained.spec["input"]),
    }


def cut(source: Source, count: int) -> ArraySource:
    """The first samples, without their borders: 20 x 20 pixels."""
    raw_batch = source.fetch(np.arange(count))
    return ArraySource(raw_batch["image"][:, 4:24, 4:24], raw_batch["label"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    run = pretraining.load(parser.parse_args().run)
    train, test = run.sources(None, (None, None))
    fit_linear(np.eye(40, dtype=np.float32), np.arange(40) % 2)  # imports and compiles
    rows = []
    large = sides(run.encoder, Judged(run).untrained(0))
    small = encoders.build("conv", {**run.encoder.spec["input"], "size": 20}, width=48)
    cases = [(side, large[side], train, test) for side in SIDES]
    cases += [
        (f"{side}, 4,000 of 20 px", sides(small, small)[side], cut(train, 4000), cut(test, 1000)) for side in SIDES[1:]
    ]
    for case in cases:
        rows.append(row(*case))
        print(rows[-1], flush=True)
        measure.save("judging", rows)


if __name__ == "__main__":
    main()
