"""The information that features keep about another view, where it is known, and the verb."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from selftaught import encoders
from selftaught.data.image.arrays import ArraySource
from selftaught.data.text.corpus import Corpus
from selftaught.errors import UserError
from selftaught.evaluate import information as module
from selftaught.evaluate.information import information
from selftaught.method import Batch, Encoder, Index, Params, Raw, Views
from selftaught.parts.information import Gaussians

INPUT = {"kind": "image", "size": 2, "channels": 1, "mean": [0.0], "std": [1.0]}


class Pairs(Views):
    """Views [B, 4] that are a known function of the sample's number: correlated Gaussians."""

    def __init__(self, pairs: Gaussians, count: int) -> None:
        self.x, self.y = (side.float() for side in pairs.draw(count, torch.Generator().manual_seed(0)))

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        return {}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        which = torch.from_numpy(raw["image"].reshape(len(raw["image"]), -1).astype(np.int64) @ [1, 256, 0, 0])
        return {"first": self.x[which], "second": self.y[which]}


class Through(Encoder):
    """Returns what `map` makes of its input."""

    sees = ("image",)

    def __init__(self, map: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.map, self.dim, self.spec = map, 4, {"name": "conv", "input": INPUT}
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def layers(self, x: Any, **masks: Tensor) -> list[Tensor]:
        return [self.map(x)]

    def forward(self, x: Any, **masks: Tensor) -> Tensor:
        return self.map(x)


def numbered(begin: int, end: int) -> ArraySource:
    """Images that spell their number."""
    n = np.arange(begin, end)
    pixels = np.stack([n % 256, n // 256, n * 0, n * 0], 1).reshape(-1, 2, 2, 1).astype(np.uint8)
    return ArraySource(pixels, np.full(end - begin, -1))


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    pairs = Gaussians(4, 0.8)
    silent = Through(lambda x: torch.zeros(len(x), 4))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "STEPS", 200)
        return information(
            Through(lambda x: x), numbered(0, 4000), numbered(3000, 6000), untrained=silent, views=Pairs(pairs, 6000)
        )


def test_bits_are_those_of_known_pairs_and_a_bound(found: dict[str, Any]) -> None:
    bits = Gaussians(4, 0.8).information / math.log(2)  # 2.9
    for side in ("trained", "raw"):
        for name in ("info_nce", "donsker_varadhan", "nwj"):
            assert 0.6 * bits < found["sides"][side][name] < bits + 0.15, (side, name)
        assert 0.5 < found["sides"][side]["jensen_shannon"] < 2
    assert found["sides"]["trained"] == found["sides"]["raw"]  # the same features, the same critics


def test_features_that_say_nothing_keep_no_bits(found: dict[str, Any]) -> None:
    assert all(abs(value) < 0.05 for name, value in found["sides"]["untrained"].items() if name != "found")
    assert found["sides"]["untrained"]["found"] <= found["chance"] < found["sides"]["trained"]["found"]


def test_samples_of_the_training_part_are_left_out(found: dict[str, Any]) -> None:
    assert (found["pairs"], found["tested"]) == (4000, 2000)  # 1,000 of the 3,000 others are known
    assert (found["cap"], found["chance"]) == (9, 100 / 512)


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(UserError, match="needs more of them: there are 8 training and 3 other samples"):
        information(Through(lambda x: x), numbered(0, 8), numbered(8, 11), views=Pairs(Gaussians(4, 0.5), 11))


def test_texts_have_two_halves_and_no_raw_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STEPS", 2 * module.EVERY)
    rng = np.random.default_rng(0)
    topics = ["abcdefgh"[topic] for topic in rng.integers(0, 8, 400)]
    lines = [" ".join(f"{topic}{rng.integers(6)}" for _ in range(12)) for topic in topics]
    train, test = Corpus.of(lines[:300]), Corpus.of(lines[300:])
    torch.manual_seed(0)
    found = information(encoders.build("lookup", train.input(), dim=32, min_count=1), train, test)
    assert found["sides"].keys() == {"trained", "untrained"}
    assert found["sides"]["trained"]["info_nce"] > 1  # of log2 8 = 3 bits: what the halves share is the topic


def test_the_verb_prints_bits_beside_both_baselines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import selftaught
    from selftaught.cli import main

    monkeypatch.setattr(module, "STEPS", module.EVERY)
    selftaught.pretrain("simclr", "digits", out=tmp_path / "run", steps=1, batch_size=16, progress=False)
    assert main(["information", str(tmp_path / "run"), "--pairs", "600", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["sides"].keys() == {"trained", "untrained", "raw"} and told["pairs"] == 600
    assert main(["information", str(tmp_path / "run"), "--pairs", "600"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["bits", "info_nce", "dv", "nwj", "jsd", "found", "%"]
    assert f"{told['sides']['raw']['info_nce']:.2f}" in next(line for line in lines if line.startswith("raw"))
    assert "600 pairs to fit" in lines[-1]
