"""The exception for invalid input, with advice on how to fix it."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path


class UserError(ValueError):
    """An error in the input. One sentence says what is wrong, where (file, line, key), and how to fix it.

    The command line prints it and exits with code 2.
    """


def expanded(path: str | os.PathLike[str]) -> Path:
    """Return a path with the home folder in place of "~". Raises UserError if there is none, or no such user."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        home = Path(path).parts[0]
        raise UserError(f"{path}: the home folder {home} is not known: write the whole path") from None


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """Return the error for an unknown name: it suggests the nearest known one, or lists all if none is near."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'?" if near else f"known are: {', '.join(known)}."
    return UserError(f"unknown {kind} '{name}': {hint}")
