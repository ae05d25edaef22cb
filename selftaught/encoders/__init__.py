"""Networks that are kept when training ends. They know no loss.

One file is one architecture: a final `Encoder`, called by the file's name, or by each key of the file's ``NAMES``
(which maps a name to the arguments that it fixes). Listing them imports no torch.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selftaught.errors import UserError, unknown
from selftaught.parts.signature import Argument, Declared, classes, constants

if TYPE_CHECKING:
    from selftaught.encoders.weights import Report
    from selftaught.method import Encoder
    from selftaught.parts.packed import Parts


@cache
def _catalogue() -> dict[str, tuple[str, Declared, dict[str, Any]]]:
    """{name: (module, class, arguments that the name fixes)}."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        for declared in classes(path):
            if "Encoder" in declared.bases:
                for name, fixed in constants(path).get("NAMES", {path.stem: {}}).items():
                    found[name] = (path.stem, declared, fixed)
    return found


def names(kind: str | None = None) -> list[str]:
    """Every encoder that `build` knows, sorted; or those that take a kind of sample."""
    return sorted(name for name in _catalogue() if kind is None or kind in (sees(name) or (kind,)))


def sees(name: str) -> tuple[str, ...]:
    """The kinds of sample that an encoder takes; empty for all. Raises UserError for an unknown name."""
    return tuple(_find(name)[1].attributes.get("sees", ()))


def arguments(name: str) -> tuple[Argument, ...]:
    """The arguments that `build` takes for this encoder, beside `input`. Raises UserError for an unknown name."""
    _, declared, fixed = _find(name)
    return tuple(a for a in declared.arguments if a.name not in fixed)


def small(name: str) -> dict[str, Any]:
    """Arguments that make an encoder quick to try out: ``SMALL`` in its file. Raises UserError for an unknown name."""
    path = Path(__file__).with_name(f"{_find(name)[0]}.py")
    return dict(constants(path).get("SMALL", {}))


def build(name: str, input: dict[str, Any], **arguments_: Any) -> Encoder:
    """A new encoder with random weights (torch's generator).

    `input` says what it will see: ``{"kind": "image", "size": pixels, "channels": C, "mean": [C], "std": [C]}``, mean
    and std in units of full brightness = 1. ``build(**encoder.spec)`` builds a second one like `encoder`.

    Raises UserError for an unknown name or argument, a value out of range, or a kind of sample that the encoder does
    not take.

    >>> encoder = build("conv", {"kind": "image", "size": 32, "channels": 3, "mean": [0.5] * 3, "std": [0.2] * 3}, width=16)
    >>> encoder.dim
    1024
    """
    import importlib

    module, declared, fixed = _find(name)
    if input["kind"] not in (sees(name) or (input["kind"],)):
        raise UserError(
            f"encoder {name} takes {' or '.join(sees(name))}, not {input['kind']}: take "
            f"{' or '.join(names(input['kind']))}"
        )
    known = [a.name for a in arguments(name)]
    for key in arguments_:
        if key not in known:
            raise unknown(f"argument of encoder {name}", key, known)
    encoder: Encoder = getattr(importlib.import_module(f"{__name__}.{module}"), declared.name)(
        input, **fixed, **arguments_
    )
    return encoder


def save(encoder: Encoder) -> bytes:
    """The content of an ``encoder.safetensors``: weights, and the spec that rebuilds the encoder."""
    return b"".join(pack(encoder))


def pack(encoder: Encoder) -> Parts:
    """What `save` gives, in pieces that share memory with the encoder: to be written before it changes."""
    from selftaught.encoders import weights

    return weights.pack(encoder)


def load(path: str | Path) -> Encoder:
    """The encoder saved at `path`, in eval mode.

    Raises UserError when the file is missing, damaged or not of this library.
    """
    from selftaught.encoders import weights

    return weights.unpack(Path(path), build)


def load_weights(encoder: Encoder, path: str | Path, strict: bool = True) -> Report:
    """Copy our own, torchvision's or timm's weights into `encoder`; see `selftaught.encoders.weights.load_weights`."""
    from selftaught.encoders import weights

    return weights.load_weights(encoder, Path(path), strict)


def _find(name: str) -> tuple[str, Declared, dict[str, Any]]:
    if name not in _catalogue():
        raise unknown("encoder", name, names())
    return _catalogue()[name]


__all__ = ["arguments", "build", "load", "load_weights", "names", "pack", "save", "sees", "small"]
