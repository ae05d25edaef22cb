from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import sobel

from selftaught import encoders
from selftaught.encoders.sobel import of
from selftaught.errors import UserError

INPUT: dict[str, Any] = {"kind": "image", "size": 12, "channels": 3, "mean": [0.5] * 3, "std": [0.2] * 3}


def test_the_gradients_are_sobels() -> None:
    x = torch.randn(2, 3, 12, 12)
    edges = encoders.build("sobel", INPUT, arguments='{"width": 4}').edges(x)
    grey = x.mean(1).numpy()
    for image, found in zip(grey, edges, strict=True):
        np.testing.assert_allclose(found[0], -sobel(image, 1, mode="nearest"), atol=1e-5)
        np.testing.assert_allclose(found[1], -sobel(image, 0, mode="nearest"), atol=1e-5)


def test_colour_and_brightness_are_not_seen_and_edges_are() -> None:
    encoder = encoders.build("sobel", INPUT, arguments='{"width": 4}').eval()
    x = torch.randn(2, 3, 12, 12)
    tinted = x + torch.tensor([0.5, -1.0, 2.0]).view(3, 1, 1)
    assert torch.allclose(encoder(x), encoder(tinted), atol=1e-4)
    assert not torch.allclose(encoder(x), encoder(x.flip(3)), atol=1e-2)
    assert [f.shape[1] for f in encoder.layers(x)] == [4, 8, 16] and encoder.local(x).shape == (2, 16, 2, 2)


def test_it_takes_over_the_weights_that_fit() -> None:
    plain = encoders.build("conv", INPUT, width=4, depth=2)
    made = of(plain)
    assert of(made) is made and made.dim == plain.dim
    theirs, own = plain.state_dict(), made.network.state_dict()
    same = {name for name in own if own[name].shape == theirs[name].shape and torch.equal(own[name], theirs[name])}
    assert set(own) - same == {"blocks.0.0.weight"}
    again = encoders.build(**made.spec)
    again.load_state_dict(made.state_dict())
    x = torch.randn(2, 3, 12, 12)
    assert torch.equal(again.eval()(x), made.eval()(x))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"network": "sobel"}, "cannot be sobel itself"), ({"arguments": "[1]"}, "must be a JSON object")],
)
def test_what_cannot_be_built_is_said(arguments: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        encoders.build("sobel", INPUT, **arguments)
