"""Monitor the features of a run during training, and warn if they collapse."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from selftaught.evaluate.embed import frozen
from selftaught.evaluate.geometry import alignment, embedding_std, rankme, uniformity
from selftaught.evaluate.knn import Neighbours, majority, percent
from selftaught.evaluate.splits import parts
from selftaught.evaluate.threads import pool
from selftaught.evaluate.warning import DIVERGED, Verdict
from selftaught.method import Batch, Clock, Encoder, Method, Remembers, Source, Views, given
from selftaught.source import evenly
from selftaught.views import plain

MEMORY, ASKED, PAIRS = 2000, 500, 256
"""Number of training samples that online kNN compares with, of samples that it classifies, and of samples of which two
views are compared.
"""
NUMBERS = 1 << 25
"""Most numbers in these samples as the encoder sees them: of large ones, such as recordings, there are fewer."""
SHARE = 0.025
"""Share of the training time that diagnostics may take."""
FIRST_WAIT = 10.0
"""Largest number of seconds between the first look and the second. The first also compiles kernels, so its time is not
representative.
"""
BATCH = 256


@final
class Diagnostics:
    """An observer of `fit` that measures the features of some training samples. It never uses test data.

    A look gives "knn" (accuracy in percent of 500 labelled samples classified by 2,000 others, k = 20), "majority" (of
    always naming the most frequent class), "memory_knn" (as "knn", with the method's own memory of the 2,000 samples,
    if it has one), "embedding_std" and "rankme" of the 500 samples, "alignment" and "uniformity" of two views of 256
    samples, and "warning" (sentences) if something is wrong. It does not change the method, its modes, buffers or the
    random state.

    Of samples with more than 13,000 numbers, such as recordings or images of 224 pixels, there are fewer, down to a
    twentieth, so that a look takes seconds.

    Args:
        source: The training data of the run. Labels are used only for measuring.
        held_out: Samples to classify that the run does not train on; by default a part of `source`.
        every: Steps between looks. With None it looks at once, then so often that looks take 2.5% of the time, and at
            the last step.
        seed: Selects the samples and the views.
        views: The views for the encoder; by default the plain views of its input.
    """

    def __init__(
        self,
        source: Source,
        held_out: Source | None = None,
        every: int | None = None,
        seed: int = 0,
        views: Views | None = None,
    ) -> None:
        self.source, self.held_out, self.every, self.seed, self.views = source, held_out, every, seed, views
        self.memory, self.asked = _samples(source, held_out, seed)
        self.pairs = PAIRS
        self.verdict = Verdict()
        self.bound: Source | None = None
        self.looks = 0
        self.cost = 0.0
        self.next = 0.0

    def step(self, clock: Clock, method: Method, scalars: dict[str, float]) -> dict[str, Any] | None:
        """Called after every step of `fit`. Returns the measurements, or None if no look is due."""
        if "loss" in scalars:
            self.verdict.saw_loss(float(scalars["loss"]), clock.progress)
        if not self._due(clock):
            return None
        began = time.perf_counter()
        seen = self.look(method)
        warnings = self.verdict.warnings(seen) if "rankme" in seen else []
        if warnings:
            seen["warning"] = " ".join(warnings)
        self.cost = time.perf_counter() - began
        wait = self.cost / SHARE
        self.next = time.perf_counter() + (min(wait, FIRST_WAIT) if self.looks == 0 else wait)
        self.looks += 1
        return seen

    def finish(self) -> None:
        """Does nothing."""

    def _due(self, clock: Clock) -> bool:
        if clock.step >= clock.steps:
            return True
        if self.every is not None:
            return clock.step % self.every == 0
        return time.perf_counter() >= self.next

    def look(self, method: Method) -> dict[str, Any]:
        """Return the measurements of the encoder in its current state."""
        encoder = method.kept
        if self.bound is None:  # the first look
            self.bound = method.views.bind(self.source)
            self._keep_fewer(encoder)
        seen: dict[str, Any] = {}
        with frozen(method):
            asked = self._embed(encoder, self.held_out or self.source, self.asked)  # [M, D]
            if not bool(torch.isfinite(asked).all()):
                return {"warning": DIVERGED}  # the measurements below are undefined
            if len(self.memory):
                y, truth = self.source.labels[self.memory], (self.held_out or self.source).labels[self.asked]
                memory = self._embed(encoder, self.source, self.memory)
                known = truth >= 0
                nearest = Neighbours(memory.numpy(), y, k=min(20, len(y)))
                seen["knn"] = percent(nearest.predict(asked[torch.from_numpy(known)].numpy()), truth[known])
                seen["majority"] = majority(y, truth[known])
                if isinstance(method, Remembers):
                    device = next(method.parameters()).device
                    rows = method.remembered(torch.from_numpy(self.memory).to(device)).float().cpu()
                    nearest = Neighbours(rows.numpy(), y, k=min(20, len(y)))
                    asked_there = self._embed(encoder, self.held_out or self.source, self.asked[known], method.features)
                    seen["memory_knn"] = percent(nearest.predict(asked_there.numpy()), truth[known])
            seen["embedding_std"] = embedding_std(asked)
            with pool():
                seen["rankme"] = rankme(asked)
            pair = self._pair(method, self.bound)
            if pair is not None:
                first, second = (encoder(view).float().flatten(1).cpu() for view in pair)
                seen["alignment"], seen["uniformity"] = alignment(first, second), uniformity(first)
        self.verdict.width = min(asked.shape)
        return seen

    def _keep_fewer(self, encoder: Encoder) -> None:
        """Keep so many of the samples that they have at most `NUMBERS` numbers, but at least a twentieth."""
        size = sum(x.numel() for x in _inputs(self._batch(encoder, self.source, np.arange(1))))
        part = max(NUMBERS / max(size * (len(self.memory) + len(self.asked)), 1), 0.05)
        if part < 1:
            self.memory, self.asked = (
                index[evenly(len(index), int(part * len(index)))] for index in (self.memory, self.asked)
            )
            self.pairs = int(part * self.pairs)

    def _batch(self, encoder: Encoder, source: Source, index: NDArray[np.int64]) -> Batch:
        views = self.views or plain(encoder.spec["input"])
        return views.apply(source.fetch(index), views.sample(index, 0, self.seed), next(encoder.parameters()).device)

    def _embed(
        self,
        encoder: Encoder,
        source: Source,
        index: NDArray[np.int64],
        features: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        found = []
        for begin in range(0, len(index), BATCH):
            x, masks = given(self._batch(encoder, source, index[begin : begin + BATCH]))
            found.append((features or encoder)(x, **masks).float().flatten(1).cpu())
        return torch.cat(found)

    def _pair(self, method: Method, bound: Source) -> tuple[Tensor, Tensor] | None:
        """Return two views of the same samples as the method sees them, always with the same random parameters.

        Returns None if the method has no two views of one kind. A method with one view per call is asked twice.
        """
        index = evenly(len(bound), self.pairs)
        if len(index) < 2:
            return None
        raw, device = bound.fetch(index), next(method.parameters()).device
        shape = None  # only the inputs of the encoder: other tensors of the method's views are not views of the sample
        if self.views is None:
            own = self._batch(method.encoder, self.source, np.arange(1))  # what views bind may be of another form
            shape = given(own)[0].shape[1:]
        found: list[Tensor] = []
        for epoch in (0, 1):
            batch = method.views.apply(raw, method.views.sample(index, epoch, self.seed), device)
            found += [x for x in _inputs(batch) if len(x) == len(index) and (shape is None or x.shape[1:] == shape)]
            if len(found) >= 2:
                return found[0], found[1]
            if not found:
                return None
        return None


def _inputs(batch: Batch) -> list[Tensor]:
    """The float tensors of a batch that networks take as input, with lists flattened."""
    values = [v for key, v in batch.items() if key not in ("label", "index")]
    flat = [x for value in values for x in (value if isinstance(value, list | tuple) else [value])]
    return [x for x in flat if isinstance(x, Tensor) and x.is_floating_point() and x.dim() > 1]


def _samples(source: Source, held_out: Source | None, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose the samples to compare with (labelled ones of `source`, or none) and the samples to classify."""
    rng = np.random.Generator(np.random.Philox(key=[seed, 0xD1A6]))
    asked_of = held_out or source
    labelled = np.flatnonzero(source.labels >= 0)
    truth = np.flatnonzero(asked_of.labels >= 0)
    if len(labelled) < 2 or len(truth) == 0 or len(np.unique(source.labels[labelled])) < 2:
        return np.zeros(0, np.int64), np.sort(rng.permutation(len(asked_of))[:ASKED])
    if held_out is not None:
        return np.sort(rng.permutation(labelled)[:MEMORY]), np.sort(rng.permutation(truth)[:ASKED])
    groups = source.groups
    part = parts(source.labels[labelled], 5, seed, None if groups is None else groups[labelled])
    memory, asked = labelled[part != 0], labelled[part == 0]
    return np.sort(rng.permutation(memory)[:MEMORY]), np.sort(rng.permutation(asked)[:ASKED])
