from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from selftaught import encoders
from selftaught.data.image import toy
from selftaught.methods.cluster.deepcluster import DeepCluster
from selftaught.methods.pretext.rotation import Rotation
from selftaught.report.page import Page
from selftaught.report.sections import clusters
from selftaught.run import RunFolder


def page(tmp_path: Path, method: Any, **given: Any) -> Page:
    return Page(RunFolder.create(tmp_path / "run", {}), method.encoder, method, **given)


def method_of(labels: list[int], rounds: list[int]) -> DeepCluster:
    method = DeepCluster(encoders.build("conv", toy.seen(), width=4, depth=2), clusters=3)
    method.prepare(toy.source(40))
    method.labels[:] = torch.tensor(labels)
    method.given[:] = torch.tensor(rounds)
    return method


def test_rows_are_clusters_of_the_last_round_by_size(tmp_path: Path) -> None:
    source = toy.source(40)
    method = method_of([0] * 10 + [2] * 25 + [1] * 5, [1] * 38 + [0] * 2)
    found = clusters.data(page(tmp_path, method, source_train=source))
    assert found is not None
    assert (found["count"], found["samples"], found["largest"], found["smallest"]) == (3, 38, 25, 3)
    assert [len(row["images"]) for row in found["rows"]] == [8, 8, 3]
    label = np.bincount(source.labels[10:35])
    share = f"25 images, {label.max() / 25:.0%} {source.classes[label.argmax()]}"
    assert found["rows"][0]["name"] == share
    assert [row["name"].split(",")[0] for row in found["rows"]] == ["25 images", "10 images", "3 images"]


def test_there_is_nothing_to_show_before_the_first_clustering_or_of_other_data(tmp_path: Path) -> None:
    method = method_of([0] * 40, [-1] * 40)
    first = page(tmp_path, method, source_train=toy.source(40))
    assert clusters.suits(first) and clusters.data(first) is None
    method.given[:] = 0
    assert clusters.data(first) is not None
    assert clusters.data(page(tmp_path / "other", method, source_train=toy.source(39))) is None
    assert not clusters.suits(page(tmp_path / "none", method))
    rotation = Rotation(encoders.build("conv", toy.seen(), width=4, depth=2))
    assert not clusters.suits(page(tmp_path / "rotation", rotation, source_train=toy.source(40)))
