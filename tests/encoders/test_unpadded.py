from __future__ import annotations

from typing import Any

import pytest
import torch

from selftaught import encoders
from selftaught.errors import UserError

OTHERS: dict[str, Any] = {"width": 3, "depth": 0, "features": 9, "norm": "layer"}


def input_of(size: int) -> dict[str, Any]:
    return {"kind": "image", "size": size, "channels": 1, "mean": [0.5], "std": [0.25]}


@pytest.mark.parametrize(
    ("size", "sides"),
    [
        (12, [5, 3, 1]),
        (16, [7, 5, 1]),
        (28, [13, 6, 4, 1]),
        (32, [15, 7, 5, 1]),
        (64, [31, 15, 7, 5, 1]),
        (96, [47, 23, 11, 5, 3, 1]),
    ],
)
def test_the_maps_shrink_to_one_position(size: int, sides: list[int]) -> None:
    encoder = encoders.build("unpadded", input_of(size), width=2, features=8)
    assert [f.shape[2] for f in encoder.layers(torch.randn(2, 1, size, size))] == sides
    assert encoder(torch.randn(2, 1, size, size)).shape == (2, encoder.dim) == (2, 8)


def test_every_position_sees_the_square_that_is_promised_and_no_more() -> None:
    torch.manual_seed(0)
    encoder = encoders.build("unpadded", input_of(32), width=4, features=8, norm="none")
    x = torch.randn(1, 1, 32, 32, requires_grad=True)
    for features, (sees, stride) in zip(encoder.layers(x), [(4, 2), (8, 4), (16, 4), (32, 1)], strict=True):
        for row, column in {(0, 0), (features.shape[2] - 1, 0), (features.shape[2] // 2, features.shape[2] - 1)}:
            (grad,) = torch.autograd.grad(features[0, :, row, column].pow(2).sum(), x, retain_graph=True)
            seen = torch.nonzero(grad[0, 0])
            assert seen.amin(0).tolist() == [stride * row, stride * column]
            assert seen.amax(0).tolist() == [stride * row + sees - 1, stride * column + sees - 1]


def test_nothing_is_padded_so_a_shifted_image_gives_shifted_features() -> None:
    torch.manual_seed(0)
    encoder = encoders.build("unpadded", input_of(32), width=4, features=8).eval()
    x = torch.randn(1, 1, 36, 36)
    before, after = (encoder.layers(x[:, :, i : i + 32, i : i + 32])[:3] for i in (0, 4))
    for a, b, shift in zip(before, after, (2, 1, 1), strict=True):
        assert torch.allclose(a[:, :, shift:, shift:], b[:, :, :-shift, :-shift], atol=1e-5)


@pytest.mark.parametrize("argument", list(OTHERS))
def test_every_argument_matters_and_the_spec_builds_the_encoder_again(argument: str) -> None:
    found = []
    for others in ({}, {argument: OTHERS[argument]}):
        torch.manual_seed(0)
        encoder = encoders.build("unpadded", input_of(16), **({"width": 2, "features": 8} | others)).eval()
        x = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(1))
        found.append(encoder(x).tolist())
        twin = encoders.build(**encoder.spec).eval()
        twin.load_state_dict(encoder.state_dict())
        assert twin.spec == encoder.spec and twin(x).tolist() == found[-1]
        assert torch.equal(encoder.layers(x)[-1], encoder.local(x))
    assert found[0] != found[1]
    assert [a.name for a in encoders.arguments("unpadded")] == list(OTHERS)


def test_images_of_another_size_are_resized() -> None:
    encoder = encoders.build("unpadded", input_of(16), width=2, features=8).eval()
    assert encoder(torch.randn(3, 1, 24, 24)).shape == (3, 8)


def test_bad_values_are_refused() -> None:
    with pytest.raises(UserError, match="images of at least 12 pixels, not 11"):
        encoders.build("unpadded", input_of(11))
    with pytest.raises(UserError, match="width and features of at least 1 and depth of at least 0, not 0, 1024 and 1"):
        encoders.build("unpadded", input_of(16), width=0)
