"""The one exception that means: the input is at fault, and here is how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """One clear sentence: what is wrong, where (file, line, key), and the mend.

    The command line prints it and exits 2.
    """


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a misspelt name: it suggests the nearest known one, or lists them all when none is near."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'?" if near else f"known are: {', '.join(known)}."
    return UserError(f"unknown {kind} '{name}': {hint}")
