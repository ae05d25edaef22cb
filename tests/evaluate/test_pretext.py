from __future__ import annotations

import numpy as np
import pytest
import torch
from evaluate.stand_ins import Jittered, Pictures, Pull, Small
from training import state

from selftaught.errors import UserError
from selftaught.evaluate import pretext


def test_it_is_the_mean_of_forward_in_eval_mode_and_changes_nothing() -> None:
    torch.manual_seed(0)
    method, source = Pull(Small(), True).train(), Pictures(70)
    before, random = state(method), torch.get_rng_state()
    found = pretext(method, source, batch_size=32)
    assert method.training
    assert method.encoder.body[3].training
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, state(method)[key]) for key, value in before.items())
    method.eval()
    losses = []
    for begin in (0, 32):  # the last 6 samples make a smaller, easier batch
        index = np.arange(begin, begin + 32)
        batch = Jittered().apply(source.fetch(index), Jittered().sample(index, 0, 0), torch.device("cpu"))
        with torch.no_grad():
            losses.append(float(method(**batch)["loss"]))
    assert found["loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert set(found) == {"loss", "accuracy", "chance"}
    assert found["chance"] == pytest.approx(1 / 32)
    assert 0 <= found["accuracy"] <= 1
    assert pretext(method, source, batch_size=32) == found
    assert pretext(method, source, batch_size=32, epochs=(1,)) != found


def test_small_data_make_small_batches_and_empty_data_an_error() -> None:
    method = Pull(Small(), True)
    assert pretext(method, Pictures(5))["chance"] == pytest.approx(1 / 5)
    assert pretext(method, Pictures(50), limit=10)["chance"] == pytest.approx(1 / 10)
    with pytest.raises(UserError, match="no samples"):
        pretext(method, Pictures(0))


def test_a_method_without_a_loss_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pull, "gradient", "it counts")
    with pytest.raises(UserError, match="it counts"):
        pretext(Pull(Small(), True), Pictures(5))
