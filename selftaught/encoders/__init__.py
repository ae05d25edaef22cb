"""Encoders: the networks that are kept after training. They contain no loss.

One file is one architecture: a final `Encoder`, named by the file, or by each key of the file's ``NAMES``, which maps a
name to the arguments that it fixes. A file with ``FAMILY`` adapts another library: ``timm/NAME`` is any network of
timm's. Listing encoders does not import torch.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selftaught import kind as kinds
from selftaught.errors import UserError, unknown
from selftaught.parts.signature import Argument, Declared, constants, subclasses

if TYPE_CHECKING:
    from selftaught.encoders.weights import Report
    from selftaught.method import Encoder
    from selftaught.parts.packed import Parts


@cache
def _catalogue() -> dict[str, tuple[str, Declared, dict[str, Any]]]:
    """Return {name: (module, class, arguments fixed by the name)}."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if "FAMILY" in constants(path):
            continue
        for declared in subclasses(path, "Encoder"):
            for name, fixed in constants(path).get("NAMES", {path.stem: {}}).items():
                found[name] = (path.stem, declared, fixed)
    return found


@cache
def _families() -> dict[str, tuple[str, Declared, str]]:
    """Return {first part of the name: (module, class, argument that is the rest of the name)}."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if "FAMILY" in constants(path):
            found[path.stem] = (path.stem, subclasses(path, "Encoder")[0], constants(path)["FAMILY"])
    return found


def known(name: str) -> bool:
    """Return whether `build` knows an encoder of this name.

    Which networks another library has is asked only as one is built.

    >>> known("conv"), known("timm/resnet18"), known("resnet1001")
    (True, True, False)
    """
    family, _, rest = name.partition("/")
    return name in _catalogue() or (bool(rest) and family in _families())


def names(kind: str | None = None) -> list[str]:
    """Return the names of all encoders that `build` knows, sorted, or of those for the kind of sample `kind`.

    >>> "conv" in names("image"), "conv" in names("text")
    (True, False)
    """
    return sorted(name for name in _catalogue() if kind is None or takes(name, kind))


def sees(name: str) -> tuple[str, ...]:
    """Return the kinds of sample that an encoder takes; empty means all kinds. Raises UserError for an unknown name.

    >>> sees("conv")
    ('image',)
    """
    return tuple(_find(name)[1].attributes.get("sees", ()))


def takes(name: str, kind: str) -> bool:
    """Return whether an encoder takes samples of a kind: one that it sees, or one that looks like it (`Kind.like`).

    Raises UserError for an unknown encoder.

    >>> takes("conv", "image"), takes("conv", "text")
    (True, False)
    """
    seen = sees(name)
    return not seen or kind in seen or (kind in kinds.names() and kinds.describe(kind).like in seen)


def arguments(name: str) -> tuple[Argument, ...]:
    """Return the arguments that `build` takes for this encoder, besides `input`. Raises UserError for an unknown name.

    >>> [(argument.name, argument.default) for argument in arguments("conv")]
    [('width', 32), ('depth', 3), ('pool', 'flatten'), ('norm', 'batch')]
    """
    _, declared, fixed = _find(name)
    return tuple(a for a in declared.arguments if a.name not in fixed)


def effects(name: str) -> dict[str, Any]:
    """Return what arguments of an encoder need to have an effect. Raises UserError for an unknown name.

    >>> effects("patchwise")
    {'cells': {'pool': ('flatten',)}}
    """
    return dict(_find(name)[1].attributes.get("effects", {}))


def small(name: str) -> dict[str, Any]:
    """Return arguments of a small, fast encoder: ``SMALL`` in its file, without those that the name fixes.

    Raises UserError for an unknown name.
    """
    module, _, fixed = _find(name)
    own = constants(Path(__file__).with_name(f"{module}.py")).get("SMALL", {})
    return {key: value for key, value in own.items() if key not in fixed}


def build(name: str, input: dict[str, Any], **arguments_: Any) -> Encoder:
    """Return a new encoder with random weights (from torch's generator).

    `input` describes the samples: ``{"kind": "image", "size": pixels, "channels": C, "mean": [C], "std": [C]}``, where
    mean and std are in units of full brightness = 1. ``build(**encoder.spec)`` builds another encoder like `encoder`.

    Raises UserError for an unknown name or argument, a value out of range, or a kind of sample that the encoder does
    not take.

    >>> input = {"kind": "image", "size": 32, "channels": 3, "mean": [0.5] * 3, "std": [0.2] * 3}
    >>> encoder = build("conv", input, width=16)
    >>> encoder.dim
    1024
    """
    import importlib

    module, declared, fixed = _find(name)
    if not takes(name, input["kind"]):
        raise UserError(
            f"encoder {name} takes {' or '.join(sees(name))}, not {input['kind']}: use "
            f"{' or '.join(names(input['kind']))}"
        )
    own = [a.name for a in arguments(name)]
    for key in arguments_:
        if key not in own:
            raise unknown(f"argument of encoder {name}", key, own)
    encoder: Encoder = getattr(importlib.import_module(f"{__name__}.{module}"), declared.name)(
        input, **fixed, **arguments_
    )
    return encoder


def save(encoder: Encoder) -> bytes:
    """Return the content of an ``encoder.safetensors``: the weights, and the spec that rebuilds the encoder.

    >>> import tempfile
    >>> encoder = build("mlp", {"kind": "image", "size": 8, "channels": 1, "mean": [0.5], "std": [0.2]}, width=4)
    >>> with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
    ...     _ = file.write(save(encoder))
    ...     file.flush()
    ...     load(file.name).dim
    4
    """
    return b"".join(pack(encoder))


def pack(encoder: Encoder) -> Parts:
    """Return the content of `save` in parts that share memory with the encoder: write them before it changes."""
    from selftaught.encoders import weights

    return weights.pack(encoder)


def load(path: str | Path) -> Encoder:
    """Return the encoder saved at `path`, in eval mode. See `save` for an example.

    Raises UserError when the file is missing, damaged or not written by this library.
    """
    from selftaught.encoders import weights

    return weights.unpack(Path(path), build)


def load_weights(encoder: Encoder, path: str | Path, strict: bool = True) -> Report:
    """Copy our own, torchvision's or timm's weights into `encoder`; see `selftaught.encoders.weights.load_weights`."""
    from selftaught.encoders import weights

    return weights.load_weights(encoder, Path(path), strict)


def _find(name: str) -> tuple[str, Declared, dict[str, Any]]:
    family, _, rest = name.partition("/")
    if rest and family in _families():
        module, declared, argument = _families()[family]
        return module, declared, {argument: rest}
    if name not in _catalogue():
        raise unknown("encoder", name, names())
    return _catalogue()[name]


__all__ = [
    "arguments", "build", "effects", "known", "load", "load_weights", "names", "pack", "save", "sees", "small", "takes",
]  # fmt: skip
