from __future__ import annotations

import math

import pytest
import torch

from selftaught.meter import Meter

CPU = torch.device("cpu")


def test_beside_the_accuracy_stands_that_of_the_first_batch() -> None:
    meter = Meter()
    for accuracy in (0.1, 0.3, 0.8):
        meter.add({"loss": 1.0, "accuracy": torch.tensor(accuracy), "keys": torch.ones(3)})
    assert meter.means(CPU) == pytest.approx({"loss": 1.0, "accuracy": 0.4, "accuracy_untrained": 0.1})
    meter.add({"loss": 2.0, "accuracy": 0.9})
    assert meter.means(CPU) == pytest.approx({"loss": 2.0, "accuracy": 0.9, "accuracy_untrained": 0.1})


def test_it_survives_a_checkpoint_and_is_not_made_up_after_an_old_one() -> None:
    meter, resumed, old = Meter(), Meter(), Meter()
    meter.add({"loss": 1.0, "accuracy": 0.1})
    resumed.restore(meter.state())
    old.restore({key: value for key, value in meter.state().items() if key != "first"})
    for other in (meter, resumed, old):
        other.add({"loss": 3.0, "accuracy": 0.5})
    assert (
        meter.means(CPU)
        == resumed.means(CPU)
        == pytest.approx({"loss": 2.0, "accuracy": 0.3, "accuracy_untrained": 0.1})
    )
    assert "accuracy_untrained" not in old.means(CPU)


def test_methods_without_right_answers_have_none() -> None:
    meter = Meter()
    meter.add({"loss": 1.0})
    meter.add({"loss": 1.0})
    assert meter.means(CPU) == {"loss": 1.0} and not math.isinf(meter.loss)
