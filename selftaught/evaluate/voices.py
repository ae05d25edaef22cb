"""Which word is said, by a voice whose words were never labelled: the same prompts in several voices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from selftaught import views
from selftaught.data.subset import Subset
from selftaught.errors import UserError
from selftaught.evaluate.embed import BATCH, frozen
from selftaught.evaluate.linear import fit_linear
from selftaught.method import Encoder, Source, Views
from selftaught.parts.spectra import Frames, log_mel, mfcc

STRETCHES = 4
"""Equal parts of a recording whose frames are averaged each, so that the order of its sounds counts."""
COEFFICIENTS = 20
LONGEST = 1.2
"""Seconds of a recording that is a word."""
COPIES = 3
"""Random pairs of views of each word that a probe learns from, because a voice says it once."""
FEWEST = 5
"""Prompts that two voices must share."""
Read = Callable[[Any, dict[str, Tensor]], Tensor]
"""Gives the frames of a batch of plain views, [B, D, t]."""


def pairs(source: Source) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
    """Yield two classes of one language, and the positions of the recordings that both have by the same name.

    What a source says of its classes ("languages" of its traits) decides; where it says nothing, all are of one.
    """
    languages = source.traits.get("languages", {})
    names = source.names(np.arange(len(source)))
    called: dict[int, dict[str, int]] = {}
    for i, (name, label) in enumerate(zip(names, source.labels.tolist(), strict=True)):
        called.setdefault(label, {})[_below(name)] = i
    for one, other in permutations(sorted(label for label in called if label >= 0), 2):
        a, b = source.classes[one], source.classes[other]
        if languages.get(a, "") == languages.get(b, ""):
            both = [(called[one][name], called[other][name]) for name in called[one] if name in called[other]]
            if len(both) >= FEWEST:
                yield one, other, both


def _below(name: str) -> str:
    """Return the name of a recording below the folder of its class, without its ending."""
    return name.partition("/")[2].rpartition(".")[0]


def voices(encoder: Encoder, untrained: Encoder, source: Source, seed: int = 0) -> dict[str, Any]:
    """Compare the voices of one language, pair by pair, for the trained and the untrained encoder and for MFCC.

    Every recording is `STRETCHES` means of its frames. Features are standardised within a voice, which needs no word.
    Retrieval: the most similar recording of the other voice (cosine) among the prompts that both have. Word: a linear
    probe of the words of one voice, from random views of each, asked for those of the other.

    Returns "retrieval" and "word": {side: %}, the mean over ordered pairs, weighed by prompts; "chance", "pairs" and
    "prompts" of both. Raises UserError if no two voices of one language have prompts in common.
    """
    seen = encoder.spec["input"]
    frames = Frames.of(int(seen["rate"]))
    sides: dict[str, Read] = {
        "trained": lambda x, masks: encoder.layers(x, **masks)[-1],
        "untrained": lambda x, masks: untrained.layers(x, **masks)[-1],
        "raw": lambda x, masks: mfcc(log_mel(x[:, 0], frames), COEFFICIENTS),
    }
    if next(pairs(source), None) is None:
        raise UserError(f"no two voices of one language say {FEWEST} of the same prompts: name more recordings")
    source = Subset(source, np.unique([i for *_, both in pairs(source) for pair in both for i in pair]))
    found = list(pairs(source))
    short = _short(source, int(seen["rate"]))
    words = [(a, b, both) for a, b, all_ in found if len(both := [p for p in all_ if short[list(p)].all()]) >= FEWEST]
    result: dict[str, Any] = {
        "retrieval": {}, "word": {}, "pairs": len(found) // 2,
        "prompts": {"retrieval": _count(found), "word": _count(words)},
        "chance": {"retrieval": _chance(found), "word": _chance(words)},
    }  # fmt: skip
    with frozen(encoder), frozen(untrained):
        for side, read in sides.items():
            plain = _standard(_stretches(read, source, views.plain(seen), ("audio", "mask"), 0), source.labels)
            right = [_retrieved(plain, both) for *_, both in found]
            result["retrieval"][side] = 100 * float(np.concatenate(right).mean())
            if words:
                copies = _copies(
                    read, source, seen, np.unique([i for *_, both in words for pair in both for i in pair])
                )
                told = [_told(plain, copies, both, seed) for *_, both in words]
                result["word"][side] = 100 * float(np.concatenate(told).mean())
    return result


def _count(found: list[Any]) -> int:
    return sum(len(both) for *_, both in found) // 2


def _chance(found: list[Any]) -> float:
    """Return the % of right answers by guessing: one of the prompts of a pair."""
    return 100 * len(found) / max(2 * _count(found), 1)


def _short(source: Source, rate: int) -> NDArray[np.bool_]:
    parts = np.array_split(np.arange(len(source)), max(1, len(source) // 512))
    kind = next(key for key in source.fetch(np.arange(1)) if key not in ("label", "index"))
    return np.array([one.shape[1] <= LONGEST * rate for part in parts for one in source.fetch(part)[kind]])


def _stretches(read: Read, source: Source, made: Views, names: tuple[str, str], epoch: int) -> NDArray[np.float32]:
    """Return the means of each stretch of every recording, [N, STRETCHES * D]."""
    found = []
    for start in range(0, len(source), BATCH):
        index = np.arange(start, min(start + BATCH, len(source)))
        batch = made.apply(source.fetch(index), made.sample(index, epoch, 0), torch.device("cpu"))
        x, mask = batch[names[0]], batch[names[1]]
        positions = read(x, {"mask": mask})  # [B, D, t]
        there = (mask.float().mean(1) * positions.shape[2]).ceil().clamp(min=1)  # [B]
        at = torch.arange(positions.shape[2])
        part = (at / there[:, None] * STRETCHES).floor()  # [B, t]; beyond the recording it is STRETCHES or more
        weight = torch.stack([part == s for s in range(STRETCHES)], 1).float()  # [B, S, t]
        means = weight @ positions.float().transpose(1, 2) / weight.sum(2, keepdim=True).clamp(min=1)  # [B, S, D]
        found.append(means.flatten(1).numpy())
    return np.concatenate(found)


def _copies(read: Read, source: Source, seen: Any, words: NDArray[np.int64]) -> list[NDArray[np.float32]]:
    """Return features of random views of the recordings at `words`; other rows are 0."""
    made, part, found = views.augment(seen), Subset(source, words), []
    for epoch in range(COPIES):
        for name in ("first", "second"):
            mine = _standard(_stretches(read, part, made, (name, f"{name}_mask"), epoch), part.labels)
            whole = np.zeros((len(source), mine.shape[1]), np.float32)
            whole[words] = mine
            found.append(whole)
    return found


def _standard(x: NDArray[np.float32], voice: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return features of mean 0 and deviation 1 in each voice."""
    out = np.empty_like(x)
    for one in np.unique(voice):
        mine = x[voice == one]
        out[voice == one] = (mine - mine.mean(0)) / np.maximum(mine.std(0), 1e-6)
    return out


def _retrieved(x: NDArray[np.float32], both: list[tuple[int, int]]) -> NDArray[np.bool_]:
    """Return for each prompt of the first voice whether the most similar of the second is the same."""
    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    query, key = (unit[[pair[side] for pair in both]] for side in (0, 1))
    found: NDArray[np.bool_] = (query @ key.T).argmax(1) == np.arange(len(both))
    return found


def _told(
    plain: NDArray[np.float32], copies: list[NDArray[np.float32]], both: list[tuple[int, int]], seed: int
) -> NDArray[np.bool_]:
    """Return for each word of the second voice whether a probe of the words of the first knows it."""
    first, second = ([pair[side] for pair in both] for side in (0, 1))
    learned = np.concatenate([plain[first], *(one[first] for one in copies)])
    labels = np.tile(np.arange(len(both)), 1 + len(copies))
    says = fit_linear(learned, labels, seed).predict(plain[second])
    found: NDArray[np.bool_] = np.asarray(says) == np.arange(len(both))
    return found
