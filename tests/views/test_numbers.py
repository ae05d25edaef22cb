from __future__ import annotations

import numpy as np
import torch

from selftaught.data.audio import toy
from selftaught.views.audio import OneTake, Take
from selftaught.views.numbers import Numbers


def test_numbers_depend_on_the_sample_the_epoch_the_seed_and_the_name() -> None:
    source, inner = toy.source(6), OneTake(toy.seen(), Take(gain=3.0))
    views = Numbers(inner, one=(3,), two=(4, 50))

    def seen(index: list[int], epoch: int = 0, seed: int = 0) -> dict[str, torch.Tensor]:
        rows = np.array(index)
        return views.apply(source.fetch(rows), views.sample(rows, epoch, seed), torch.device("cpu"))

    batch = seen([0, 1, 2, 3])
    plain = inner.apply(source.fetch(np.arange(4)), inner.sample(np.arange(4), 0, 0), torch.device("cpu"))
    assert set(batch) == {*plain, "one", "two"} and all(torch.equal(batch[key], plain[key]) for key in plain)
    assert batch["one"].shape == (4, 3) and batch["two"].shape == (4, 4, 50) and batch["two"].dtype == torch.float32
    assert 0 <= batch["two"].min() < 0.02 and 0.98 < batch["two"].max() < 1
    assert not torch.equal(batch["one"], batch["two"].flatten(1)[:, :3])
    again = seen([3, 1])
    assert torch.equal(again["two"], batch["two"][[3, 1]])  # whatever else is in the batch
    for other in (seen([0, 1, 2, 3], 1), seen([0, 1, 2, 3], 0, 1)):
        assert not torch.equal(other["two"], batch["two"])
    assert views.bind(source) is source and views.unused() == {}
