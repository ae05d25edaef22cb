from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from selftaught import methods
from selftaught.errors import UserError
from selftaught.method import Raw
from selftaught.methods.pretext.exemplar import Exemplar
from selftaught.parts.exemplar import exemplar
from selftaught.source import Index, Source

LEARNS = {"shift": 0.05, "scale": 1.1, "turn": 5.0, "contrast": 1.2, "colour": 0.2, "part": 1.0}

OTHERS: dict[str, Any] = {
    "form": "triplet", "classes": 9, "copies": 3, "dim": 5, "part": 0.4, "shift": 0.4, "scale": 1.0, "turn": 0.0,
    "contrast": 1.0, "colour": 0.0, "flip": 1.0,
}  # fmt: skip


def make(bench: Any, n: int = 16, **arguments: Any) -> Exemplar:
    torch.manual_seed(0)
    method = Exemplar(bench.encoder(), **({"dim": 8} | arguments))
    method.prepare(method.views.bind(bench.Pictures(n)))
    return method


class Repeated(Source):
    """Pictures of which some are the same."""

    samples = "images"

    def __init__(self, of: np.ndarray) -> None:
        self.of = of

    def __len__(self) -> int:
        return len(self.of)

    def fetch(self, index: Index) -> Raw:
        images = np.broadcast_to(self.of[index].astype(np.uint8)[:, None, None, None], (len(index), 12, 12, 3))
        return {"image": np.ascontiguousarray(images), "index": np.asarray(index)}

    @property
    def labels(self) -> Any:
        return np.full(len(self.of), -1)


@pytest.mark.parametrize(("n", "classes", "kept"), [(16, 4000, 16), (16, 5, 5)])
def test_there_is_a_class_for_every_patch(bench: Any, n: int, classes: int, kept: int) -> None:
    method = make(bench, n, classes=classes)
    bound = method.views.bind(bench.Pictures(n))
    assert len(bound) == method.head.out_features == kept
    assert bound.fetch(np.arange(kept))["index"].tolist() == list(range(kept))
    assert len(make(bench, n, form="triplet").views.bind(bench.Pictures(n))) == n


def test_equal_images_are_one_class(bench: Any) -> None:
    method = Exemplar(bench.encoder())
    bound = method.views.bind(Repeated(np.array([3, 1, 3, 2, 1, 3])))
    assert bound.fetch(np.arange(3))["image"][:, 0, 0, 0].tolist() == [3, 1, 2] and len(bound) == 3
    with pytest.raises(UserError, match="at least two different"):
        method.prepare(method.views.bind(Repeated(np.zeros(5))))


def test_copies_of_a_patch_keep_its_class(bench: Any) -> None:
    method = make(bench, copies=3)
    batch = bench.batch(method)
    assert len(batch["views"]) == 3
    losses, right = [], []
    codes = method.embed(method.encoder(torch.stack(batch["views"], 1).flatten(0, 1)))
    logits = method.head(codes.relu())
    for i in range(16):
        for m in range(3):
            losses.append(-logits[3 * i + m].log_softmax(0)[i])
            right.append(logits[3 * i + m].argmax() == i)
    outputs = method(**batch)
    assert outputs["loss"].item() == pytest.approx(float(torch.stack(losses).mean().detach()), rel=1e-4)
    assert outputs["named"].item() == pytest.approx(float(torch.stack(right).float().mean()))
    first, second = codes[::3], codes[1::3]
    found = (F.normalize(first, dim=1) @ F.normalize(second, dim=1).T).argmax(1)
    assert outputs["accuracy"] == (found == torch.arange(16)).float().mean() and outputs["chance"] == 1 / 16


def test_the_head_is_a_softmax_over_a_bank_of_its_rows(bench: Any) -> None:
    """Instance discrimination's loss with the bank W, whose rows are as long as they are."""
    method = make(bench)
    batch = bench.batch(method)
    v = method.embed(method.encoder(torch.stack(batch["views"], 1).flatten(0, 1))).relu()
    scores = (v @ method.head.weight.T + method.head.bias).exp()
    own = batch["index"].repeat_interleave(2)
    probability = scores[torch.arange(32), own] / scores.sum(1)
    assert method(**batch)["loss"].item() == pytest.approx(float(-probability.log().mean().detach()), rel=1e-4)


def test_triplets_are_those_of_s4l(bench: Any) -> None:
    for arguments in ({"form": "triplet"}, {}):
        method = make(bench, **arguments)
        method.train("form" in arguments)  # held-out images have no class
        batch = bench.batch(method)
        z = F.normalize(method.embed(method.encoder(torch.stack(batch["views"], 1).flatten(0, 1))), dim=1)
        assert torch.allclose(method(**batch)["loss"], exemplar(z, 2)["loss"])
    assert make(bench, form="triplet").together == 2 and make(bench).together == 1


def test_without_transformations_the_task_is_to_memorise(bench: Any) -> None:
    still = {"shift": 0.0, "scale": 1.0, "turn": 0.0, "contrast": 1.0, "colour": 0.0}
    method = make(bench, dim=32, **still)
    optimizer = torch.optim.Adam(method.parameters(), lr=1e-2)
    batch = bench.batch(method)
    assert torch.equal(batch["views"][0], batch["views"][1])
    for _ in range(60):
        outputs = method(**batch)
        optimizer.zero_grad()
        outputs["loss"].backward()
        optimizer.step()
    assert outputs["named"] == 1


def test_the_components_of_colour_are_those_of_the_data(bench: Any) -> None:
    pixels = bench.Pictures(16).images.reshape(-1, 3) / 255
    found = make(bench).views.warped.components
    wanted = np.linalg.eigh(np.cov(pixels.T))[1][:, ::-1]
    np.testing.assert_allclose(abs(found), abs(wanted), atol=1e-4)


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(bench: Any, argument: str) -> None:
    assert list(OTHERS) == [a.name for a in methods.describe("exemplar").arguments]
    method, other = make(bench), make(bench, **{argument: OTHERS[argument]})
    if argument == "classes":
        assert other.head.out_features == 9
        return
    assert bench.fingerprint(other) != bench.fingerprint(method)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"form": "bank"}, "form of exemplar must be one of classes, triplet, not 'bank'"),
        ({"classes": 1}, "classes and copies of exemplar must be at least 2"),
        ({"copies": 1}, "classes and copies of exemplar must be at least 2"),
        ({"dim": 0}, "dim at least 1"),
        ({"part": 0.0}, "a patch must be a part of the image"),
        ({"turn": -1.0}, "shift, turn and colour must be at least 0"),
    ],
)
def test_values_out_of_range(bench: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(bench, **arguments)


def test_shows_which_copy_was_found(bench: Any) -> None:
    method = make(bench).eval()
    batch = bench.batch(method, n=6)
    rows = method.show(**batch)
    one, other = (F.normalize(method.embed(method.encoder(v)), dim=1) for v in batch["views"])
    found = (one @ other.T).argmax(1).tolist()
    assert [row.name for row in rows] == ["copy 1", "copy 2", "found for copy 1"]
    assert rows[2].notes == ["right" if f == i else "wrong" for i, f in enumerate(found)]
    assert all(np.array_equal(rows[2].images[i], rows[1].images[f]) for i, f in enumerate(found))
