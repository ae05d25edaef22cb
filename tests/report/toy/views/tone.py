"""Views of a kind that selftaught does not know: tones, float32 [T] each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from selftaught.method import Views
from selftaught.parts.shown import Sounds

RAW = "the waves themselves"


class Tones(Views):
    """Each tone, and how loud it is."""

    def sample(self, index: np.ndarray, epoch: int, seed: int) -> dict[str, Any]:
        return {}

    def apply(self, raw: dict[str, Any], params: dict[str, Any], device: torch.device) -> dict[str, Any]:
        tone = torch.from_numpy(np.stack(raw["tone"]))
        views = {"tone": tone, "softer": [tone / 2, tone / 4], "part": tone[:3]}
        return {**views, "loudness": tone.abs().mean(), "index": raw["index"]}


class Plain(Tones):
    """The tones alone."""

    def apply(self, raw: dict[str, Any], params: dict[str, Any], device: torch.device) -> dict[str, Any]:
        return {"tone": torch.from_numpy(np.stack(raw["tone"])), "index": raw["index"]}


def plain(input: Mapping[str, Any]) -> Views:
    return Plain()


def raw(input: Mapping[str, Any]) -> Views:
    return Plain()


def show(name: str, values: Any, input: Mapping[str, Any]) -> Sounds:
    return Sounds(name, [np.asarray(wave) for wave in values], input["rate"])
