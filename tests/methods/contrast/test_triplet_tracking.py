from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from selftaught import encoders
from selftaught.contract.case import batch
from selftaught.data.video import toy
from selftaught.data.video.clip import Clip
from selftaught.data.video.source import Frames
from selftaught.errors import UserError
from selftaught.method import Clock
from selftaught.methods.contrast.triplet_tracking import TripletTracking, around, mined, others
from selftaught.parts.shown import Pictured
from selftaught.views.tracking import camera, follow, moving
from selftaught.views.tracks import How, Tracks

SMALL = {"length": 4, "moving": 0.02, "sure": 2.0, "dim": 16, "hidden": 32, "steady": 1.0}
LEARNS = {"strength": 0.1, "crop": 0.8}
HOW = How(4, 0.375, 3, 0.02, 1.0, 2.0)


def make(**arguments: Any) -> TripletTracking:
    torch.manual_seed(0)
    encoder = encoders.build("conv", toy.seen(), width=8, depth=2)
    return TripletTracking(encoder, **(SMALL | arguments))


def clock(progress: float) -> Clock:
    found = Clock(0, 100)
    found.step = round(100 * progress)
    return found


def blob(count: int = 20) -> tuple[Any, Any]:
    """Grey frames with noise in which a textured blob moves by one row and two columns."""
    frames = np.random.default_rng(0).normal(60, 3, (count, 80, 100)).astype(np.float32)
    y, x = np.mgrid[:80, :100]
    centres = np.stack([30 + np.arange(count), 20 + 2 * np.arange(count)], 1)
    for frame, (cy, cx) in zip(frames, centres, strict=True):
        shape = np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 40)
        frame += 120 * shape * (1 + 0.5 * np.sin((y - cy) * 0.7 + (x - cx) * 0.3))
    return frames, centres


def test_the_tracker_follows_a_blob_to_within_a_pixel() -> None:
    frames, centres = blob()
    path, sure = follow(frames, centres[:1] - 12, 24)
    assert np.abs(path[:, 0] + 12 - centres).max() <= 1
    assert sure[1:].min() > 10 and np.isinf(sure[0]).all()


def test_what_vanishes_is_lost() -> None:
    frames, centres = blob()
    frames[10:] = np.random.default_rng(1).normal(60, 3, (10, 80, 100))
    _, sure = follow(frames, centres[:1] - 12, 24)
    assert sure[1:10].min() > 10 and sure[10:].min() < 6


def test_patches_are_where_something_moves_and_the_camera_is_taken_away() -> None:
    frames, centres = blob()
    (found,) = moving(frames[0], frames[3], 24, 1, 0.05, 0.75)
    middle = (centres[0] + centres[3]) / 2
    assert np.abs(found + 12 - middle).max() <= 6
    ground = np.random.default_rng(2).uniform(0, 255, (90, 120)).astype(np.float32)
    first, second = ground[5:85, 10:110].copy(), ground[2:82, 6:106].copy()
    assert camera(first, second) == (3, 4)
    assert not len(moving(first, second, 24, 3, 0.05, 0.75))  # everything moved, and nothing by itself
    assert not len(moving(first, np.roll(ground[:80, :100], 40, 0), 24, 3, 0.05, 0.75))  # a cut
    two = moving(frames[0], frames[3], 24, 3, 0.0, 1.0)
    apart = np.abs(two[:, None] - two[None]).max(2)
    assert (apart[~np.eye(len(two), dtype=bool)] >= 24).all()  # none over another


def test_tracks_stay_in_their_video_and_their_patches_are_the_blob() -> None:
    source = toy.source(96)
    tracks = Tracks(source, HOW)
    assert len(tracks) == 96 and len(tracks.rows) > 10
    ends = source.places[tracks.rows + 4]
    assert (ends[:, 0] == source.places[tracks.rows, 0]).all()
    chosen = np.arange(len(tracks.rows))
    for step in (0, 4):
        patches = tracks.patches(chosen, step)
        frames = source.fetch(tracks.rows + step)["video"]
        brightest = np.array([frame.mean(2).reshape(-1).argmax() for frame in frames])
        inside = [
            y <= at // 16 < y + 6 and x <= at % 16 < x + 6
            for at, (y, x) in zip(brightest.tolist(), tracks.path[:, step].tolist(), strict=True)
        ]
        assert {patch.shape for patch in patches} == {(6, 6, 3)} and np.mean(inside) > 0.8
    still = Frames([Clip("a", np.full((20, 16, 16, 3), 9, np.uint8), "a")])
    with pytest.raises(UserError, match="no patch moves in these 20 frames"):
        Tracks(still, HOW)


def test_positives_share_a_track_and_negatives_never_do() -> None:
    method, source = make(), toy.source(96)
    seen = batch(method, source, range(64))
    about = seen["about"]
    assert seen["first"].shape == seen["last"].shape == (64, 3, 16, 16) and about.shape == (64, 8)
    allowed = others(about, about)
    assert not allowed[about[:, None, 0] == about[None, :, 0]].any() and allowed.any(1).all()
    one = torch.tensor([[0, 0, 0, 10, 10, 20, 20, 6]])
    for row, wanted in (
        ([1, 0, 0, 12, 12, 40, 40, 6], False),  # begins over it
        ([1, 0, 0, 40, 40, 22, 18, 6], False),  # ends over it
        ([1, 0, 0, 40, 40, 40, 40, 6], True),
        ([1, 1, 0, 10, 10, 20, 20, 6], True),  # another scene
        ([0, 0, 0, 10, 10, 20, 20, 6], False),
    ):
        assert bool(others(one, torch.tensor([row]))) is wanted


def test_hard_mining_takes_the_nearest_and_the_rest_by_priority() -> None:
    scores = torch.tensor([[0.1, 0.9, -torch.inf, 0.5, 0.3]])
    priority = torch.tensor([[0.2, 0.1, -1.0, 0.3, 0.9]])
    assert mined(scores, priority, 2, 2).tolist() == [[1, 3]]
    assert mined(scores, priority, 0, 2).tolist() == [[4, 3]]
    assert mined(scores, priority, 1, 3).tolist() == [[1, 4, 3]]
    drawn = around(torch.rand(50), torch.rand(40))
    assert drawn.min() >= 0 and drawn.max() < 1
    assert len(set(drawn.argmax(1).tolist())) > 15  # other anchors draw others


def loss_of(method: TripletTracking, seen: Any, progress: float) -> tuple[Tensor, Tensor]:
    """The loss, and that of a loop, with all negatives nearest."""
    found = method(player="main", clock=clock(progress), **seen)["loss"]
    z = method.head(method.encoder(torch.stack([seen["first"], seen["last"]], 1).flatten(0, 1)))
    z = torch.nn.functional.normalize(z, dim=1)
    about = seen["about"].repeat_interleave(2, 0)
    allowed, costs = others(about, about), []
    for i in range(len(z)):
        own = 1 - z[i] @ z[i ^ 1]
        nearest = sorted((1 - z[i] @ z[k]).item() for k in range(len(z)) if allowed[i, k])[: method.negatives]
        costs += [max(0.0, own.item() - d + method.margin) for d in nearest]
    return found, torch.tensor(costs).mean()


def test_the_loss_is_that_of_a_loop_over_both_roles() -> None:
    method = make(hard=1.0, warmup=0.5).eval()
    seen = batch(method, toy.source(96), range(24))
    found, wanted = loss_of(method, seen, 0.6)
    assert torch.allclose(found, wanted, atol=1e-5)
    early, _ = loss_of(method, seen, 0.4)
    assert early.item() < found.item()  # random negatives cost less than the nearest


def test_nothing_is_lost_once_negatives_are_a_margin_farther() -> None:
    method = make(margin=0.1)
    z = torch.eye(4).repeat_interleave(2, 0) * 3

    class Fixed(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return z

    method.encoder, method.head = Fixed(), torch.nn.Identity()  # type: ignore[assignment]
    about = torch.tensor([[i, i, 0, 0, 0, 0, 0, 6] for i in range(4)])
    blank = torch.zeros(4, 1, 2, 2)
    found = method(blank, blank, about, torch.rand(4), clock(1.0))
    assert found["loss"].item() == 0 and float(found["accuracy"]) == 1


OTHERS = {
    "length": 6, "patch": 0.5, "count": 1, "moving": 0.3, "steady": 0.05, "sure": 4.5, "margin": 1.0, "negatives": 2,
    "hard": 1.0, "warmup": 0.0, "dim": 8, "hidden": 16, "crop": 0.3, "flip": 0.0, "strength": 0.9,
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_every_argument_matters(name: str) -> None:
    source = toy.source(96)
    found = []
    for given in ({}, {name: OTHERS[name]}):
        method = make(**given)
        progress = 0.1 if name == "warmup" else 0.9
        out = method(player="main", clock=clock(progress), **batch(method, source, range(24)))
        found.append(float(out["loss"].detach()))
    assert found[0] != found[1]


def test_mistakes_are_refused_and_options_without_an_effect_said() -> None:
    for arguments, message in (
        ({"length": 0}, "length, count and negatives of triplet_tracking must be at least 1"),
        ({"margin": 3.0}, r"margin in \(0, 2\]"),
        ({"hard": 2.0}, "moving, steady, hard and warmup of triplet_tracking must be in"),
    ):
        with pytest.raises(UserError, match=message):
            make(**arguments)
    assert set(make(hard=0.0).unused(None)) == {"warmup"} and set(make(warmup=1.0).unused(None)) == {"hard"}
    assert not make().unused(None)


def test_it_shows_patches_and_whole_tracks() -> None:
    method, source = make().eval(), toy.source(96)
    first, last = method.show(**batch(method, source, range(6)))
    assert len(first.images) == len(last.images) == len(last.notes) == 6
    bound = method.views.bind(source)
    rows = bound.pictures(3)
    assert isinstance(bound, Pictured) and len(rows) == 5 and all(len(row.images) == 3 for row in rows)
    assert "frame" in rows[0].notes[0]
    y, x = bound.path[0, -1]
    frame = rows[-1].images[0]
    assert (frame[y, x : x + 6] == 255).all() and (frame[y : y + 6, x + 5] == 255).all()
    assert np.array_equal(frame[y + 1 : y + 5, x + 1 : x + 5], bound.patches(np.array([0]), 4)[0][1:5, 1:5])
