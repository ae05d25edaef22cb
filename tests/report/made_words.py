"""A run of word vectors, made in no time; one word tries to break out of the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from report.made import EVIL

from selftaught.encoders.lookup import Lookup
from selftaught.report.capitals import CAPITALS
from selftaught.run import RunFolder

SHOWN = 60
"""Words on the map; the rest of the vocabulary is beyond it."""


def network() -> Lookup:
    """120 words: ten countries, each a step from its capital; the others in four bunches. The hostile one is word 5."""
    rng = np.random.default_rng(0)
    pairs = CAPITALS[:10]
    words = [f"{'abcd'[i % 4]}{i}" for i in range(100)]
    words[5] = EVIL
    words[20:40] = [word.lower() for pair in pairs for word in pair]
    words += [f"rare{i}" for i in range(20)]
    centres = rng.normal(size=(4, 12)) * 2
    rows = np.asarray([centres[i % 4] + 0.4 * rng.normal(size=12) for i in range(120)])
    home, step = rng.normal(size=12) * 2, rng.normal(size=12)
    for i in range(10):
        rows[20 + 2 * i] = home + 0.5 * rng.normal(size=12)
        rows[21 + 2 * i] = rows[20 + 2 * i] + 1.5 * step + 0.1 * rng.normal(size=12)
    seen = {"kind": "text", "tokens": "words", "lower": True, "words": words, "counts": list(range(1200, 0, -10))}
    made = Lookup(seen, 12, 1)
    with torch.no_grad():
        made.table.copy_(torch.from_numpy(rows.astype(np.float32)))
    return made


def row(trained: float | None, untrained: float | None, used: int, of: int) -> dict[str, Any]:
    return {"trained": trained, "untrained": untrained, "used": used, "of": of, "coverage": 100 * used / of}


def judged() -> dict[str, Any]:
    return {
        "wordsim353": row(61.25, 3.0, 340, 353),
        "simlex999": row(-2.0, -3.5, 990, 999),
        "analogies": row(25.0, 0.0, 1200, 19544),
        "semantic": row(None, None, 0, 8869),
        "sections": {f"gram1-{EVIL}": row(30.0, 1.0, 10, 20)},
        "protocol": {"words": 120, "note": EVIL},
    }


def run(path: Path) -> RunFolder:
    made = RunFolder.create(
        path,
        {
            "method": {"name": "word2vec", "window": 5},
            "encoder": {"name": "lookup", "dim": 12},
            "data": {"source": "letters", "split": "all"},
            "recipe": {"steps": 40, "batch_size": 256, "seed": 0},
            "init": None,
        },
    )
    for step in range(41):
        made.log({"step": step, "loss": 3 * 0.95**step, "lr": 0.025 * (1 - step / 41), "words_per_second": 1e6})
    return made


def full(path: Path) -> RunFolder:
    made = run(path)
    made.update_summary(
        steps=40, planned_steps=40, seconds=12.0, documents=7, words_per_second=812345.6, words=judged()
    )
    return made
