from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from selftaught import views
from selftaught.errors import UserError
from selftaught.parts.depth_colours import MISTAKE, NEARNESS, UNKNOWN, coloured
from selftaught.views.stereo import StereoViews, cut

CPU = torch.device("cpu")
INPUT = {"kind": "stereo", "size": 8, "channels": 3, "mean": [0.5] * 3, "std": [0.5] * 3}


def pairs(n: int = 6, height: int = 8, width: int = 8) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {"stereo": rng.integers(0, 256, (n, 2, height, width, 3), np.uint8), "index": np.arange(n)}


def run(made: Any, raw: dict[str, Any], epoch: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = made.apply(raw, made.sample(raw["index"], epoch, 0), CPU)
    return found


def pixels(x: torch.Tensor) -> Any:
    return ((x * 0.5 + 0.5) * 255).round().permute(0, 2, 3, 1).numpy()


def test_both_eyes_show_the_same_square() -> None:
    raw = pairs(width=20)
    raw["stereo"][:, 1] = raw["stereo"][:, 0]  # the same picture for both
    batch = run(StereoViews(INPUT, crop=0.5), raw)
    assert torch.equal(batch["left"], batch["right"]) and batch["left"].shape == (6, 3, 8, 8)
    assert not torch.equal(batch["left"], run(StereoViews(INPUT, crop=0.5), raw, epoch=1)["left"])


def test_without_changes_the_views_are_the_pictures() -> None:
    raw = pairs()
    batch = run(StereoViews(INPUT), raw)
    for eye, name in enumerate(("left", "right")):
        np.testing.assert_array_equal(pixels(batch[name]), raw["stereo"][:, eye])


def test_a_mirrored_pair_has_its_eyes_swapped() -> None:
    raw = pairs()
    batch = run(StereoViews(INPUT, flip=1.0), raw)
    np.testing.assert_array_equal(pixels(batch["left"]), raw["stereo"][:, 1, :, ::-1])
    np.testing.assert_array_equal(pixels(batch["right"]), raw["stereo"][:, 0, :, ::-1])


def test_half_of_the_pairs_are_mirrored_as_wholes() -> None:
    raw = pairs(64)
    batch = run(StereoViews(INPUT, flip=0.5), raw)
    kept = [np.array_equal(a, b) for a, b in zip(pixels(batch["left"]), raw["stereo"][:, 0], strict=True)]
    both = [np.array_equal(a, b) for a, b in zip(pixels(batch["right"]), raw["stereo"][:, 1], strict=True)]
    assert kept == both and 16 < sum(kept) < 48


def test_colours_change_alike_or_apart() -> None:
    raw = pairs()
    raw["stereo"][:, 1] = raw["stereo"][:, 0]
    jitter: Any = {"jitter": (0.5, 0.5, 0.5, 0.1), "jitter_p": 1.0, "flip": 0.5, "crop": 0.7}
    alike, apart = (run(StereoViews(INPUT, **jitter, eyes=eyes), raw) for eyes in ("alike", "apart"))
    assert torch.equal(alike["left"], alike["right"]) and torch.equal(alike["left"], apart["left"])
    assert all(not torch.equal(a, b) for a, b in zip(apart["left"], apart["right"], strict=True))
    still = run(StereoViews(INPUT, flip=0.5, crop=0.7), raw)
    assert not torch.equal(still["left"], alike["left"])


def test_eyes_whose_colours_change_apart_are_still_mirrored_together() -> None:
    raw = pairs()
    batch = run(StereoViews(INPUT, flip=1.0, jitter=(1e-4, 1e-4, 1e-4, 1e-4), jitter_p=1.0, eyes="apart"), raw)
    for eye, name in ((1, "left"), (0, "right")):
        assert np.abs(pixels(batch[name]) - raw["stereo"][:, eye, :, ::-1]).max() <= 2


def test_the_square_stays_inside_and_reaches_every_border() -> None:
    pair = np.arange(2 * 6 * 9).reshape(1, 2, 6, 9, 1).astype(np.uint8)
    least, most = np.zeros((1, 3)), np.full((1, 3), 1 - 1e-9)
    np.testing.assert_array_equal(cut(pair, least, 0.5)[0], pair[0, :, :3, :3])
    np.testing.assert_array_equal(cut(pair, most, 0.5)[0], pair[0, :, :6, 3:])
    np.testing.assert_array_equal(cut(pair, np.array([[0, 1 - 1e-9, 1 - 1e-9]]), 0.5)[0], pair[0, :, 3:, 6:])


def test_the_parameters_of_a_pair_do_not_depend_on_its_batch() -> None:
    made = StereoViews(INPUT, crop=0.5, flip=0.5, jitter=(0.4, 0.4, 0.4, 0.1), eyes="apart")
    whole, part = made.sample(np.arange(6), 3, 7), made.sample(np.array([4]), 3, 7)
    assert whole.keys() == part.keys() and all(np.array_equal(whole[key][4:5], part[key]) for key in whole)


def test_plain_and_raw_are_the_left_eye() -> None:
    raw = pairs()
    for made in (views.plain(INPUT), views.raw(INPUT)):
        batch = run(made, raw)
        assert list(batch) == ["stereo", "index"]
        np.testing.assert_array_equal(pixels(batch["stereo"]), raw["stereo"][:, 0])
    assert views.raw_is(INPUT) == "the pixels of the left picture"


def test_two_random_views_are_the_two_eyes() -> None:
    batch = run(views.augment(INPUT), pairs())
    assert batch["first"].shape == batch["second"].shape == (6, 3, 8, 8) and "left" not in batch


def test_pairs_disparities_and_views_can_be_looked_at() -> None:
    raw = pairs()
    shown = views.show("stereo", raw["stereo"], INPUT)
    np.testing.assert_array_equal(shown.images[2], np.concatenate(list(raw["stereo"][2]), 1))  # type: ignore[union-attr]
    depth = views.show("disparity", np.zeros((2, 8, 8), np.float32), INPUT)
    assert depth.images[0].shape == (8, 8, 3)  # type: ignore[union-attr]
    left = views.show("left", run(StereoViews(INPUT), raw)["left"], INPUT)
    np.testing.assert_array_equal(left.images[0], raw["stereo"][0, 0])  # type: ignore[union-attr]
    assert views.show("offset", np.zeros(2), INPUT) is None


def test_colours_go_from_far_to_near_and_what_is_unknown_is_grey() -> None:
    values = np.array([[0.0, 5.0, 10.0, np.nan, 20.0]])
    picture = coloured(values, 0, 10)
    assert [tuple(one) for one in picture[0]][::2] == [NEARNESS[0], NEARNESS[-1], NEARNESS[-1]]
    assert tuple(picture[0, 3]) == UNKNOWN
    light = coloured(np.linspace(0, 1, 50)[None])[0].astype(float) @ [0.299, 0.587, 0.114]
    assert (np.diff(light) > -1e-9).all()
    assert tuple(coloured(values, 0, 20, MISTAKE)[0, 2]) == MISTAKE[2]
    assert (coloured(np.full((1, 2), np.nan)) == UNKNOWN).all()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [({"crop": 0.0}, "crop of pairs"), ({"eyes": "both"}, "alike or apart"), ({"flip": 2.0}, "flip must be")],
)
def test_values_out_of_range_are_refused(arguments: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        StereoViews(INPUT, **arguments)
