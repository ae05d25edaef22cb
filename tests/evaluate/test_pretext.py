from __future__ import annotations

from typing import final

import numpy as np
import pytest
import torch
from evaluate.stand_ins import Jittered, Pictures, Pull, Small
from training import state

from selftaught.errors import UserError
from selftaught.evaluate import pretext, retrieval
from selftaught.method import Batch, Index, Params, Raw, Views


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


@final
class Pairs(Views):
    """The noisy copies as "first" and "second"."""

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        return Jittered().sample(index, epoch, seed)

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        first, second = Jittered().apply(raw, params, device)["views"]
        return {"first": first, "second": second}


def test_the_other_view_is_found_among_all_samples() -> None:
    torch.manual_seed(0)
    encoder, source = Small().train(), Pictures(300, classes=300)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    found = retrieval(encoder, source, Pairs())
    assert encoder.training and all(torch.equal(before[name], x) for name, x in encoder.state_dict().items())
    index, hits = np.arange(300), 0
    batch = Pairs().apply(source.fetch(index), Pairs().sample(index, 0, 0), torch.device("cpu"))
    with torch.no_grad():
        a, b = (encoder.eval()(batch[name]) for name in ("first", "second"))
    a, b = a - a.mean(0), b - b.mean(0)
    for i in range(300):
        cosines = [float(a[i] @ row / (a[i].norm() * row.norm())) for row in b]
        hits += max(range(300), key=cosines.__getitem__) == i
    assert found == {"accuracy": pytest.approx(hits / 300), "chance": pytest.approx(1 / 300)}
    assert 0.1 < found["accuracy"] < 1
    assert retrieval(encoder, source, Pairs(), limit=40)["chance"] == pytest.approx(1 / 40)


def test_features_that_are_all_alike_find_nothing_and_empty_data_is_an_error() -> None:
    encoder = Small()
    torch.nn.init.zeros_(encoder.out.weight)
    assert retrieval(encoder, Pictures(50), Pairs())["accuracy"] == 0
    with pytest.raises(UserError, match="no samples"):
        retrieval(encoder, Pictures(0), Pairs())
