from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from selftaught import encoders
from selftaught.contract.case import batch
from selftaught.data.subset import Subset
from selftaught.data.video import toy
from selftaught.data.video.clip import Clip
from selftaught.data.video.source import Frames
from selftaught.errors import UserError
from selftaught.methods.contrast.time_contrast import SpatialSoftmax, TimeContrast, negatives
from selftaught.views.moments import Moments, camera_crop, cameras_of

SMALL = {"near": 1, "far": 3, "points": 8, "hidden": 24, "dim": 8, "dropout": 0.0, "run": 4, "crop": 0.9}
LEARNS = {"strength": 0.0, "margin": 0.4}
VARIANTS = ({"loss": "n_pairs"}, {"cameras": "crops"}, {"dropout": 0.2})


def make(**arguments: Any) -> TimeContrast:
    torch.manual_seed(0)
    encoder = encoders.build("conv", toy.seen(), width=8, depth=2)
    small = {"near": 2, "far": 5, "points": 8, "hidden": 16, "dim": 8, "dropout": 0.0, "run": 4}
    return TimeContrast(encoder, **(small | arguments))


def outputs(method: TimeContrast, source: Any, n: int = 24) -> dict[str, Any]:
    return dict(method(player="main", clock=None, **batch(method, source, range(n))))


def test_positives_are_near_negatives_far_and_between_is_neither() -> None:
    source = toy.source(64)
    moments = Moments(source, "one", 2)
    anchor, positive = moments.pairs(np.arange(64), np.random.default_rng(0).random(64))
    place = source.places
    apart = place[positive] - place[anchor]
    assert (apart[:, :2] == 0).all() and set(np.abs(apart[:, 2])) == {1, 2}
    found = negatives(torch.from_numpy(place), torch.from_numpy(place), 5).numpy()
    same = place[:, None, 0] == place[None, :, 0]
    distance = np.abs(place[:, None, 2] - place[None, :, 2])
    assert (found == (~same | (distance > 5))).all() and not found[same & (distance <= 5)].any()


def test_every_anchor_gets_every_positive_some_time() -> None:
    moments = Moments(toy.source(16), "one", 2)
    u = (np.arange(400) + 0.5) / 400
    _, positive = moments.pairs(np.full(400, 8), u)
    assert sorted(set(positive.tolist())) == [6, 7, 9, 10]
    _, positive = moments.pairs(np.full(400, 0), u)
    assert sorted(set(positive.tolist())) == [1, 2]


def test_two_cameras_show_the_same_moment() -> None:
    source = toy.source(64, cameras=2)
    assert cameras_of(source) == "two" and cameras_of(toy.source(64)) == "one"
    moments = Moments(source, "two", 2)
    anchor, positive = moments.pairs(np.arange(len(moments)), np.random.default_rng(0).random(len(moments)))
    place = source.places
    assert (place[anchor][:, [0, 2]] == place[positive][:, [0, 2]]).all()
    assert (place[anchor][:, 1] != place[positive][:, 1]).all()
    with pytest.raises(UserError, match="no moment of these videos is seen by two cameras"):
        Moments(toy.source(64), "two", 2)
    with pytest.raises(UserError, match="no two of these frames follow each other"):
        Moments(Subset(toy.source(64), np.arange(0, 64, 5)), "one", 2)


def test_two_crops_overlap_and_never_change_places() -> None:
    frame = np.arange(30 * 50).reshape(30, 50, 1).astype(np.uint8)
    first, second = camera_crop(frame, 0), camera_crop(frame, 1)
    assert first.shape == second.shape == (24, 24, 1)
    assert np.shares_memory(first, second) and not np.array_equal(first, second)
    assert np.array_equal(first[6:, 12:], second[:-6, :-12])  # 12 of 24 columns and 18 of 24 rows are seen by both


def loop(a: Tensor, p: Tensor, allowed: Tensor, margin: float) -> Tensor:
    """Semi-hard mining in words: the nearest negative that is farther than the positive, else the farthest."""
    costs = []
    for i in range(len(a)):
        own = ((a[i] - p[i]) ** 2).sum()
        apart = [((a[i] - p[k]) ** 2).sum() for k in range(len(p)) if allowed[i, k]]
        farther = [d for d in apart if d > own]
        negative = min(farther) if farther else max(apart)
        costs.append((own - negative + margin).clamp(min=0))
    return torch.stack(costs).mean()


def test_the_triplet_loss_is_that_of_a_loop_over_both_roles() -> None:
    method, source = make().eval(), toy.source(64)
    seen = batch(method, source, range(24))
    a, p = method.embed(seen["anchor"]), method.embed(seen["positive"])
    assert torch.allclose(a.norm(dim=1), torch.ones(24), atol=1e-5)
    one = loop(a, p, negatives(seen["at"], seen["near"], 5), 0.2)
    two = loop(p, a, negatives(seen["near"], seen["at"], 5), 0.2)
    found = method(player="main", clock=None, **seen)["loss"]
    assert torch.allclose(found, (one + two) / 2, atol=1e-5)


def test_n_pairs_is_the_cross_entropy_of_inner_products_and_symmetric() -> None:
    method, source = make(loss="n_pairs", cameras="two").eval(), toy.source(64, cameras=2)
    seen = batch(method, source, range(24))
    a, p = method.embed(seen["anchor"]), method.embed(seen["positive"])
    allowed = negatives(seen["at"], seen["near"], 5) | torch.eye(24, dtype=torch.bool)
    table = (a @ p.T).masked_fill(~allowed, -torch.inf)
    one, two = (F.cross_entropy(t, torch.arange(24)) for t in (table, table.T))
    penalty = 0.002 * (a.square().sum(1).mean() + p.square().sum(1).mean()) / 2
    found = method(player="main", clock=None, **seen)["loss"]
    assert torch.allclose(found, (one + two) / 2 + penalty, atol=1e-5)
    swapped = {"anchor": seen["positive"], "positive": seen["anchor"], "at": seen["near"], "near": seen["at"]}
    assert torch.allclose(method(player="main", clock=None, **swapped)["loss"], found, atol=1e-5)


def test_reversed_time_leaves_the_loss_and_identical_frames_give_the_margin() -> None:
    method, source = make().eval(), toy.source(64)
    seen = batch(method, source, range(24))
    back = {key: seen[key] * torch.tensor([1, 1, -1]) for key in ("at", "near")}
    assert torch.equal(
        method(player="main", clock=None, **{**seen, **back})["loss"], method(player="main", clock=None, **seen)["loss"]
    )
    alike = Frames([Clip("a", np.full((40, 16, 16, 3), 90, np.uint8), "a")])
    still = make(strength=0.0, crop=1.0).eval()
    seen = batch(still, alike, range(40))
    assert float(still(player="main", clock=None, **seen)["loss"].detach()) == pytest.approx(0.2, abs=1e-4)


def test_an_epoch_visits_every_anchor_once_in_runs_of_one_video() -> None:
    method, source = make(run=4), toy.source(96)
    bound = method.views.bind(source)
    method.prepare(bound)
    order = method.order(0, 0, len(bound))
    assert sorted(order.tolist()) == list(range(96)) and not np.array_equal(order, method.order(1, 0, 96))
    scene = source.places[order, 0].reshape(-1, 4)
    assert (scene == scene[:, :1]).all() and (np.diff(scene[:, 0]) != 0).any()


def test_without_a_negative_the_loss_is_nothing_and_no_nan() -> None:
    method = make(far=50)
    found = outputs(method, toy.source(16), 8)
    assert float(found["loss"].detach()) == 0
    found["loss"].backward()


def test_the_spatial_softmax_gives_the_place_of_a_peak() -> None:
    features = torch.zeros(1, 2, 5, 9)
    features[0, 0, 4, 0], features[0, 1, 2, 4] = 1e3, 1e3
    assert torch.allclose(SpatialSoftmax()(features), torch.tensor([[-1.0, 0.0, 1.0, 0.0]]), atol=1e-5)


OTHERS = {
    "cameras": "crops", "loss": "n_pairs", "near": 1, "far": 9, "margin": 1.5, "run": 3, "dim": 4, "points": 4,
    "hidden": 8, "dropout": 0.5, "crop": 0.3, "strength": 0.6,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(OTHERS.keys() - {"run"}))  # that is a matter of order, tested above
def test_every_argument_matters(name: str) -> None:
    source = toy.source(64)
    found = [float(outputs(make(**given), source)["loss"].detach()) for given in ({}, {name: OTHERS[name]})]
    assert found[0] != found[1]


def test_mistakes_are_refused() -> None:
    for arguments, message in (
        ({"cameras": "three"}, "cameras of time_contrast must be one of auto, one, two, crops"),
        ({"far": 1}, "far at least near"),
        ({"dropout": 1.0}, r"dropout in \[0, 1\)"),
    ):
        with pytest.raises(UserError, match=message):
            make(**arguments)
    with pytest.raises(UserError, match="time_contrast needs an encoder with positions"):
        TimeContrast(encoders.build("mlp", toy.seen()))


def test_it_shows_pairs_and_their_distance() -> None:
    method = make().eval()
    anchors, positives = method.show(**batch(method, toy.source(64), range(6)))
    assert len(anchors.images) == len(positives.images) == len(positives.notes) == 6


def test_cameras_that_are_not_in_time_cost_more() -> None:
    clips = toy.source(64).clips

    def loss(late: int) -> float:
        views = [
            Clip(f"{c.name} {v}", np.roll(c.frames, late * v, 0), f"{c.digest} {v}", scene=c.name, camera=v)
            for c in clips
            for v in (0, 1)
        ]
        method = make(cameras="two", crop=1.0, strength=0.0).eval()
        method.head = torch.nn.Flatten()  # of an untrained head all frames are nearly alike
        return float(outputs(method, Frames(views), 64)["loss"].detach())

    assert loss(0) < loss(8)


def test_auto_takes_two_cameras_where_there_are_two() -> None:
    assert make().views.bind(toy.source(64, cameras=2)).cameras == "two"
    assert make().views.bind(toy.source(64)).cameras == "one"
