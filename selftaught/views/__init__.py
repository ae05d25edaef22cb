"""Random transformations, in two steps: sample parameters, apply them.

A kind of sample has a file of its name here (``image.py``, ``text.py``), which is found by its path and answers:

    plain(input)                what an encoder sees of a sample without augmentation: its own arguments, the first of
    them first raw(input)                  the samples as numbers, for the baseline without an encoder
    augment(input)              "first" and "second": two random views of each sample; kinds without random views have
    none show(name, values, input)   samples as a person can look at them (`parts/shown`), or None
    RAW                         what `raw` gives, in a few words

`input` is the "input" of an encoder's spec, whose "kind" names the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from selftaught.errors import UserError

if TYPE_CHECKING:
    from selftaught.method import Views
    from selftaught.parts.shown import Shown


def plain(input: Mapping[str, Any]) -> Views:
    """The views without augmentation for an encoder's input. Raises UserError for a kind that has none."""
    views: Views = _of(input, "plain views").plain(input)
    return views


def raw(input: Mapping[str, Any]) -> Views:
    """The samples as numbers, as an encoder with this input would see them.

    Raises UserError for a kind that has none.
    """
    views: Views = _of(input, "raw views").raw(input)
    return views


def augment(input: Mapping[str, Any]) -> Views:
    """Two random views of each sample, "first" and "second". Raises UserError for a kind that has none."""
    module = _of(input, "random views")
    if "augment" not in vars(module):
        raise UserError(
            f"samples of kind '{input['kind']}' have no random views of their own: write the method's views"
        )
    views: Views = module.augment(input)
    return views


def show(name: str, values: Any, input: Mapping[str, Any]) -> Shown | None:
    """Samples as a person can look at them: of a raw batch, or as views made them.

    None where there is nothing to look at.
    """
    shown: Shown | None = _of(input, "pictures").show(name, values, input)
    return shown


def raw_is(input: Mapping[str, Any]) -> str:
    """What `raw` gives, in words that complete "the raw input is ..."."""
    return str(_of(input, "raw views").RAW)


def _of(input: Mapping[str, Any], what: str) -> ModuleType:
    name = f"{__name__}.{input['kind']}"
    if not str(input["kind"]).isidentifier() or find_spec(name) is None:
        raise UserError(f"samples of kind '{input['kind']}' have no {what}: pass the views to use")
    return import_module(name)
