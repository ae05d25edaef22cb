"""Which options have an effect: declared beside the options, decided here for all of them.

A class with options (a method, an encoder, a kind of sample, `Recipe`) says in the literal ``effects`` what an option
needs from others: ``{"margin": {"loss": ("triplet", "margin")}}``. A number stands for all greater ones, ``True`` for
itself, and the name of an option for all values but that option's. An option without an effect, whatever the others
are, has ``None`` in place of its needs. A method's ``effects`` may name fields of `Recipe`.
A method also says whether it learns from labels (`Method.uses_labels`), and its stepper which fields of `Recipe` it
reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

from selftaught import encoders, methods, steps
from selftaught import kind as kinds
from selftaught.methods import Spec
from selftaught.recipe import Recipe

Needs = Mapping[str, Any] | None


@final
class Effects:
    """The options of one method and encoder, and why some of them have no effect."""

    def __init__(self, method: str, kind: str, encoder: str) -> None:
        self.spec: Spec = methods.describe(method, kind)
        self.kind, self.encoder = kinds.describe(kind), encoder
        self.read = steps.reads(self.spec.stepper)

    def without(self, values: Mapping[str, Any]) -> dict[str, str]:
        """Return {key: why} for the options in `values` (all of them, by dotted key) that have no effect.

        "why" completes a sentence that begins with "KEY has no effect on".
        """
        name, found = self.spec.name, {}
        for key in values:
            if key.startswith("recipe.") and key.removeprefix("recipe.") not in self.read:
                uses = f"which trains by {self.spec.stepper} and uses {', '.join(sorted(self.read))}"
                found[key] = f"{name}, {uses}: remove it"
        if not self.spec.uses_labels:
            found["data.labels"] = f"{name}, which does not learn from labels: remove it"
        for owner, key, needs in self._declared():
            if key in found or key not in values:
                continue
            if needs is None:
                found[key] = f"{name}: remove it"
                continue
            for other, wanted in needs.items():
                value = values.get(_sibling(key, other, values))
                if not _holds(value, wanted, values.get(f"{key.partition('.')[0]}.{wanted}")):
                    found[key] = f"{owner} {_lacking(other, value, wanted)}"
                    break
        return found

    def _declared(self) -> list[tuple[str, str, Needs]]:
        """Return what is declared: whose option it is, its dotted key, and what it needs."""
        own = {argument.name for argument in self.spec.arguments}
        found: list[tuple[str, str, Needs]] = [
            (self.spec.name, f"{'method' if key in own else 'recipe'}.{key}", needs)
            for key, needs in self.spec.effects.items()
        ]
        found += [
            (f"encoder {self.encoder}", f"encoder.{key}", needs)
            for key, needs in encoders.effects(self.encoder).items()
        ]
        found += [(self.kind.samples, f"data.{key}", needs) for key, needs in self.kind.effects.items()]
        return found + [(self.spec.name, f"recipe.{key}", needs) for key, needs in Recipe.effects.items()]


def _sibling(key: str, other: str, values: Mapping[str, Any]) -> str:
    """Return the key of the option `other` that an option needs: of its own section, else of the recipe."""
    same = f"{key.partition('.')[0]}.{other}"
    return same if same in values else f"recipe.{other}"


def _holds(value: Any, wanted: Any, named: Any) -> bool:
    if isinstance(wanted, tuple):
        return value in wanted
    if isinstance(wanted, str):
        return bool(value != named)
    return bool(value) if wanted is True else value is not None and value > wanted


def _lacking(other: str, value: Any, wanted: Any) -> str:
    if isinstance(value, list):  # of values, which is empty
        return f"without {other}: remove it, or give {other}"
    return f"with {other} {_spoken(value)}: remove it, or use {other} {_wanted(wanted)}"


def _spoken(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value}"


def _wanted(wanted: Any) -> str:
    if not isinstance(wanted, tuple):
        return "true" if wanted is True else f"{'other than' if isinstance(wanted, str) else 'greater than'} {wanted}"
    *most, last = map(_spoken, wanted)
    return f"{', '.join(most)} or {last}" if most else last
