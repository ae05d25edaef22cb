"""The protocol: linear probe, kNN and few labels, for the encoder, the untrained encoder and the raw input."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from selftaught import encoders
from selftaught.data.budget import Labels
from selftaught.data.subset import Subset
from selftaught.data.told import no_classes
from selftaught.errors import UserError
from selftaught.evaluate.embed import BATCH, Features, embed, raw
from selftaught.evaluate.few_labels import BUDGETS, DRAWS, few_labels
from selftaught.evaluate.kept import Judged, keep, load
from selftaught.evaluate.knn import Neighbours, majority, percent
from selftaught.evaluate.linear import Standard, fit_linear
from selftaught.evaluate.threads import pool
from selftaught.method import Encoder, Source, Views
from selftaught.source import digest_of, evenly

SIDES = ("trained", "untrained", "raw")
VERSION = 3
"""Version of `judge`. Increase it when the same features would get other results; kept results are then not used."""
Said = Callable[[str], None]


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
    batch_size: int = BATCH,
    views: Views | None = None,
    say: Said | None = None,
) -> dict[str, Any]:
    """Evaluate a frozen encoder beside the same encoder untrained and the raw input. Accuracies are in percent.

    Everything is fitted, and every hyper-parameter chosen, on training samples; test labels are used only after all
    predictions are made. Samples without a label are left out, and so are test samples that also occur in the training
    data. The results of the untrained encoder and the raw input are kept in the cache, and used again when everything
    they depend on is the same: samples, training labels, encoder, weights and arguments.

    Args:
        encoder: The encoder to evaluate.
        train_source: Labelled training samples.
        test_source: Labelled test samples.
        seed: Seed of the splits, the draws and, without `untrained`, the untrained encoder's weights.
        untrained: The encoder as it was before training; by default one freshly built after
            ``torch.manual_seed(seed)``.
        budgets: Labels per class, or percentages of all labels such as "1%"; "all" is always added.
        draws: Number of subsets of labels of each size.
        k: Number of neighbours that vote, see `Neighbours`.
        temperature: Temperature of their votes.
        batch_size: Number of samples per batch.
        views: What both encoders see instead of the plain views; features of several patches of a sample are averaged.
            The raw input is always the plain sample.
        say: Called with a line at each stage.

    Returns:
        "linear" and "knn": {side: %} for the sides trained, untrained and raw. "labels": {budget: {side: %, "spread":
            {side: points},
        "draws", "labels"}}, spread being the standard deviation over draws. "gain": {side: {"linear", "interval"}},
        what the trained encoder's linear probe has over the side in points, with half of its paired 95% confidence
        interval. "majority": % of the test samples that are of the class most frequent in training, which needs no
        features. "protocol": how it was measured. "fits": how each linear probe went.

    Raises:
        UserError: If labels are missing or all the same, or every test sample also occurs in the training data.
    """
    began = time.perf_counter()
    train = _labelled(train_source, "training")
    test = _labelled(test_source, "test")
    known = len(test)
    train_y = train_source.labels[train]
    if len(np.unique(train_y)) < 2:
        raise UserError("all training samples have the same label: a probe needs at least two classes")
    known_samples, asked_samples = _digests(train_source), _digests(test_source)
    test = test[~np.isin(asked_samples, known_samples)[test]]
    if len(test) == 0:
        raise UserError("every test sample also occurs in the training data: name other data to judge by")
    groups = train_source.groups
    settings: dict[str, Any] = {
        "seed": seed, "budgets": budgets, "draws": draws, "k": k, "temperature": temperature,
        "groups": None if groups is None else groups[train],
    }  # fmt: skip
    if untrained is None:
        untrained = fresh(encoder, seed)
    data = [
        known_samples[train].tobytes(),
        train_y.tobytes(),
        asked_samples[test].tobytes(),
        repr([*settings.items()]).encode(),
    ]
    data += [
        repr((VERSION, batch_size, torch.__version__)).encode(),
        b"" if groups is None else groups[train].tobytes(),
    ]
    judged: dict[str, Judged] = {}
    taken = []
    for side in SIDES:

        def features(source: Source, index: NDArray[np.int64], side: str = side) -> Features:
            if side == "raw":
                found = raw(source, encoder.spec["input"], batch_size)
            else:
                found = embed(encoder if side == "trained" else untrained, source, batch_size, views=views)
            return found if len(index) == len(source) else found[index]

        name = "the raw input" if side == "raw" else f"the {side} encoder"
        key = None
        if side != "trained":
            seen = repr(encoder.spec["input"]) if side == "raw" else _identity(untrained, train_source, views)
            key = digest_of(side, seen, *data)
        found = None if key is None else load(key)
        if say is not None:
            say(f"probing {name}" if found is None else f"{name} was probed before on the same data")
        if found is None:
            found = judge(features(train_source, train), train_y, features(test_source, test), **settings)
            if key is not None:
                keep(key, found)
        else:
            taken.append(side)
        judged[side] = found
    result = score(judged, test_source.labels[test], len(train))
    result["majority"] = majority(train_y, test_source.labels[test])
    result["protocol"] = {
        "seed": seed, "train": len(train), "test": len(test), "duplicates_removed": known - len(test),
        "unlabelled_left_out": len(train_source) - len(train) + len(test_source) - known,
        "classes": int(train_y.max()) + 1,
        "k": judged["raw"].k, "temperature": temperature, "draws": draws, "grouped": groups is not None,
        "kept": taken, "seconds": round(time.perf_counter() - began, 1),
    }  # fmt: skip
    result["fits"] = {side: found.fit for side, found in judged.items()}
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
    """Fit everything on one set of features, without test labels. Overwrites `train_x` if it is float32."""
    with pool():
        nearest = Neighbours(train_x, train_y, k, temperature)
        knn_says, voters = nearest.predict(test_x), nearest.k
        del nearest
        standard = Standard(train_x)
        few = few_labels(
            train_x, train_y, test_x, budgets=budgets, draws=draws, seed=seed, groups=groups, standard=standard
        )
        linear = fit_linear(
            train_x, train_y, seed, groups=groups, standard=standard, in_place=train_x.dtype == np.float32
        )
        says = linear.predict(test_x)
    weights = hashlib.sha256(linear.weight.cpu().numpy().tobytes() + linear.bias.cpu().numpy().tobytes()).hexdigest()
    fit = {
        "width": train_x.shape[1], "l2": linear.l2, "iterations": linear.iterations, "gradient": linear.gradient,
        "converged": linear.converged, "weights": weights[:16],
        "few_l2": {budget: list(found.l2) for budget, found in few.items()},
    }  # fmt: skip
    return Judged(fit, says, voters, knn_says, few)


def score(judged: dict[str, Judged], test_y: Labels, labels: int) -> dict[str, Any]:
    """Compare the predictions with the test labels; nothing else uses those. `labels`: number of training labels."""
    sides = tuple(judged)
    linear = {side: percent(judged[side].linear_says, test_y) for side in sides}
    rows: dict[str, Any] = {}
    for budget in judged[sides[0]].few:
        entries = {side: judged[side].few[budget].score(test_y) for side in sides}
        rows[budget] = {side: entry["mean"] for side, entry in entries.items()}
        rows[budget]["spread"] = {side: entry["spread"] for side, entry in entries.items()}
        rows[budget] |= {key: entries[sides[0]][key] for key in ("draws", "labels")}
    rows["all"] = linear | {"spread": dict.fromkeys(sides, 0.0), "draws": 1, "labels": labels}
    gain = {
        side: _gain(judged["trained"].linear_says == test_y, judged[side].linear_says == test_y) for side in sides[1:]
    }
    return {
        "linear": linear,
        "knn": {side: percent(judged[side].knn_says, test_y) for side in sides},
        "labels": rows,
        "gain": gain,
    }


def _gain(ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> dict[str, float]:
    """Return the difference of accuracies in points, and half of its paired 95% interval (normal approximation)."""
    difference = ours.astype(np.float64) - theirs
    return {
        "linear": 100 * float(difference.mean()),
        "interval": 196 * float(difference.std()) / float(np.sqrt(len(difference))),
    }


def _labelled(source: Source, which: str) -> NDArray[np.int64]:
    index = np.flatnonzero(source.labels >= 0)
    if len(index) == 0:
        why = no_classes(source)
        example = "" if why else ", for example folders named by class"
        raise UserError(f"the {which} data have no labels to judge by{why}: name labelled data{example}")
    return index


def fresh(encoder: Encoder, seed: int) -> Encoder:
    """Build the encoder with the initial weights of a run with this seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return encoders.build(**encoder.spec)


def _identity(encoder: Encoder, source: Source, views: Views | None) -> bytes:
    """Return a digest of the encoder's arguments, its weights, and its features of some samples in these views."""
    whole = hashlib.sha256(repr(encoder.spec).encode())
    for name, value in sorted(encoder.state_dict().items()):
        whole.update(name.encode() + value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    whole.update(embed(encoder, Subset(source, evenly(len(source), 16)), views=views).tobytes())
    return whole.digest()


def new_samples(train: Source, test: Source) -> NDArray[np.int64]:
    """Return the labelled test samples whose content does not occur in the training data."""
    index = unseen(train, test)
    return index[test.labels[index] >= 0]


def unseen(train: Source, test: Source) -> NDArray[np.int64]:
    """Return the test samples whose content does not occur in the training data."""
    return np.flatnonzero(~np.isin(_digests(test), _digests(train)))


def _digests(source: Source) -> NDArray[np.void]:
    """Return a hash of each sample's content, [N] of 32 bytes."""
    return np.ascontiguousarray(source.digests).view("V32").reshape(-1)
