"""The whole protocol: linear probe, nearest neighbours and few labels, each for the encoder, for itself untrained and for the raw input."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray

from selftaught import encoders
from selftaught.data.budget import Labels
from selftaught.errors import UserError
from selftaught.evaluate.embed import Features, embed, raw
from selftaught.evaluate.few_labels import BUDGETS, DRAWS, FewLabels, few_labels
from selftaught.evaluate.knn import Neighbours, percent
from selftaught.evaluate.linear import Linear, Standard, fit_linear
from selftaught.evaluate.threads import pool
from selftaught.method import Encoder, Source

SIDES = ("trained", "untrained", "raw")
Said = Callable[[str], None]


@final
@dataclass(frozen=True)
class Judged:
    """What was fitted on one set of features, and what it says of the test samples. No test label went into it."""

    linear: Linear
    linear_says: Labels
    k: int
    knn_says: Labels
    few: dict[str, FewLabels]
    width: int

    def fit(self) -> dict[str, Any]:
        """How the linear probe was fitted; "weights" is a digest that changes with any bit of them."""
        fitted = self.linear
        weights = hashlib.sha256(fitted.weight.cpu().numpy().tobytes() + fitted.bias.cpu().numpy().tobytes()).hexdigest()[:16]
        return {
            "width": self.width, "l2": fitted.l2, "iterations": fitted.iterations, "gradient": fitted.gradient,
            "converged": fitted.converged, "weights": weights, "few_l2": {b: list(f.l2) for b, f in self.few.items()},
        }  # fmt: skip


def probe(
    encoder: Encoder,
    train_source: Source,
    test_source: Source,
    seed: int = 0,
    *,
    untrained: Encoder | None = None,
    budgets: Sequence[int | str] = BUDGETS,
    draws: int = DRAWS,
    k: int | None = None,
    temperature: float = 0.07,
    batch_size: int = 512,
    say: Said | None = None,
) -> dict[str, Any]:
    """Judge a frozen encoder beside itself untrained and the raw input. Accuracies in percent.

    Everything is fitted and every hyper-parameter chosen on training samples; test labels are first looked at when all is predicted.
    Samples without a label are left out, and so are test samples that also occur in training.

    Args:
        encoder: What to judge.
        train_source: Labelled training samples.
        test_source: Labelled test samples.
        seed: Of the splits, the draws and, without `untrained`, the untrained encoder's weights.
        untrained: The encoder as it was before training; by default one freshly built after ``torch.manual_seed(seed)``.
        budgets: Labels a class, or parts of all labels such as "1%"; "all" always joins them.
        draws: Subsets of labels of each size.
        k: Neighbours that vote, see `Neighbours`.
        temperature: Of their votes.
        batch_size: Samples embedded at a time.
        say: Called with a line at each stage.

    Returns:
        "linear" and "knn": {side: %} for the sides trained, untrained and raw. "labels": {budget: {side: %, "spread": {side: points},
        "draws", "labels"}}, spread being the standard deviation over draws. "gain": {side: {"linear", "interval"}}, what the trained
        encoder's linear probe has over the side in points, with half of its paired 95% confidence interval. "protocol": how it was
        measured. "fits": how each linear probe went.

    Raises:
        UserError: Labels are missing, of one class only, or no test sample is new.
    """
    began = time.perf_counter()
    train = _labelled(train_source, "training")
    test = _labelled(test_source, "test")
    known = len(test)
    train_y = train_source.labels[train]
    if len(np.unique(train_y)) < 2:
        raise UserError("all training samples have the same label: a probe needs at least two classes")
    test = test[~_seen(train_source, test_source)[test]]
    if len(test) == 0:
        raise UserError("every test sample also occurs in the training data: name other data to judge by")
    groups = getattr(train_source, "groups", None)
    settings: dict[str, Any] = {
        "seed": seed, "budgets": budgets, "draws": draws, "k": k, "temperature": temperature,
        "groups": None if groups is None else groups[train],
    }  # fmt: skip
    if untrained is None:
        untrained = fresh(encoder, seed)
    judged: dict[str, Judged] = {}
    for side in SIDES:

        def features(source: Source, index: NDArray[np.int64], side: str = side) -> Features:
            if side == "raw":
                found = raw(source, encoder.spec["input"], batch_size)
            else:
                found = embed(encoder if side == "trained" else untrained, source, batch_size)
            return found if len(index) == len(source) else found[index]

        if say is not None:
            say(f"probing {'the raw input' if side == 'raw' else f'the {side} encoder'}")
        judged[side] = judge(features(train_source, train), train_y, features(test_source, test), **settings)
    result = score(judged, test_source.labels[test], len(train))
    result["protocol"] = {
        "seed": seed, "train": len(train), "test": len(test), "duplicates_removed": known - len(test),
        "unlabelled_left_out": len(train_source) - len(train) + len(test_source) - known, "classes": int(train_y.max()) + 1,
        "k": judged["raw"].k, "temperature": temperature, "draws": draws, "grouped": groups is not None,
        "seconds": round(time.perf_counter() - began, 1),
    }  # fmt: skip
    result["fits"] = {side: found.fit() for side, found in judged.items()}
    return result


def judge(
    train_x: Features,
    train_y: Labels,
    test_x: Features,
    *,
    seed: int = 0,
    budgets: Sequence[int | str] = BUDGETS,
    draws: int = DRAWS,
    k: int | None = None,
    temperature: float = 0.07,
    groups: NDArray[np.int64] | None = None,
) -> Judged:
    """Everything that is fitted on one set of features; it is not given the test labels. Destroys `train_x` if it is float32."""
    with pool():
        nearest = Neighbours(train_x, train_y, k, temperature)
        knn_says, voters = nearest.predict(test_x), nearest.k
        del nearest
        standard = Standard(train_x)
        few = few_labels(train_x, train_y, test_x, budgets=budgets, draws=draws, seed=seed, groups=groups, standard=standard)
        linear = fit_linear(train_x, train_y, seed, groups=groups, standard=standard, in_place=train_x.dtype == np.float32)
        return Judged(linear, linear.predict(test_x), voters, knn_says, few, train_x.shape[1])


def score(judged: dict[str, Judged], test_y: Labels, labels: int) -> dict[str, Any]:
    """Here, and only here, predictions meet the test labels. `labels`: how many training labels there were."""
    sides = tuple(judged)
    linear = {side: percent(judged[side].linear_says, test_y) for side in sides}
    rows: dict[str, Any] = {}
    for budget in judged[sides[0]].few:
        entries = {side: judged[side].few[budget].score(test_y) for side in sides}
        rows[budget] = {side: entry["mean"] for side, entry in entries.items()}
        rows[budget]["spread"] = {side: entry["spread"] for side, entry in entries.items()}
        rows[budget] |= {key: entries[sides[0]][key] for key in ("draws", "labels")}
    rows["all"] = linear | {"spread": dict.fromkeys(sides, 0.0), "draws": 1, "labels": labels}
    gain = {side: _gain(judged["trained"].linear_says == test_y, judged[side].linear_says == test_y) for side in sides[1:]}
    return {"linear": linear, "knn": {side: percent(judged[side].knn_says, test_y) for side in sides}, "labels": rows, "gain": gain}


def _gain(ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> dict[str, float]:
    """Difference of accuracies in points, and half of its 95% interval: normal, from the samples on which just one is right."""
    difference = ours.astype(np.float64) - theirs
    return {"linear": 100 * float(difference.mean()), "interval": 196 * float(difference.std()) / float(np.sqrt(len(difference)))}


def _labelled(source: Source, which: str) -> NDArray[np.int64]:
    index = np.flatnonzero(source.labels >= 0)
    if len(index) == 0:
        raise UserError(f"the {which} data have no labels to judge by: name labelled data, for example folders named by class")
    return index


def fresh(encoder: Encoder, seed: int) -> Encoder:
    """The encoder with the weights that a run with this seed started from."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return encoders.build(**encoder.spec)


def new_samples(train: Source, test: Source) -> NDArray[np.int64]:
    """The labelled test samples whose content does not occur in training."""
    return np.flatnonzero((test.labels >= 0) & ~_seen(train, test))


def _seen(train: Source, test: Source) -> NDArray[np.bool_]:
    """bool [M]: test samples whose content also occurs in training."""
    known, asked = _digests(train), _digests(test)
    return np.isin(asked, known)


def _digests(source: Source, batch_size: int = 512) -> NDArray[np.void]:
    """One hash of the content of each sample, [N] of 32 bytes."""
    digests = getattr(source, "digests", None)
    if digests is None:
        found = bytearray()
        for begin in range(0, len(source), batch_size):
            batch = source.fetch(np.arange(begin, min(begin + batch_size, len(source))))
            parts = [values for key, values in sorted(batch.items()) if key not in ("label", "index")]
            for sample in zip(*parts, strict=True):
                arrays = [np.ascontiguousarray(value) for value in sample]
                found += hashlib.sha256(b"".join(repr(a.shape).encode() + a.tobytes() for a in arrays)).digest()
        digests = np.frombuffer(bytes(found), np.uint8).reshape(len(source), 32)
    return np.ascontiguousarray(digests).view(f"V{digests.shape[1]}").reshape(-1)
