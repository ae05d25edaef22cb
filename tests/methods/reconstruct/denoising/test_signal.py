from __future__ import annotations

from typing import Any

import pytest
import torch

from selftaught import encoders, methods
from selftaught.contract.case import batch
from selftaught.data.signal import toy
from selftaught.errors import UserError
from selftaught.method import Clock
from selftaught.methods.reconstruct.denoising.signal import Denoising

VARIANTS = ({"noise": "gaussian", "level": 0.3},)
"""More arguments with which its gradients are checked."""

OTHERS: dict[str, Any] = {
    "noise": "gaussian",
    "level": 0.9,
    "span": 2,
    "alpha": 3.0,
    "beta": 0.0,
    "crop": 0.5,
}


def made(encoder: dict[str, Any] | None = None, uneven: bool = False, **arguments: Any) -> Denoising:
    torch.manual_seed(0)
    return Denoising(encoders.build("wave", toy.seen(uneven=uneven), **({"width": 6} | (encoder or {}))), **arguments)


def seen(method: Denoising, n: int = 6, uneven: bool = False) -> Any:
    return batch(method, toy.source(n, uneven=uneven), range(n))


@pytest.mark.parametrize("uneven", [False, True])
def test_equals_the_loop_over_coordinates(uneven: bool) -> None:
    method = made(uneven=uneven, alpha=2.0, beta=0.25).eval()
    views = seen(method, uneven=uneven)
    with torch.no_grad():
        z = method.rebuild(views["corrupt"], views["clean_mask"])
        found = method(clock=Clock(), **views)
    total = errors = 0.0
    for b in range(6):
        for t in range(z.shape[2]):
            if views["clean_mask"][b, t]:
                squared = float((z[b, 0, t] - views["clean"][b, 0, t]) ** 2)
                total += (2.0 if views["damage"][b, 0, t] else 0.25) * squared
                errors += squared * float(views["damage"][b, 0, t])
    assert found["loss"].item() == pytest.approx(total / 6, rel=1e-4)
    assert found["error"].item() == pytest.approx(errors / int(views["damage"].sum()), rel=1e-4)


FORMS = ({}, {"context": 5}, {"pad": False}, {"kernels": (6, 4), "strides": (3, 2)}, {"kernels": (5,), "strides": (5,)})


@pytest.mark.parametrize("encoder", FORMS, ids=str)
def test_the_decoder_mirrors_every_encoder(encoder: dict[str, Any]) -> None:
    method = made(encoder)
    for length in (43, 48):
        assert method.rebuild(torch.randn(2, 1, length), torch.ones(2, length) > 0).shape == (2, 1, length)


@pytest.mark.parametrize("pad", [True, False])
def test_a_code_is_decoded_where_it_was_read(pad: bool) -> None:
    method = made({"width": 16, "pad": pad}).eval()
    x = torch.randn(1, 1, 48, requires_grad=True)
    codes = method.encoder.encode(x)[-1]
    code = codes.detach().requires_grad_()
    lengths = [48, *method.encoder.counts(48)[:-1]]
    out = method.decoder(code, lengths)
    for position in range(codes.shape[2]):
        read = torch.autograd.grad(codes[0, :, position].sum(), x, retain_graph=True)[0][0, 0].nonzero().flatten()
        slopes = [
            torch.autograd.grad(out[0, 0, t], code, retain_graph=True)[0][0, :, position].abs().sum() for t in range(48)
        ]
        written = torch.stack(slopes).nonzero().flatten()
        assert read.tolist() == written.tolist()


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(argument: str) -> None:
    assert list(OTHERS) == [one.name for one in methods.describe("denoising", "signal").arguments]

    def fingerprint(**arguments: Any) -> float:
        method = made(**arguments)
        return float(method(clock=Clock(), **seen(method))["loss"].detach())

    assert fingerprint(**{argument: OTHERS[argument]}) != fingerprint()


def test_it_shows_curves_in_the_units_of_the_data() -> None:
    method = made()
    views = seen(method)
    rows = method.show(**views)
    assert [row.name for row in rows] == ["clean", "damaged", "rebuilt"]
    assert torch.allclose(torch.from_numpy(rows[0].curves[0]), views["clean"][0] * 0.8 + 0.1, atol=1e-5)
    method = made(uneven=True)
    views = seen(method, uneven=True)
    ends = views["clean_mask"].sum(1).tolist()
    assert all([curve.shape[1] for curve in row.curves] == ends for row in method.show(**views)) and min(ends) < 43


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"noise": "salt"}, "noise of denoising must be one of masking, gaussian, not 'salt'"),
        ({"level": 1.5}, r"level of denoising must be in \[0, 1\] .* not 1\.5"),
        ({"alpha": -1.0}, "alpha and beta of denoising must be at least 0"),
        ({"span": 0}, "span must be at least 1 sample, not 0"),
    ],
)
def test_values_out_of_range_are_refused(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        made(**arguments)
