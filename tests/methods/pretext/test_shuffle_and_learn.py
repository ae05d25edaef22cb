from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from selftaught import encoders
from selftaught.contract.case import batch
from selftaught.data.video import toy
from selftaught.data.video.clip import Clip
from selftaught.data.video.source import Frames
from selftaught.errors import UserError
from selftaught.methods.pretext.shuffle_and_learn import ORDERS, ShuffleAndLearn
from selftaught.views.stretches import Tuples, motion, shots

SMALL = {"span": 6, "gap": 3, "width": 32, "hidden": 64, "crop": 0.9}
LEARNS = {"flip": 0.0, "strength": 0.0}
VARIANTS = ({"positives": 0.25},)


def make(**arguments: Any) -> ShuffleAndLearn:
    torch.manual_seed(0)
    encoder = encoders.build("conv", toy.seen(), width=8, depth=2)
    return ShuffleAndLearn(encoder, **({"span": 6, "gap": 3, "width": 16, "hidden": 16} | arguments))


def draws(n: int, tries: int = 3) -> Any:
    return np.random.default_rng(0).random((n, tries, 6))


def clip(pixels: Any) -> Clip:
    return Clip("a", pixels, str(int(pixels.astype(np.int64).sum())))


def test_the_wrong_middle_frame_is_always_outside() -> None:
    tuples = Tuples(toy.source(96), span=6, gap=3, tries=3)
    rows = tuples.rows(draws(500))
    a, b, c, d, e = rows.T
    assert (a < b).all() and (b < c).all() and (c < d).all() and (d < e).all()
    assert (d - b).max() == 6 and (d - b).min() == 2
    assert (b - a).min() == 3 and (e - d).min() == 3 and max((b - a).max(), (e - d).max()) <= 6
    place = tuples.source.places[rows]  # of one video each
    assert (place[:, :, 0] == place[:, :1, 0]).all()


def test_frames_are_drawn_where_things_move_and_never_across_a_cut() -> None:
    rng = np.random.default_rng(0)
    still = np.repeat(rng.integers(0, 200, (1, 16, 16, 3), np.uint8), 30, 0)
    moving = still.copy()
    for t in range(30):
        moving[t, 4:10, t % 14 : t % 14 + 3] = 255
    source = Frames([clip(np.concatenate([still, moving]))])
    rows = Tuples(source, span=6, gap=3, tries=1).rows(draws(400, 1))
    assert (rows[:, 2] >= 27).mean() > 0.95 and motion(source)[:29].max() == 0
    other = np.concatenate([still, rng.integers(0, 200, (1, 16, 16, 3), np.uint8).repeat(30, 0)])
    cut = Frames([clip(other)])
    assert shots(cut).tolist() == [[0, 30], [30, 60]]
    rows = Tuples(cut, span=6, gap=3, tries=1).rows(draws(400, 1))
    assert ((rows < 30).all(1) | (rows >= 30).all(1)).all()


def test_of_several_tuples_the_least_ambiguous_is_taken() -> None:
    source = toy.source(96)
    one, many = (Tuples(source, span=6, gap=3, tries=n) for n in (1, 6))

    def least(tuples: Tuples, u: Any) -> float:
        small = tuples.small[tuples.rows(u)]
        return float(((small[:, [0, 4]] - small[:, 2:3]) ** 2).mean(2).min(1).mean())

    u = draws(300, 6)
    assert least(many, u) > 1.2 * least(one, u[:, :1])


def test_the_loss_is_the_weighted_cross_entropy_of_three_orders() -> None:
    source, method = toy.source(48), make(positives=0.25)
    method.eval()
    seen = batch(method, source, range(16))
    assert seen["frames"].shape == (16, 5, 3, 16, 16) and 0 < seen["turned"].sum() < 16
    found = method(player="main", clock=None, **seen)
    codes = method.trunk(method.encoder.local, seen["frames"])
    cost = []
    for i in range(16):
        row = []
        for n, order in enumerate(ORDERS):
            order = order[::-1] if seen["turned"][i] else order
            logits = method.head(torch.cat([codes[i, k] for k in order])[None])
            row.append(F.cross_entropy(logits, torch.tensor([int(n == 0)])))
        cost.append(0.25 * row[0] + 0.75 * (row[1] + row[2]) / 2)
    assert torch.allclose(found["loss"], torch.stack(cost).mean(), atol=1e-6)
    assert found["chance"] == 0.5


def test_the_head_minds_the_order_and_the_trunk_does_not() -> None:
    method = make().eval()
    seen = batch(method, toy.source(48), range(8))
    codes = method.trunk(method.encoder.local, seen["frames"])
    other = [4, 2, 0, 1, 3]
    assert torch.allclose(method.trunk(method.encoder.local, seen["frames"][:, other]), codes[:, other], atol=1e-6)
    swapped = seen["frames"][:, other]
    assert not torch.allclose(method.guess(swapped, seen["turned"]), method.guess(seen["frames"], seen["turned"]))


def test_what_stands_still_gives_chance() -> None:
    still = np.repeat(np.random.default_rng(0).integers(0, 200, (4, 1, 16, 16, 3), np.uint8), 16, 1)
    source, method = Frames([clip(one) for one in still]), make().eval()
    assert float(method(player="main", clock=None, **batch(method, source, range(32)))["accuracy"]) == 0.5


def test_all_frames_of_a_tuple_are_changed_alike() -> None:
    still = np.repeat(np.random.default_rng(0).integers(0, 200, (1, 1, 16, 16, 3), np.uint8), 16, 1)
    method = make(strength=0.4)
    frames = batch(method, Frames([clip(still[0])]), range(8))["frames"]
    assert torch.equal(frames[:, 0], frames[:, 4]) and not torch.equal(frames[0], frames[1])


OTHERS = {
    "span": 4, "gap": 2, "tries": 1, "positives": 0.9, "width": 8, "hidden": 8, "crop": 0.4, "flip": 0.0,
    "strength": 0.5,
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_every_argument_matters(name: str) -> None:
    source = toy.source(48)
    found = []
    for arguments in ({}, {name: OTHERS[name]}):
        method = make(**arguments)
        found.append(float(method(player="main", clock=None, **batch(method, source, range(16)))["loss"].detach()))
    assert found[0] != found[1]


def test_mistakes_are_refused() -> None:
    for arguments, message in (
        ({"span": 1}, "span of shuffle_and_learn must be at least 2"),
        ({"positives": 1.0}, r"positives of shuffle_and_learn must be in \(0, 1\)"),
    ):
        with pytest.raises(UserError, match=message):
            make(**arguments)
    with pytest.raises(UserError, match="the longest shot has 16 frames, but a tuple needs 19"):
        batch(make(gap=8), toy.source(32), range(4))
    with pytest.raises(UserError, match="needs an encoder with positions"):
        ShuffleAndLearn(encoders.build("mlp", toy.seen()))


def test_it_shows_tuples_with_what_it_thinks() -> None:
    method = make().eval()
    rows = method.show(**batch(method, toy.source(48), range(4)))
    assert rows[0].name == "in order" and len(rows) == 3
    assert all(len(row.images) == 4 and row.images[0].shape == (16, 16 * 3 + 2, 3) for row in rows)
