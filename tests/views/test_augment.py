"""Random parameters: pure, independent, and distributed as said."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from views.reference import crop_of

from selftaught.errors import UserError
from selftaught.kernels import resize as layout
from selftaught.views.augment import Augment, boxes, sample

SIMCLR = Augment(
    crop=(0.08, 1.0), flip=0.5, jitter=(0.4, 0.3, 0.2, 0.1), grey=0.2, blur=0.5, solarise=0.3, turns=(0, 1, 2, 3)
)


@settings(deadline=None)
@given(
    st.integers(0, 2**62),
    st.integers(0, 1000),
    st.lists(st.integers(0, 2**40), min_size=2, max_size=9),
    st.integers(1, 8),
)
def test_any_split_of_a_batch_draws_the_same(seed, epoch, index, cut):
    index = np.array(index)
    whole = sample([SIMCLR, SIMCLR], index, epoch, seed)
    parts = [sample([SIMCLR, SIMCLR], part, epoch, seed) for part in (index[:cut], index[cut:])]
    for name, values in whole.items():
        np.testing.assert_array_equal(values, np.concatenate([part[name] for part in parts]))


def test_seed_epoch_sample_and_view_each_change_the_draws():
    index = np.arange(20)
    area = sample([SIMCLR, SIMCLR], index, 0, 0)["area"]
    others = [sample([SIMCLR, SIMCLR], index, 1, 0)["area"], sample([SIMCLR, SIMCLR], index, 0, 1)["area"]]
    drawn = np.concatenate([area.ravel(), *(other.ravel() for other in others)])
    assert len(np.unique(drawn)) == drawn.size


def test_views_that_are_alike_draw_as_they_would_beside_others():
    one, other = Augment(crop=(0.2, 1.0), jitter=(0.4, 0.4, 0.4, 0.1), blur=0.5, turns=(0, 1, 2, 3)), Augment(flip=0.5)
    alike, mixed = sample([one, one], np.arange(20), 3, 4), sample([one, one, other], np.arange(20), 3, 4)
    assert alike.keys() == mixed.keys()
    for name, values in alike.items():
        np.testing.assert_array_equal(values, mixed[name][:, :2], err_msg=name)
        assert values.dtype == mixed[name].dtype


def test_views_with_one_draw_differ_only_in_what_differs():
    views = [Augment(crop=(0.3, 1.0), flip=0.5, turns=(turn,), draw=0) for turn in range(4)]
    params = sample(views, np.arange(30), 2, 3)
    np.testing.assert_array_equal(params["turn"], np.tile(np.arange(4), (30, 1)))
    for name in ("area", "log_ratio", "place", "flip"):
        for view in range(1, 4):
            np.testing.assert_array_equal(params[name][:, 0], params[name][:, view])


def test_probabilities_and_ranges():
    n = 40_000
    p = {name: values[:, 0] for name, values in sample([SIMCLR], np.arange(n), 0, 0).items()}
    means = {"flip": 0.5, "grey": 0.2, "solarise": 0.3}
    jittered, blurred = p["order"][:, 0] >= 0, p["sigma"] > 0
    for values, mean in [(p[name], mean) for name, mean in means.items()] + [(jittered, 0.8), (blurred, 0.5)]:
        assert abs(values.mean() - mean) < 5 * np.sqrt(mean * (1 - mean) / n)
    for values, low, high in [
        (p["area"], 0.08, 1),
        (p["log_ratio"], np.log(3 / 4), np.log(4 / 3)),
        (p["factor"][:, 0], 0.6, 1.4),
        (p["factor"][:, 1], 0.7, 1.3),
        (p["factor"][:, 2], 0.8, 1.2),
        (p["factor"][:, 3], -0.1, 0.1),
        (p["sigma"][blurred], 0.1, 2.0),
    ]:
        spread = (high - low) / np.sqrt(12)
        assert low <= values.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < values.max() <= high
        assert abs(values.mean() - (low + high) / 2) < 5 * spread / np.sqrt(values.size)
        assert abs(values.std() - spread) < 0.02 * spread
    orders, counts = np.unique(p["order"][jittered], axis=0, return_counts=True)
    assert sorted(map(tuple, orders)) == sorted(permutations(range(4)))
    np.testing.assert_allclose(counts, jittered.sum() / 24, rtol=0.15)
    np.testing.assert_allclose(np.bincount(p["turn"]), n / 4, rtol=0.05)


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.floats(0.01, 1), st.integers(0, 99))
def test_crops_are_torchvisions(height, width, least, seed):
    augment = Augment(crop=(least, 1.0), ratio=(0.5, 1.5))
    params = sample([augment], np.arange(8), 0, seed)
    found = boxes(augment, params, 0, np.tile([height, width], (8, 1)), 16)
    for b in range(8):
        draws = {name: values[b, 0] for name, values in params.items()}
        assert tuple(found[b, [layout.TOP, layout.LEFT, layout.HEIGHT, layout.WIDTH]]) == crop_of(
            height, width, draws, augment.ratio
        )


def test_every_place_of_a_crop_is_as_likely():
    augment = Augment(crop=(0.25, 0.25), ratio=(1.0, 1.0))
    box = boxes(augment, sample([augment], np.arange(20_000), 0, 0), 0, np.full((20_000, 2), 8), 8)
    assert set(box[:, layout.HEIGHT]) == {4}
    for edge in (layout.TOP, layout.LEFT):
        np.testing.assert_allclose(np.bincount(box[:, edge], minlength=5), 4000, rtol=0.08)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"crop": (0.0, 1.0)}, "crop"), ({"crop": (0.5, 0.2)}, "crop"), ({"crop": (0.5, 1.2)}, "crop"),
        ({"ratio": (0.0, 1.0)}, "ratio"), ({"flip": 1.5}, "flip"), ({"jitter": (0.4, 0.4, 0.4, 0.6)}, "jitter"),
        ({"jitter": (0.4, 0.4, -0.1, 0.1)}, "jitter"), ({"jitter_p": -0.1}, "jitter_p"), ({"grey": 2.0}, "grey"),
        ({"blur": float("nan")}, "blur"), ({"blur_sigma": (0.0, 1.0)}, "blur_sigma"), ({"solarise": -1.0}, "solarise"),
        ({"turns": ()}, "turns"), ({"turns": (0, 4)}, "turns"), ({"size": 0}, "size"), ({"draw": -1}, "draw"),
    ],
)  # fmt: skip
def test_a_value_out_of_range_is_named(wrong, says):
    with pytest.raises(UserError, match=f"a view's {says} must be .*, not "):
        Augment(**wrong)
