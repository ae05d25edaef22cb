from __future__ import annotations

import math
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from training import train

from selftaught import methods
from selftaught.contract.case import Case
from selftaught.errors import UserError
from selftaught.method import Clock
from selftaught.methods.cluster.local_aggregation import LocalAggregation
from selftaught.parts.kmeans import kmeans
from selftaught.views.image import Augment

SMALL = {"clusters": 8, "background": 192}
"""Arguments that fit the method to the toys of the contract."""
LEARNS = {"warm": 20}
"""What it needs besides to learn the toy: neighbours that mean something before it follows them."""
VARIANTS = ({"warm": 100},)
"""More arguments with which its gradients are checked."""

OTHERS: dict[str, Any] = {
    "dim": 5,
    "temperature": 0.2,
    "background": 3,
    "clusterings": 1,
    "clusters": 2,
    "iterations": 1,
    "interval": 8,
    "warm": 0,
    "momentum": 0.1,
    "bank": "file",
    "crop": 0.9,
    "jitter": 0.1,
    "flip": 0.0,
    "grey": 0.9,
}


def at(epoch: int, seed: int = 0) -> Clock:
    clock = Clock(seed)
    clock.epoch = epoch
    return clock


def nothing(*_: Any) -> Tensor:
    raise AssertionError("the bank is clustered, not the encoder's features")


def embedded(bench: Any) -> Any:
    """What the encoder makes of 30 pictures."""
    return bench.Embedded(torch.randn(30, 72, generator=torch.Generator().manual_seed(2)))


def make(bench: Any, n: int = 30, **arguments: Any) -> LocalAggregation:
    torch.manual_seed(1)
    method = LocalAggregation(
        bench.encoder(), **({"dim": 8, "background": 12, "clusters": 4, "temperature": 0.3} | arguments)
    )
    method.prepare(bench.Pictures(n))
    return method


def clustered(bench: Any, **arguments: Any) -> LocalAggregation:
    method = make(bench, **arguments)
    method.before_epoch(at(3), nothing)
    return method


def features(n: int = 6) -> Tensor:
    return F.normalize(torch.randn(n, 8, generator=torch.Generator().manual_seed(5)), dim=1)


@pytest.mark.parametrize("clusterings", [1, 3])
@pytest.mark.parametrize("background", [5, 12, 100])
def test_the_loss_is_the_papers(bench: Any, background: int, clusterings: int) -> None:
    method = clustered(bench, background=background, clusterings=clusterings)
    rows, v, index, total, shares = method.bank.all(), features(), torch.tensor([3, 0, 29, 7, 7, 11]), 0.0, 0.0
    for i in range(6):
        scores = [math.exp(v[i] @ row / 0.3) for row in rows]
        near = sorted(range(30), key=lambda j, scores=scores: -scores[j])[:background]
        close = {j for labels in method.clusters for j in range(30) if labels[j] == labels[index[i]]}
        share = sum(scores[j] for j in near if j in close) / sum(scores[j] for j in near)
        assert 0 <= share <= 1
        total -= math.log(share + 1e-7) / 6
        shares += share / 6
    found = method.aggregate(v, index)
    assert found["loss"].item() == pytest.approx(total, rel=1e-4)
    assert found["accuracy"].item() == pytest.approx(shares, rel=1e-4)


def test_chance_is_the_ratio_while_all_neighbours_are_alike(bench: Any) -> None:
    method = clustered(bench)
    method.bank.memory.copy_(method.bank.all()[:1].expand(30, -1))
    found = method.aggregate(features(), torch.arange(6))
    assert 0 < found["chance"] < 1 and found["accuracy"].item() == pytest.approx(found["chance"].item(), rel=1e-5)


def test_the_nearest_rows_are_brute_force(bench: Any) -> None:
    method = clustered(bench)
    v, asked = features(), []
    rows = method.bank.rows
    method.bank.rows = lambda index: asked.append(index) or rows(index)  # type: ignore[method-assign]
    method.aggregate(v, torch.arange(6))
    expected = (v @ method.bank.memory.T).argsort(1, descending=True)[:, :12]
    assert torch.equal(asked[-1], expected)


def test_when_all_neighbours_are_close_the_loss_is_zero(bench: Any) -> None:
    method = make(bench)  # everything is in cluster 0 until it is clustered
    found = method.aggregate(features(), torch.arange(6))
    assert found["loss"].item() == pytest.approx(0, abs=1e-6) and found["accuracy"].item() == pytest.approx(1, abs=1e-6)


def test_without_a_close_neighbour_the_loss_is_large_but_finite(bench: Any) -> None:
    method = make(bench)
    method.clusters.copy_(torch.arange(30))  # everybody alone
    v = F.normalize(-method.bank.all()[:6], dim=1)  # and far from its own row
    found = method.aggregate(v, torch.arange(6))
    assert found["loss"].item() == pytest.approx(-math.log(1e-7), rel=1e-4) and found["accuracy"] == 0


def test_the_names_of_clusters_do_not_matter(bench: Any) -> None:
    method = clustered(bench)
    before = method.aggregate(features(), torch.arange(6))["loss"]
    method.clusters.copy_(torch.tensor([2, 0, 3, 1])[method.clusters])
    assert torch.equal(method.aggregate(features(), torch.arange(6))["loss"], before)
    method.clusters.copy_(method.clusters.flip(0))
    assert torch.equal(method.aggregate(features(), torch.arange(6))["loss"], before)


def test_a_constant_added_to_all_scores_changes_nothing(bench: Any) -> None:
    method = clustered(bench, background=30)
    v, index = features(), torch.arange(6)
    before = method.aggregate(v, index)["loss"]
    shift = F.normalize(torch.randn(8), dim=0)
    method.bank.memory.add_(shift)  # v.(u + s) = v.u + v.s: the same for all rows of a query
    assert torch.allclose(method.aggregate(v, index)["loss"], before, atol=1e-5)


def test_features_move_towards_close_neighbours_and_the_bank_takes_no_gradient(bench: Any) -> None:
    method = clustered(bench)
    v = features().requires_grad_()
    found = method.aggregate(v, torch.arange(6))
    found["loss"].backward()
    moved = F.normalize(v.detach() - 0.01 * v.grad, dim=1)
    assert method.aggregate(moved, torch.arange(6))["loss"] < found["loss"]
    assert not method.bank.memory.requires_grad and method.bank.memory.grad is None


@pytest.mark.parametrize("warm", [0, 2])
def test_it_starts_with_instance_discrimination(bench: Any, warm: int) -> None:
    method = clustered(bench, warm=warm)
    batch = bench.batch(method)
    for epoch in range(3):
        outputs = method(clock=at(epoch), **batch)
        if epoch < warm:
            scores = outputs["rows"] @ method.bank.memory.T / 0.3
            expected = (scores.exp().sum(1).log() - scores[torch.arange(16), batch["index"]]).mean()
        else:
            expected = method.aggregate(outputs["rows"], batch["index"])["loss"]
        assert torch.allclose(outputs["loss"], expected, rtol=1e-4)


def test_clusterings_are_of_the_bank_each_from_a_start_of_its_own(bench: Any) -> None:
    method = make(bench, clusterings=3, iterations=5)
    method.before_epoch(at(2, seed=7), nothing)
    for h, labels in enumerate(method.clusters):
        assert torch.equal(labels, kmeans(method.bank.all(), 4, 5, 7, 2, h)[0])
    assert not torch.equal(method.clusters[0], method.clusters[1])
    once = make(bench, clusterings=3, iterations=1)
    once.before_epoch(at(2, seed=7), nothing)
    assert not torch.equal(once.clusters, method.clusters)


def test_the_bank_starts_from_the_untrained_features(bench: Any) -> None:
    method = make(bench)
    method.before_epoch(at(0), embedded(bench))
    expected = F.normalize(method.head(embedded(bench).features), dim=1)
    assert torch.allclose(method.bank.all(), expected, atol=1e-6)
    assert torch.equal(method.clusters[1], kmeans(method.bank.all(), 4, 8, 0, 0, 1)[0])


def test_the_bank_starts_again_when_it_is_warm(bench: Any) -> None:
    method = make(bench, warm=2)
    filled = []
    for epoch in range(4):
        method.bank.memory.copy_(method.bank.memory.roll(1, 0))
        before = method.bank.all()
        method.before_epoch(at(epoch), embedded(bench))
        filled.append(not torch.equal(method.bank.all(), before))
    assert filled == [True, False, True, False]


def test_every_round_is_clustered_anew(bench: Any) -> None:
    method = make(bench)
    seen = []
    for epoch in range(4):
        method.before_epoch(at(epoch), embedded(bench))
        seen.append(method.clusters.clone())
    assert not any(torch.equal(a, b) for a, b in pairwise(seen))


@pytest.mark.parametrize(("interval", "rounds"), [(0, 1), (30, 1), (100, 1), (15, 2), (9, 3), (1, 30)])
def test_rounds_cut_each_pass_over_the_data(bench: Any, interval: int, rounds: int) -> None:
    method = make(bench, interval=interval)
    parts = [method.order(epoch, 5, 30) for epoch in range(2 * rounds)]
    first, second = np.concatenate(parts[:rounds]), np.concatenate(parts[rounds:])
    assert sorted(first) == sorted(second) == list(range(30)) and list(first) != list(second)
    assert {len(part) for part in parts} <= {30 // rounds, -(-30 // rounds)}


@pytest.mark.parametrize(("clusters", "n", "expected"), [(0, 240, 4), (0, 30, 2), (5, 30, 5)])
def test_the_number_of_clusters(bench: Any, clusters: int, n: int, expected: int) -> None:
    method = clustered(bench, n=n, clusters=clusters)
    assert len(method.clusters.unique()) == expected


def test_rows_of_the_batch_follow_and_no_others(bench: Any) -> None:
    method = clustered(bench, momentum=0.75)
    before = method.bank.all()
    outputs = bench.step(method, clock=at(1))
    expected = F.normalize(0.75 * before[:16] + 0.25 * outputs["rows"], dim=1)
    assert torch.allclose(method.bank.all()[:16], expected, atol=1e-6)
    assert torch.equal(method.bank.all()[16:], before[16:])


def test_held_out_images_belong_with_the_row_nearest_to_them(bench: Any) -> None:
    method = clustered(bench).eval()
    v = features()
    nearest = (v @ method.bank.memory.T).argmax(1)
    found = method.aggregate(v, torch.arange(6))
    assert torch.equal(found["loss"], method.train().aggregate(v, nearest)["loss"])


def test_the_report_is_shown_the_first_clustering(bench: Any) -> None:
    method = clustered(bench)
    assert torch.equal(method.members(), method.clusters[0]) and len(method.members().unique()) == 4


def test_clusters_and_bank_are_in_checkpoints(bench: Any) -> None:
    method, other = clustered(bench), make(bench)
    other.load_state_dict(method.state_dict())
    batch = bench.batch(method)
    assert torch.equal(method.eval()(clock=at(1), **batch)["loss"], other.eval()(clock=at(1), **batch)["loss"])


def test_the_view_is_instance_discriminations(bench: Any) -> None:
    views = make(bench, crop=0.3, jitter=0.6, flip=0.25, grey=0.1).views
    assert views.augments == [Augment(crop=(0.3, 1.0), flip=0.25, jitter=(0.6, 0.6, 0.6, 0.5), jitter_p=1.0, grey=0.1)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temperature": 0.0}, "temperature of local_aggregation must be greater than 0, not 0.0"),
        ({"background": 0}, "background of local_aggregation must be at least 1, not 0"),
        ({"clusterings": 0}, "clusterings of local_aggregation must be at least 1, not 0"),
        ({"iterations": 0}, "iterations of local_aggregation must be at least 1, not 0"),
        ({"warm": -1}, "must be at least 0, not -1, 4 and 16384"),
        ({"clusters": -1}, "must be at least 0, not 1, -1 and 16384"),
        ({"interval": -1}, "must be at least 0, not 1, 4 and -1"),
        ({"clusters": 31}, "cannot make 31 clusters of 30 images"),
    ],
)
def test_values_out_of_range_are_refused(bench: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(bench, **arguments)


@pytest.mark.parametrize("argument", [a for a in OTHERS if a != "bank"])  # where rows are kept must change nothing
def test_every_argument_matters(bench: Any, argument: str) -> None:
    assert list(OTHERS) == [a.name for a in methods.describe("local_aggregation").arguments]

    def losses(**arguments: Any) -> list[float]:
        method = make(bench, **arguments)
        found: list[float] = list(method.order(0, 0, 30))
        for epoch in range(3):
            method.before_epoch(at(epoch), embedded(bench))
            found.append(bench.step(method, clock=at(epoch))["loss"].item())
        return found

    assert losses(**{argument: OTHERS[argument]}) != losses()


def test_the_store_changes_nothing(tmp_path: Path) -> None:
    case = Case("local_aggregation", "image", SMALL)
    memory, file = (
        train(partial(case.build, bank=store), tmp_path / store, case.source(), steps=8)[0]
        for store in ("memory", "file")
    )
    assert torch.equal(memory.bank.all(), file.bank.all())
    assert torch.equal(memory.clusters, file.clusters)
