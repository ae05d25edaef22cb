from __future__ import annotations

import itertools
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks import measure, peers, peers_process, tables
from selftaught.data import open_source
from selftaught.data.image.kind import Image

SEEN = {"kind": "image", "size": 8, "channels": 3, "mean": [0.5] * 3, "std": [0.2] * 3}
TASK = {"tool": "lightly", "method": "simclr", "optimizer": "adamw", "seed": 0, "batch": 4, "encoder": "conv"}


class Distance(nn.Module):
    """The squared distance between the features of two views, and the rates of progress that it was asked at."""

    def __init__(self, method: str, encoder: nn.Module, width: int) -> None:
        super().__init__()
        self.encoder, self.frozen = encoder, nn.Parameter(torch.zeros(1), requires_grad=False)

    def forward(self, views: list[Tensor], progress: float) -> Tensor:
        one, other = views
        return (self.encoder(one) - self.encoder(other)).square().mean()


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> peers_process.Pictures:
    monkeypatch.setitem(peers_process.TOOLS, "lightly", Distance)
    images = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 3), np.uint8)

    def views(picture: Any) -> list[Tensor]:
        x = torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 255
        return [x, 1 - x]

    return peers_process.Pictures(open_source(images, kind="image"), views)


def test_every_library_has_a_row_of_each_method_and_lightly_one_of_its_own_optimiser() -> None:
    cases = peers.cases()
    assert len(cases) == 12 and cases["lightly-moco-sgd"] == ("lightly", "moco", "sgd")
    assert {tool for tool, _, how in cases.values() if how == "adamw"} == {"selftaught", *peers_process.TOOLS}


def test_training_lasts_for_the_steps_or_the_seconds_asked_for(data: peers_process.Pictures) -> None:
    found = peers_process.trained(TASK, data, SEEN, workers=0, steps=5)
    assert len(found["ended"]) == 5 and np.all(np.diff(found["ended"]) > 0)
    found = peers_process.trained(TASK, data, SEEN, workers=0, seconds=0.05)
    assert found["ended"][-1] >= 0.05 and all(t < 0.05 for t in found["ended"][:-1])


def test_the_same_seed_gives_the_same_weights_and_training_moves_them(data: peers_process.Pictures) -> None:
    one, again, other = (
        peers_process.trained({**TASK, "seed": seed}, data, SEEN, workers=0, steps=3)["encoder"].state_dict()
        for seed in (0, 0, 1)
    )
    assert all(torch.equal(one[k], again[k]) for k in one)
    assert not torch.equal(one["blocks.0.0.weight"], other["blocks.0.0.weight"])
    torch.manual_seed(0)
    first = peers_process.encoders.build("conv", SEEN).state_dict()
    assert not torch.equal(one["blocks.0.0.weight"], first["blocks.0.0.weight"])


def test_batches_are_whole_and_go_on_after_the_last_image(data: peers_process.Pictures) -> None:
    taken = list(itertools.islice(peers_process.batches(data, 4, 0, seed=0), 5))  # an epoch has two
    assert all(view.shape == (4, 3, 8, 8) for batch in taken for view in batch)
    assert not torch.equal(taken[0][0], taken[2][0])


def test_the_optimiser_is_ours_or_lightlys_with_its_rate_for_the_batch() -> None:
    assert peers_process.recipe({**TASK, "batch": 256}).lr == 2e-3
    sgd = peers_process.recipe({**TASK, "optimizer": "sgd", "batch": 256})
    assert (sgd.optimizer, sgd.lr, sgd.momentum, sgd.weight_decay) == ("sgd", 0.12, 0.9, 5e-4)


def test_a_row_is_the_mean_over_seeds_beside_untrained_and_raw() -> None:
    def run(seed: int, knn: float) -> dict[str, Any]:
        speed = {"steps": 9, "seconds": 45.0, "images_per_second": 1234.0 + seed, "workers": 2}
        return {"case": "lightly-byol", "seed": seed, **speed, "probe": {"linear": 60.0, "knn": knn}}

    base = [{"seed": 0, "untrained": {"linear": 48.0, "knn": 35.0}, "raw": {"linear": 40.0, "knn": 39.0}}]
    (row,) = peers.rows([run(1, 38.0), run(0, 36.0)], base)
    assert row["images_per_second"] == 1234.0 and row["seeds"] == 2
    assert row["probe"]["knn"] == {"trained": 37.0, "untrained": 35.0, "raw": 39.0, "spread": {"trained": 1.41}}
    line = tables.peers_table([row]).splitlines()[-1]
    assert line == "| `byol` | lightly | adamw | 1,234 | **60.0** ±0.0 | 37.0 ±1.4 | 2 |"
    assert "lightly-byol" in list(peers.shown([row]))[1]


def test_a_later_seed_takes_the_steps_and_workers_of_the_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    seen = Image().input(open_source("digits", "train"))
    asked: list[dict[str, Any]] = []

    def child(module: str, task: dict[str, Any], python: str | None = None) -> dict[str, Any]:
        asked.append({**task, "python": python})
        encoder = peers_process.encoders.build("conv", seen)
        peers_process.Path(task["out"]).write_bytes(peers_process.encoders.save(encoder))
        return {"steps": 7, "seconds": 45.0, "images_per_second": 100.0, "workers": 1}

    monkeypatch.setattr(measure, "child", child)
    monkeypatch.setattr(peers, "judged", lambda *_: {"linear": 50.0, "knn": 40.0})
    monkeypatch.setattr(peers, "RUNS", tmp_path)
    first = peers.measured("lightly-moco", 0, None, "python-of-peers")
    peers.measured("lightly-moco", 1, first, "python-of-peers")
    assert [(a["steps"], a["seconds"], a["workers"]) for a in asked] == [(None, 45.0, None), (7, None, 1)]
    assert asked[0]["python"] == "python-of-peers" and first["probe"]["knn"] == 40.0


def test_rows_of_other_libraries_need_their_python(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(sys, "argv", ["peers", "lightly-moco"])
    with pytest.raises(SystemExit):
        peers.main()
    assert "--peer" in capsys.readouterr().err
