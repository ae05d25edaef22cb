from __future__ import annotations

from typing import Any

import pytest
import torch

from selftaught import encoders
from selftaught.data.agent import toy
from selftaught.errors import UserError

OTHERS: dict[str, Any] = {"width": 5, "depth": 3, "stride": 2, "features": 7}


def made(**arguments: Any) -> Any:
    torch.manual_seed(0)
    return encoders.build("grid", toy.seen(), **{"width": 4, "features": 6, **arguments})


def test_shapes() -> None:
    x = torch.rand(3, 2, 5, 5)
    for stride, side in ((1, 5), (2, 2)):
        encoder = made(depth=2, stride=stride)
        first, second, features = encoder.layers(x)
        assert second.shape == (3, 4, side, side) and encoder.local(x).equal(second) and len(first) == 3
        assert encoder(x).equal(features) and features.shape == (3, encoder.dim) == (3, 6)


def test_observations_know_nothing_of_each_other() -> None:
    x = torch.rand(4, 2, 5, 5)
    assert torch.allclose(made()(x)[:1], made()(x[:1]), atol=1e-6)


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(argument: str) -> None:
    assert list(OTHERS) == [one.name for one in encoders.arguments("grid")]
    x = torch.rand(2, 2, 5, 5, generator=torch.Generator().manual_seed(0))
    assert made(**{argument: OTHERS[argument]})(x).tolist() != made()(x).tolist()
    with pytest.raises(UserError, match="width, depth, stride and features of encoder grid must be at least 1"):
        made(**{argument: 0})
