"""Files of sound that the tests write themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sounds import tone

soundfile = pytest.importorskip("soundfile")
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a wave below the folder of the test; returns its path."""

    def one(name: str, wave: Any = None, rate: int = 8000, subtype: str | None = None, **form: Any) -> Path:
        path = tmp_path / "sounds" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, tone(rate=rate, **form) if wave is None else wave, rate, subtype)
        return path

    return one
