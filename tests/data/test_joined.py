"""Sources one after another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import pytest

from selftaught.data.joined import Joined
from selftaught.source import Source


@final
class Told(Source):
    """Two samples with some traits."""

    def __init__(self, **traits: Any) -> None:
        self.traits: Mapping[str, Any] = traits

    def __len__(self) -> int:
        return 2

    def fetch(self, index: np.ndarray) -> dict[str, Any]:
        return {"image": np.zeros((len(index), 1, 1, 1), np.uint8), "index": index}


@pytest.mark.parametrize("turned", [False, True])
def test_traits_are_those_that_no_part_contradicts(turned: bool) -> None:
    parts = [Told(channels=3, size=(8, 8), reading={"range": "0..4095"}), Told(channels=3, size=(9, 9))]
    assert Joined(parts[::-1] if turned else parts).traits == {"channels": 3, "reading": {"range": "0..4095"}}
