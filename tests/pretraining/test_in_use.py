"""What a user asked for and the built method does not have is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from selftaught import encoders
from selftaught.config import Config, Layer, resolve
from selftaught.data.image.toy import Blobs, seen
from selftaught.errors import UserError
from selftaught.pretraining.build import build
from selftaught.pretraining.weights import inherited

COLOUR = Blobs(32, channels=3)


def asked(*layers: Layer, **sections: Any) -> Config:
    return resolve(Layer.of({"data": {"source": "digits"}} | sections), *layers)


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"method": "amdim", "encoder": "resnet18"}, "amdim trains encoder unpadded instead of resnet18: remove --enc"),
        (
            {"method": "amdim", "encoder": {"depth": 2}},
            "encoder.depth has no effect, because amdim trains",
        ),
        ({"method": "cpc", "encoder": {"norm": "group"}}, "encoder.norm has no effect, .* with norm layer: remove it"),
        ({"method": "byol", "encoder": "vit", "recipe": {"batch_norm_groups": 2}}, None),
        (
            {"method": "moco", "encoder": {"norm": "none"}, "recipe": {"batch_norm_groups": 4}},
            "batch_norm_groups has no effect on moco with this encoder",
        ),
        ({"method": "amdim", "encoder": "conv"} | {"method": {"name": "amdim", "padded": True}}, None),
        ({"method": "amdim", "encoder": "unpadded"}, None),
        ({"method": "cpc", "encoder": {"width": 4}}, None),
        ({"method": "cmc", "encoder": {"name": "conv", "width": 4}}, None),
        ({"method": "moco", "encoder": {"norm": "none"}}, None),  # its recipe has groups, nobody asked for them
    ],
)
def test_what_a_method_loses_is_refused(sections: dict[str, Any], words: str | None) -> None:
    if words is None:
        build(asked(**sections), COLOUR)
    else:
        with pytest.raises(UserError, match=words):
            build(asked(**sections), COLOUR)


def test_weights_that_a_method_would_throw_away_are_refused(tmp_path) -> None:
    torch.manual_seed(5)
    file = tmp_path / "encoder.safetensors"
    file.write_bytes(encoders.save(encoders.build("conv", seen(channels=3), width=4)))
    layer = inherited(str(file))
    with pytest.raises(UserError, match="init has no effect, because amdim trains encoder unpadded instead of conv"):
        build(asked(layer, method="amdim", init=str(file)), COLOUR)
    for name in ("cpc", "cmc"):  # these take what fits
        started = build(asked(layer, method=name, init=str(file)), COLOUR)
        fresh = build(asked(layer, method=name), COLOUR)
        pairs = zip(started.encoder.state_dict().values(), fresh.encoder.state_dict().values(), strict=True)
        assert not all(np.array_equal(a, b) for a, b in pairs)
