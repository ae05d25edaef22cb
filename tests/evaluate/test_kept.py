"""The untrained encoder and the raw input are judged once: a second probe finds them, and finds the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from evaluate.stand_ins import Pictures, Small

from selftaught.evaluate import kept, probe

SMALL: dict[str, Any] = {"budgets": (2,), "draws": 2}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SELFTAUGHT_CACHE", str(tmp_path))
    return tmp_path / "judged"


def judged(
    train: Pictures | None = None, test: Pictures | None = None, lines: list[str] | None = None, **options: Any
) -> dict[str, Any]:
    torch.manual_seed(0)
    trained, untrained = Small(), Small()
    train, test = train or Pictures(160, noise=120), test or Pictures(60, noise=120, seed=1)
    say = None if lines is None else lines.append
    return probe(trained, train, test, **{"untrained": untrained, "say": say, **SMALL, **options})


def numbers(result: dict[str, Any]) -> dict[str, Any]:
    """All but how long it took and where it came from."""
    return result | {"protocol": {k: v for k, v in result["protocol"].items() if k not in ("seconds", "kept")}}


def test_what_was_kept_is_what_is_found_again(folder: Path) -> None:
    lines: list[str] = []
    first, second = judged(lines=lines), judged(lines=lines)
    assert first["protocol"]["kept"] == []
    assert second["protocol"]["kept"] == ["untrained", "raw"]
    assert numbers(second) == numbers(first)
    assert lines[:3] == ["probing the trained encoder", "probing the untrained encoder", "probing the raw input"]
    assert lines[4:] == [
        "the untrained encoder was probed before on the same data", "the raw input was probed before on the same data"
    ]  # fmt: skip
    assert len(list(folder.iterdir())) == 2


def test_test_labels_are_not_part_of_it(folder: Path) -> None:
    judged()
    test = Pictures(60, noise=120, seed=1)
    test.shown = np.random.default_rng(0).permutation(test.shown)
    assert judged(test=test)["protocol"]["kept"] == ["untrained", "raw"]


@pytest.mark.parametrize(
    "options",
    [{"seed": 1}, {"draws": 1}, {"budgets": (3,)}, {"k": 3}, {"temperature": 0.1}, {"batch_size": 64}],
    ids=str,
)
def test_other_settings_are_judged_anew(folder: Path, options: dict[str, Any]) -> None:
    judged()
    assert judged(**options)["protocol"]["kept"] == []


def test_other_samples_labels_or_groups_are_judged_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged()
    relabelled = Pictures(160, noise=120)
    relabelled.shown = (relabelled.shown + (np.arange(160) == 7)) % 4
    assert judged(train=relabelled)["protocol"]["kept"] == []
    assert judged(train=Pictures(161, noise=120))["protocol"]["kept"] == []
    assert judged(test=Pictures(60, noise=120, seed=2))["protocol"]["kept"] == []
    monkeypatch.setattr(Pictures, "groups", np.arange(160) // 16)
    assert judged()["protocol"]["kept"] == []


def test_other_weights_are_another_untrained_encoder(folder: Path) -> None:
    judged()
    torch.manual_seed(1)
    assert judged(untrained=Small())["protocol"]["kept"] == ["raw"]


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty"])
def test_damage_is_noticed_and_mended(folder: Path, damage: str) -> None:
    first = judged()
    for path in folder.iterdir():
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes({"flipped": bytes(data), "cut": path.read_bytes()[:-10], "empty": b""}[damage])
    again = judged()
    assert again["protocol"]["kept"] == []
    assert numbers(again) == numbers(first)
    assert judged()["protocol"]["kept"] == ["untrained", "raw"]


def test_no_flipped_byte_goes_unnoticed(folder: Path) -> None:
    judged()
    path = next(folder.iterdir())
    whole = path.read_bytes()
    assert kept.load(path.name) is not None
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        assert kept.load(path.name) is None


def test_a_cache_that_cannot_be_written_is_done_without(folder: Path) -> None:
    folder.write_text("a file in its place")
    assert judged()["protocol"]["kept"] == []
    assert judged()["protocol"]["kept"] == []


def test_the_folder_stays_small(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged()
    size = max(path.stat().st_size for path in folder.iterdir())
    monkeypatch.setattr(kept, "MOST", int(2.5 * size))
    judged(seed=1)
    judged(seed=2)
    assert len(list(folder.iterdir())) == 2
    assert judged(seed=2)["protocol"]["kept"] == ["untrained", "raw"]
