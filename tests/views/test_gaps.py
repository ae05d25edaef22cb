from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from selftaught.views.gaps import Gaps, Noise

INPUT = {"kind": "signal", "channels": 2, "length": 60, "mean": [0.0, 0.0], "std": [1.0, 1.0]}


def seen(kind: Noise, level: float, span: int = 6, n: int = 200, length: int = 60, epoch: int = 0) -> Any:
    made, index = Gaps(INPUT, kind, level, span, 1.0), np.arange(n)
    raw = {"signal": np.ones((n, 2, length), np.float32), "index": index}
    return made.apply(raw, made.sample(index, epoch, 0), torch.device("cpu"))


def test_masking_hides_stretches_that_begin_anywhere() -> None:
    batch = seen("masking", 0.3)
    hidden = batch["damage"]
    assert torch.equal(batch["corrupt"] == 0, hidden) and (batch["corrupt"][~hidden] == 1).all()
    assert hidden.float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert not torch.equal(hidden[:, 0], hidden[:, 1])  # each channel's own
    starts = ((hidden[:, :, 1:] & ~hidden[:, :, :-1]).nonzero()[:, 2] + 1) % 6
    assert torch.bincount(starts, minlength=6).min() > 0.6 * len(starts) / 6
    runs = [len(run) for row in hidden[:, 0].tolist() for run in "".join("01"[x] for x in row).strip("1").split("0")]
    assert all(run % 6 == 0 for run in runs)


def test_gaussian_noise_is_everywhere_but_at_padding() -> None:
    batch = seen("gaussian", 0.5, length=40)
    noise = batch["corrupt"] - batch["clean"]
    assert (noise[:, :, 40:] == 0).all() and noise[:, :, :40].std().item() == pytest.approx(0.5, rel=0.03)
    assert batch["damage"][:, :, :40].all() and not batch["damage"][:, :, 40:].any()
    assert not seen("gaussian", 0.0)["damage"].any()


def test_padding_is_never_hidden_and_levels_are_exact_at_the_ends() -> None:
    assert not seen("masking", 1.0, length=40)["damage"][:, :, 40:].any()
    assert seen("masking", 1.0)["damage"].all() and not seen("masking", 0.0)["damage"].any()


def test_another_epoch_hides_other_stretches() -> None:
    one, again, other = (seen("masking", 0.3, epoch=epoch)["damage"] for epoch in (0, 0, 1))
    assert torch.equal(one, again) and not torch.equal(one, other)
