from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor
from torch.nn import functional as F

from selftaught import methods
from selftaught.encoders.sobel import Sobel
from selftaught.errors import UserError
from selftaught.method import Clock
from selftaught.methods.cluster.deepcluster import DeepCluster, nmi, uniform
from selftaught.parts.kmeans import kmeans
from selftaught.views.image import Augment

SMALL = {"clusters": 6, "dims": 8, "interval": 64}
"""Arguments that fit the method to the toys of the contract."""
LEARNS = {"interval": 2048}
"""What it needs besides to learn the toy: rounds long enough for a new head."""

OTHERS: dict[str, Any] = {
    "clusters": 3, "dims": 3, "iterations": 1, "interval": 15, "sobel": True, "crop": 0.9, "flip": 0.0, "jitter": 0.4,
}  # fmt: skip


def at(epoch: int, seed: int = 0) -> Clock:
    clock = Clock(seed)
    clock.epoch = epoch
    return clock


def embedded(views: Any, layer: Any, index: Any) -> Tensor:
    """What the encoder makes of 30 whole pictures."""
    assert views.augments == [Augment()] and layer is None
    return torch.randn(30, 72, generator=torch.Generator().manual_seed(2))[torch.from_numpy(index)]


def make(bench: Any, n: int = 30, **arguments: Any) -> DeepCluster:
    torch.manual_seed(1)
    method = DeepCluster(bench.encoder(), **({"clusters": 4, "dims": 8, "interval": 0} | arguments))
    method.prepare(bench.Pictures(n))
    return method


def clustered(bench: Any, epoch: int = 0, **arguments: Any) -> DeepCluster:
    method = make(bench, **arguments)
    method.before_epoch(at(epoch), embedded)
    return method


def test_a_round_clusters_the_whitened_features_of_its_images(bench: Any) -> None:
    method = clustered(bench, epoch=3)
    index = torch.from_numpy(method.part(3, 0, 30))
    features = embedded(method.views.__class__(bench.input, image=Augment()), None, index.numpy())
    x = features - features.mean(0)
    values, basis = np.linalg.eigh((x.T @ x / 30).double().numpy())
    white = torch.from_numpy((x.double().numpy() @ basis[:, -8:]) / values[-8:] ** 0.5)
    assert torch.allclose(white.T @ white / 30, torch.eye(8, dtype=torch.float64), atol=1e-6)
    u = F.normalize(white, dim=1)
    found = method.whitened(features)
    assert torch.allclose(found @ found.T, (u @ u.T).float(), atol=1e-3)  # but for signs and the smallest variance
    labels, centres = kmeans(found, 4, 20, 0, 3)
    assert torch.equal(method.labels[index], labels) and torch.equal(method.centres, centres)


def test_every_cluster_comes_equally_often(bench: Any) -> None:
    labels = np.repeat([0, 2, 3], [90, 3, 7])  # 1 is empty
    index = np.arange(1000, 1100)
    drawn = uniform(index, labels, 100, np.random.default_rng(0))
    assert len(drawn) == 100 and set(drawn) <= set(index)
    counts = np.bincount(labels[drawn - 1000])
    assert counts[1] == 0 and set(counts[[0, 2, 3]]) == {33, 34}
    assert len(set(drawn[labels[drawn - 1000] == 0])) == 34  # no large cluster repeats itself
    times = np.bincount(drawn[labels[drawn - 1000] == 2] - 1090)
    assert times.min() >= 11  # a small one does, evenly
    assert not np.array_equal(drawn, uniform(index, labels, 100, np.random.default_rng(1)))
    assert np.bincount(labels[uniform(index, labels, 900, np.random.default_rng(0)) - 1000]).tolist() == [
        300,
        0,
        300,
        300,
    ]
    method = clustered(bench)
    order = method.order(0, 0, 30)
    assert np.ptp(np.bincount(method.labels.numpy()[order])) <= 1 and len(order) == 30
    assert len(clustered(bench, interval=100).order(0, 0, 30)) == 100  # few images are drawn several times


@pytest.mark.parametrize(("interval", "rounds"), [(0, 1), (30, 1), (15, 2), (10, 3)])
def test_rounds_cut_each_pass_over_the_data(bench: Any, interval: int, rounds: int) -> None:
    method = make(bench, interval=interval)
    parts = [method.part(epoch, 5, 30) for epoch in range(2 * rounds)]
    assert sorted(np.concatenate(parts[:rounds])) == sorted(np.concatenate(parts[rounds:])) == list(range(30))
    for epoch in range(2 * rounds):
        method.before_epoch(at(epoch, 5), embedded)
        assert set(method.order(epoch, 5, 30)) <= set(parts[epoch])
        assert set((method.members() >= 0).nonzero()[:, 0].tolist()) == set(parts[epoch])
        assert (method.nmi < 0) == (epoch < rounds)


def test_the_head_starts_again_and_its_optimiser_too(bench: Any) -> None:
    method = make(bench, clusters=20, dims=60)
    method.head.weight.data.fill_(5)
    clock = at(0)
    method.before_epoch(clock, embedded)
    first = method.head.weight.detach().clone()
    assert float(first.std()) == pytest.approx(0.01, rel=0.05) and abs(float(first.mean())) < 1e-3
    assert clock.resets == {"head"} and not method.head.bias.any()
    method.before_epoch(at(1), embedded)
    assert not torch.equal(method.head.weight, first)
    method.before_epoch(at(0), embedded)
    assert torch.equal(method.head.weight, first)


def test_head_and_network_are_players_and_only_the_heads_rate_is_constant(bench: Any) -> None:
    method = make(bench)
    head, network = method.players()
    assert (head.name, network.name) == ("head", "network")
    assert head.groups[0]["schedule"] == "constant" and "schedule" not in network.groups[0]
    assert set(head.groups[0]["params"]) == set(method.head.parameters())
    assert set(network.groups[0]["params"]) == set(method.encoder.parameters())


def test_the_loss_is_the_cross_entropy_of_the_labels(bench: Any) -> None:
    method = clustered(bench)
    batch = bench.batch(method)
    outputs = method(**batch)
    logits = method.head(method.encoder(batch["image"]))
    own = method.labels[:16]
    expected = -logits.log_softmax(1)[torch.arange(16), own].mean()
    assert torch.allclose(outputs["loss"], expected) and "nmi" not in outputs
    assert outputs["accuracy"] == (logits.argmax(1) == own).float().mean() and float(outputs["chance"]) == 0.25


def test_held_out_images_belong_to_the_nearest_centre(bench: Any) -> None:
    method = clustered(bench).eval()
    batch = bench.batch(method, first=8)
    white = method.whitened(method.encoder(batch["whole"]))
    own = torch.cdist(white, method.centres).argmin(1)
    logits = method.head(method.encoder(batch["image"]))
    outputs = method(**batch)
    assert torch.allclose(outputs["loss"], F.cross_entropy(logits, own))
    assert float(outputs["chance"]) == pytest.approx(float(method.labels.bincount().max()) / 30)


def test_nmi_is_scikit_learns_and_blind_to_numbers() -> None:
    generator = torch.Generator().manual_seed(0)
    one, other = (torch.randint(0, 5, (200,), generator=generator) for _ in range(2))
    mixed = torch.where(torch.rand(200, generator=generator) < 0.5, one, other)
    for a, b in ((one, other), (one, mixed), (mixed, other)):
        wanted = normalized_mutual_info_score(a, b, average_method="geometric")
        assert nmi(a, b).item() == pytest.approx(wanted, abs=1e-6)
    assert nmi(one, one) == pytest.approx(1) and nmi(one, torch.tensor([3, 0, 4, 1, 2])[one]) == pytest.approx(1)
    assert nmi(torch.zeros(9, dtype=torch.long), torch.zeros(9, dtype=torch.long)) == 1
    assert nmi(torch.zeros(9, dtype=torch.long), torch.arange(9)) == 0


def test_nmi_compares_with_the_clusters_of_the_round_before(bench: Any) -> None:
    method = clustered(bench)
    before = method.labels.clone()
    method.before_epoch(at(1), embedded)
    assert method.nmi == nmi(before, method.labels) and 0 < method.nmi <= 1
    assert method(**bench.batch(method))["nmi"] == method.nmi


def test_sobel_is_in_the_encoder_that_is_kept(bench: Any) -> None:
    method = make(bench, sobel=True)
    assert isinstance(method.encoder, Sobel) and method.kept is method.encoder
    assert set(method.players()[1].groups[0]["params"]) == set(method.encoder.parameters())


def test_clusters_are_in_checkpoints(bench: Any) -> None:
    method, other = clustered(bench), make(bench)
    other.load_state_dict(method.state_dict())
    batch = bench.batch(method)
    assert torch.equal(method.eval()(**batch)["loss"], other.eval()(**batch)["loss"])
    assert np.array_equal(method.order(0, 0, 30), other.order(0, 0, 30))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"clusters": 1}, "clusters of deepcluster must be at least 2"),
        ({"dims": 0}, "dims and iterations at least 1"),
        ({"interval": -1}, "interval at least 0, not 4, 8, 20 and -1"),
        (
            {"clusters": 30},
            "deepcluster cannot make 30 clusters of the 30 images of a round: lower clusters to less than 30$",
        ),
        (
            {"clusters": 12, "interval": 10},
            "of the 10 images of a round: lower clusters to less than 10, or raise interval",
        ),
    ],
)
def test_values_out_of_range_are_refused(bench: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(bench, **arguments)


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(bench: Any, argument: str) -> None:
    assert list(OTHERS) == [a.name for a in methods.describe("deepcluster").arguments]

    def trace(**arguments: Any) -> list[float]:
        method = make(bench, **arguments)
        found: list[float] = []
        for epoch in range(2):
            method.before_epoch(at(epoch), embedded)
            found += [*method.order(epoch, 0, 30), bench.step(method, clock=at(epoch))["loss"].item()]
        return found

    several = {"clusters": 6, "dims": 2} if argument == "iterations" else {}  # others settle after one iteration
    assert trace(**several, **{argument: OTHERS[argument]}) != trace(**several)
