"""The detector: which layers it takes, what it trains, its losses, what it finds, and that it learns."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import untouched
from torch.nn import functional as F

from selftaught import encoders, steps
from selftaught.errors import UserError
from selftaught.evaluate.detection.detector import PRIOR, Detector, Said, focal, losses, taken
from selftaught.evaluate.detection.targets import LEFT_OUT, NOTHING, Targets
from selftaught.evaluate.detection.views import SEEN, BoxedViews
from selftaught.meter import Meter
from selftaught.method import Clock, Encoder, Index, Raw, Source
from selftaught.recipe import Recipe

INPUT = {"kind": "image", "size": 32, "channels": 3, "mean": [0.4] * 3, "std": [0.25] * 3}
CANVAS = (64, 96)


class Squares(Source):
    """Pictures with bright squares (class 0) and dark ones (class 1) on grey noise."""

    samples = "images"
    classes = ("bright", "dark")

    def __init__(self, n: int = 16, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.images, self.boxes, self.said = [], [], []
        for _ in range(n):
            image = rng.integers(90, 130, (*CANVAS, 3)).astype(np.uint8)
            boxes, said = [], []
            for column in range(2):
                side = int(rng.integers(14, 30))
                left, top = column * 48 + int(rng.integers(0, 48 - side)), int(rng.integers(0, 64 - side))
                label = int(rng.integers(2))
                image[top : top + side, left : left + side] = (240, 15)[label]
                boxes.append([left, top, left + side, top + side])
                said.append(label)
            self.images.append(image)
            self.boxes.append(np.array(boxes, np.float32))
            self.said.append(np.array(said))

    def __len__(self) -> int:
        return len(self.images)

    def fetch(self, index: Index) -> Raw:
        return {
            "image": [self.images[i] for i in index], "boxes": [self.boxes[i] for i in index],
            "class": [self.said[i] for i in index], "ignored": [np.zeros(2, bool)] * len(index), "index": index,
        }  # fmt: skip


def encoder(name: str = "conv", **arguments: Any) -> Encoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return encoders.build(name, INPUT, **arguments or {"width": 8, "depth": 3})


def detector(**arguments: Any) -> Detector:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return Detector(encoder(), 2, CANVAS, **{"width": 16, "depth": 1, "zoom": 0.0} | arguments)


def trained(method: Detector, count: int, lr: float = 5e-3) -> Detector:
    source = Squares()
    stepper = steps.find("descent")(method.train(), source, Recipe(batch_size=8, lr=lr), torch.device("cpu"))
    clock = Clock(0, count)
    while clock.step < count:
        number, batches = stepper.epoch(clock)
        for _ in range(number):
            stepper.step(clock, Meter(), batches)
            clock.step += 1
        clock.epoch += 1
    stepper.close()
    return method.eval()


def batch(method: Detector, views: BoxedViews | None = None) -> dict[str, torch.Tensor]:
    source, views = Squares(), views or BoxedViews(INPUT, CANVAS)
    index = np.arange(4)
    return views.apply(source.fetch(index), views.sample(index, 0, 0), torch.device("cpu"))


def test_levels_are_the_last_layers_of_each_resolution() -> None:
    shapes = [(8, 32, 48), (8, 32, 48), (16, 16, 24), (32, 8, 12), (32, 8, 12), (64, 4, 6)]
    assert taken(shapes, CANVAS, 3, 8) == [4, 5]
    assert taken(shapes, CANVAS, 1, 4) == [2]
    assert taken(shapes, CANVAS, 3, 1) == [1, 2, 4]
    assert taken(shapes, CANVAS, 2, 64) == [5]  # none is that coarse: the coarsest
    with pytest.raises(UserError, match="no layers with rows and columns"):
        taken([(0, 0, 0)], CANVAS, 1, 8)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("conv", {"width": 4, "depth": 2}),
        ("vit", {"width": 12, "depth": 2, "heads": 2}),
        ("resnet18", {}),
    ],
)
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_any_encoder_with_rows_and_columns_is_a_body(name: str, arguments: dict[str, Any], levels: int) -> None:
    body = encoder(name, **arguments) if arguments else encoders.build(name, INPUT)
    method = Detector(body, 2, CANVAS, levels=levels, width=8, depth=1).eval()
    said = method.say(torch.zeros(1, 3, *CANVAS))
    count = len(method.grid.points)
    assert said.classes.shape == (1, count, 2) and said.distances.shape == (1, count, 4)
    assert said.centreness.shape == (1, count)
    assert len(method.grid.stride.unique()) == levels


def test_before_training_every_object_is_rare() -> None:
    said = detector().eval().say(torch.zeros(1, 3, *CANVAS))
    assert said.classes.sigmoid().mean().item() == pytest.approx(PRIOR, rel=0.2)


def test_frozen_trains_the_heads_alone() -> None:
    method = detector(frozen=True)
    before = {name: value.clone() for name, value in method.state_dict().items()}
    trained(method, 3)
    after = method.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert not [name for name in changed if name.startswith("encoder.")]  # nor batch norm's running statistics
    assert {
        "pyramid.laterals.0.weight",
        "heads.classes.weight",
        "heads.scales",
        "pyramid.norms.0.running_mean",
    } <= changed


def test_the_encoder_of_the_caller_is_not_frozen() -> None:
    given = detector().encoder.train()
    before = untouched.told(given)
    method = Detector(given, 2, CANVAS, frozen=True)
    method.train()
    assert untouched.told(given) == before and method.encoder is not given


def test_tuned_trains_all_weights_and_the_trunk_at_its_rate() -> None:
    whole, slow = detector(), detector(trunk=0.1)
    start = whole.encoder.state_dict()["blocks.0.0.weight"].clone()
    moved = [
        (trained(method, 2).encoder.state_dict()["blocks.0.0.weight"] - start).abs().mean().item()
        for method in (whole, slow)
    ]
    assert moved[0] > 5 * moved[1] > 0
    assert [group.get("lr_scale", 1.0) for group in slow.players()[0].groups] == [0.1, 1.0]


def test_the_losses_have_their_closed_forms() -> None:
    generator = torch.Generator().manual_seed(0)
    said = Said(
        torch.randn(2, 5, 3, generator=generator), torch.rand(2, 5, 4, generator=generator) + 1,
        torch.randn(2, 5, generator=generator),
    )  # fmt: skip
    classes = torch.tensor([[0, NOTHING, 2, LEFT_OUT, NOTHING], [1, 1, NOTHING, NOTHING, LEFT_OUT]])
    centre = torch.rand(2, 5, generator=generator) * (classes >= 0)
    wanted = Targets(classes, torch.rand(2, 5, 4, generator=generator) + 1, centre)
    found = losses(said, wanted)
    total = box = weight = bce = 0.0
    for b in range(2):
        for p in range(5):
            label = int(classes[b, p])
            if label == LEFT_OUT:
                continue
            for k in range(3):
                q = said.classes[b, p, k].sigmoid().item()
                right = q if k == label else 1 - q
                total -= (0.25 if k == label else 0.75) * (1 - right) ** 2 * math.log(right)
            if label >= 0:
                a, t = said.distances[b, p].tolist(), wanted.distances[b, p].tolist()
                both = (min(a[0], t[0]) + min(a[2], t[2])) * (min(a[1], t[1]) + min(a[3], t[3]))
                areas = sum((d[0] + d[2]) * (d[1] + d[3]) for d in (a, t))
                c = centre[b, p].item()
                box -= c * math.log((both + 1) / (areas - both + 1))
                weight += c
                q = said.centreness[b, p].sigmoid().item()
                bce -= c * math.log(q) + (1 - c) * math.log(1 - q)
    assert found["class_loss"].item() == pytest.approx(total / 4, rel=1e-4)
    assert found["box_loss"].item() == pytest.approx(box / weight, rel=1e-4)
    assert found["centre_loss"].item() == pytest.approx(bce / 4, rel=1e-4)


def test_a_batch_without_objects_has_a_loss_and_gradients() -> None:
    said = Said(torch.zeros(1, 4, 2, requires_grad=True), torch.ones(1, 4, 4), torch.zeros(1, 4))
    nothing = Targets(torch.full((1, 4), NOTHING), torch.ones(1, 4, 4), torch.zeros(1, 4))
    found = losses(said, nothing)
    assert found["class_loss"].item() == pytest.approx(8 * 0.75 * 0.25 * math.log(2), rel=1e-5)
    assert found["box_loss"] == 0 and found["centre_loss"] == 0


def test_the_focal_loss_is_cross_entropy_where_nothing_is_easy() -> None:
    logits, target = torch.tensor([-20.0, 20.0]), torch.tensor([1.0, 0.0])
    assert focal(logits, target).item() == pytest.approx(20 * 0.25 + 20 * 0.75, rel=1e-4)
    assert focal(-logits, target) < 1e-12
    assert F.binary_cross_entropy_with_logits(logits, target).item() == pytest.approx(20, rel=1e-4)


def test_it_finds_squares_after_a_short_training_and_not_before() -> None:
    def right(method: Detector) -> int:
        source, count = Squares(8, seed=9), 0
        index = np.arange(8)
        views = BoxedViews(INPUT, CANVAS)
        shown = views.apply(source.fetch(index), views.sample(index, 0, 0), torch.device("cpu"))
        for picture, found in enumerate(method.eval().find(shown["image"])):
            for box, label in zip(source.boxes[picture], source.said[picture], strict=True):
                mine = found.boxes[(found.classes == int(label)) & (found.scores > 0.3)]
                count += bool(((mine - torch.from_numpy(box)).abs().amax(1) < 4).any())
        return count

    assert right(detector()) == 0
    assert right(trained(detector(), 120)) >= 12  # of 16


def test_what_is_found_is_sorted_inside_the_canvas_and_above_the_least_score() -> None:
    method = trained(detector(), 40)
    for found in method.find(batch(method)["image"]):
        assert torch.equal(found.scores, found.scores.sort(descending=True).values)
        assert found.boxes.min() >= 0 and bool((found.boxes <= torch.tensor([96.0, 64.0] * 2)).all())
        assert len(found.scores) == 0 or found.scores.min() > 0.05


def test_mirroring_turns_pictures_and_boxes() -> None:
    source, index = Squares(4), np.arange(4)
    plain, turned = BoxedViews(INPUT, CANVAS), BoxedViews(INPUT, CANVAS, flip=1.0)
    a, b = (v.apply(source.fetch(index), v.sample(index, 0, 0), torch.device("cpu")) for v in (plain, turned))
    assert torch.equal(a["image"].flip(3), b["image"])
    assert torch.equal(b["boxes"][..., [0, 2]], 96 - a["boxes"][..., [2, 0]])
    assert source.boxes[0].tolist() == a["boxes"][0].tolist()  # the source's own boxes stay as they are
    assert a["image"].mean(dim=(0, 2, 3)).abs().max() < 1  # normalised


def test_zooming_moves_the_boxes_with_what_they_show() -> None:
    source, index = Squares(4), np.arange(4)
    views = BoxedViews(INPUT, CANVAS, zoom=0.5)
    shown = views.apply(source.fetch(index), views.sample(index, 3, 1), torch.device("cpu"))
    again = views.apply(source.fetch(index), views.sample(index, 3, 1), torch.device("cpu"))
    assert all(torch.equal(shown[name], again[name]) for name in shown)
    checked = 0
    for picture in range(4):
        for (left, top, right, bottom), label in zip(
            shown["boxes"][picture].round().int().tolist(), shown["classes"][picture].tolist(), strict=True
        ):
            if label >= 0:
                inner = shown["image"][picture][:, top + 2 : bottom - 2, left + 2 : right - 2]
                assert (inner > 1).all() if label == 0 else (inner < -1).all()
                checked += 1
    assert checked >= 4
    factors = views.sample(np.arange(500), 0, 0)["zoom"]
    assert 1 / 1.5 <= factors.min() < 0.7 and 1.4 < factors.max() <= 1.5


def test_a_box_that_is_hardly_seen_is_no_target() -> None:
    inside, kept = BoxedViews(INPUT, CANVAS)._cut(np.array([[-90, 0, 10, 10], [-2, 0, 10, 10]], np.float32))
    assert kept.tolist() == [False, True] and inside[1].tolist() == [0, 0, 10, 10]
    assert 10 / 100 < SEEN < 10 / 12


def test_pictures_without_boxes_are_negatives() -> None:
    views, index = BoxedViews(INPUT, CANVAS), np.arange(2)
    raw = {"image": [np.zeros((64, 96, 3), np.uint8)] * 2, "index": index}
    shown = views.apply(raw, views.sample(index, 0, 0), torch.device("cpu"))
    assert shown["classes"].tolist() == [[-1], [-1]]
    outputs = detector()(**{k: v for k, v in shown.items() if k != "index"})
    assert torch.isfinite(outputs["loss"]) and outputs["box_loss"] == 0
