from __future__ import annotations

from typing import Any, final

import numpy as np
import pytest
import torch
from evaluate.stand_ins import Jittered, Pictures, Pull, Small
from torch import Tensor, nn
from training import state

from selftaught.evaluate import classifier
from selftaught.method import Method, Outputs
from selftaught.views.image import plain


@final
class Names(Method):
    """Names classes, and has dropout in its encoder, which must be off when it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.views, self.head = Small(), Jittered(), nn.Linear(24, 4)

    def forward(self, **_: Any) -> Outputs:  # type: ignore[override]
        raise AssertionError("the classifier is asked, not the pretext")

    def classify(self, image: Tensor) -> Tensor:
        return self.head(self.encoder(image))


def test_it_is_the_part_of_plain_test_pictures_that_are_named_right_and_changes_nothing() -> None:
    torch.manual_seed(0)
    method, train, test = Names().train(), Pictures(40), Pictures(70, seed=1)
    before, random = state(method), torch.get_rng_state()
    found = classifier(method, train, test, batch_size=16)
    assert method.training and torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, state(method)[key]) for key, value in before.items())
    method.eval()
    right = 0
    views = plain(method.encoder.spec["input"])
    for i in range(70):
        index = np.array([i])
        batch = views.apply(test.fetch(index), views.sample(index, 0, 0), torch.device("cpu"))
        right += int(method.classify(batch["image"]).argmax() == test.labels[i])
    assert found == pytest.approx(100 * right / 70)


def test_only_new_labelled_samples_are_asked_about() -> None:
    torch.manual_seed(0)
    method, test = Names(), Pictures(30, seed=1)
    whole = test.shown.copy()
    test.shown = np.where(np.arange(30) < 10, whole, -1)
    few = Pictures(30, seed=1)
    few.images, few.shown = few.images[:10], whole[:10]
    assert classifier(method, Pictures(20), test) == classifier(method, Pictures(20), few)
    assert classifier(method, few, few) is None  # all of it occurs in training


def test_a_method_that_names_nothing_is_not_asked() -> None:
    assert classifier(Pull(Small(), True), Pictures(20), Pictures(20, seed=1)) is None
