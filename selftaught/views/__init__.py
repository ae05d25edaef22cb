"""Views: random transformations of samples, in two steps: sample parameters, then apply them.

A kind of sample has a file of its name here (``image.py``, ``text.py``), which is found by its path and defines::

    plain(input)              what an encoder sees of a sample without augmentation: first its main argument
    raw(input)                the samples as numbers, for the baseline without an encoder
    augment(input)            "first" and "second": two random views of each sample (optional)
    halves(input)             "first" and "second": the two halves of each sample in order, left and right or past and
                              future, each with a mask of its name and "_mask" if there may be padding (optional)
    crop(encoder)             one random view of each sample, as large as this encoder sees at once: first its main
                              argument, then the "mask" if there may be padding (optional)
    show(name, values, input) samples in a form that a person can look at (`parts/shown`), or None
    RAW                       a short description of what `raw` returns

`input` is the "input" of an encoder's spec. Its "kind" is the name of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from selftaught.errors import UserError

if TYPE_CHECKING:
    from selftaught.method import Encoder, Views
    from selftaught.parts.shown import Shown


def plain(input: Mapping[str, Any]) -> Views:
    """Return the views without augmentation for an encoder's input. Raises UserError for a kind without plain views.

    >>> import numpy as np, torch
    >>> input = {"kind": "image", "size": 4, "channels": 3, "mean": [0.5] * 3, "std": [0.5] * 3}
    >>> views, batch = plain(input), {"image": np.full((2, 4, 4, 3), 255, np.uint8)}
    >>> image = views.apply(batch, views.sample(np.arange(2), epoch=0, seed=0), torch.device("cpu"))["image"]
    >>> image.shape, image.mean().item()
    (torch.Size([2, 3, 4, 4]), 1.0)
    """
    views: Views = _of(input, "plain views").plain(input)
    return views


def raw(input: Mapping[str, Any]) -> Views:
    """Return the views that give the samples as numbers, as an encoder with this input would see them.

    Raises UserError for a kind without raw views.

    >>> import numpy as np, torch
    >>> views = raw({"kind": "image", "size": 4, "channels": 1, "mean": [0.0], "std": [1.0]})
    >>> batch = {"image": np.zeros((2, 4, 4, 1), np.uint8)}
    >>> views.apply(batch, views.sample(np.arange(2), epoch=0, seed=0), torch.device("cpu"))["image"].shape
    torch.Size([2, 1, 4, 4])
    """
    views: Views = _of(input, "raw views").raw(input)
    return views


def augment(input: Mapping[str, Any]) -> Views:
    """Return the views "first" and "second": two random views of each sample. Raises UserError for a kind without them.

    >>> import numpy as np, torch
    >>> views = augment({"kind": "image", "size": 4, "channels": 3, "mean": [0.5] * 3, "std": [0.5] * 3})
    >>> batch = {"image": np.zeros((2, 8, 8, 3), np.uint8)}
    >>> two = views.apply(batch, views.sample(np.arange(2), epoch=0, seed=0), torch.device("cpu"))
    >>> two["first"].shape, two["second"].shape
    (torch.Size([2, 3, 4, 4]), torch.Size([2, 3, 4, 4]))
    """
    views: Views = _random(input, "augment")(input)
    return views


def halves(input: Mapping[str, Any]) -> Views:
    """Return the views "first" and "second", the halves of each sample. Raises UserError for a kind without them."""
    views: Views = _random(input, "halves")(input)
    return views


def crop(encoder: Encoder) -> Views:
    """Return one random view of each sample, of the size that `encoder` sees at once, for methods that compare none.

    Raises UserError for a kind without it, or an encoder that it does not serve.
    """
    views: Views = _random(encoder.spec["input"], "crop")(encoder)
    return views


def show(name: str, values: Any, input: Mapping[str, Any]) -> Shown | None:
    """Return samples of a raw batch or of views in a form that a person can look at, or None."""
    shown: Shown | None = _of(input, "pictures").show(name, values, input)
    return shown


def raw_is(input: Mapping[str, Any]) -> str:
    """Return a description of what `raw` returns that completes "the raw input is ..."."""
    return str(_of(input, "raw views").RAW)


def _random(input: Mapping[str, Any], name: str) -> Callable[[Any], Any]:
    module = _of(input, "random views")
    if name not in vars(module):
        raise UserError(f"samples of kind '{input['kind']}' have no views called {name}: define those of the method")
    found: Callable[[Any], Any] = getattr(module, name)
    return found


def _of(input: Mapping[str, Any], what: str) -> ModuleType:
    name = f"{__name__}.{input['kind']}"
    if not str(input["kind"]).isidentifier() or find_spec(name) is None:
        raise UserError(f"samples of kind '{input['kind']}' have no {what}: pass views explicitly")
    return import_module(name)
