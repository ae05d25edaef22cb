"""Texts as two arrays, and back."""

from __future__ import annotations

import numpy as np
import pytest

from selftaught.parts.texts import joined, parted


@pytest.mark.parametrize("texts", [[], ["a"], ["", "é", "", "中文", "\ud83d", "a\0b"]])
def test_texts_come_back(texts: list[str]) -> None:
    assert parted(*joined(texts)) == texts


@pytest.mark.parametrize("ends", [[1, 5], [3, 2, 4], [-1, 4], [2]])
def test_ends_that_do_not_fit(ends: list[int]) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        parted(np.frombuffer(b"abcd", np.uint8), np.array(ends))
