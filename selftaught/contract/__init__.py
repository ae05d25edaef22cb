"""The contract as checks that any method can be put to.

The tests of the library check its methods; ``selftaught check`` checks yours.

>>> from selftaught.contract import check
>>> for finding in check("path/to/mine.py"):           # doctest: +SKIP
...     print(finding.holds, finding.what, finding.why)
"""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, final

from selftaught import methods
from selftaught.contract.case import Case
from selftaught.errors import UserError

if TYPE_CHECKING:
    from selftaught.contract.checks import Check
    from selftaught.contract.ranks import Ranks


@final
@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        what: What was checked.
        kind: The kind of sample that it was checked with.
        holds: Whether it holds; None when the method says that it does not promise it.
        why: What is wrong and where, or the reason that the method gives.
    """

    what: str
    kind: str
    holds: bool | None
    why: str = ""


def check(name: str, *cases: Case) -> Iterator[Finding]:
    """Put a method to every check, for every kind of sample that it sees.

    Args:
        name: The name of a method, or the path of a file with your own.
        *cases: The kinds and arguments to check with; by default every kind, with arguments as they are.

    Raises UserError when the file cannot be read or imported: it names the line.
    """
    from selftaught.contract.checks import CHECKS

    for case in cases or [Case(name, kind) for kind in methods.sees(name)]:
        with ExitStack() as stack:
            place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="selftaught-check-")))
            pair = cache(partial(_pair, place / "ranks", stack))
            if "distributed" in CHECKS.values() and case.type.distributed is True:
                pair()  # they import what they need while the first checks run
            for number, (one, promise) in enumerate(CHECKS.items()):
                yield _found(one, promise, case, place / str(number), pair)


def _pair(folder: Path, stack: ExitStack) -> Ranks:
    """Start two processes, which end with the stack."""
    from selftaught.contract.ranks import Ranks

    folder.mkdir()
    ranks = Ranks(folder)
    stack.callback(ranks.close)
    return ranks


def _found(one: Check, promise: str, case: Case, folder: Path, pair: Callable[[], Ranks]) -> Finding:
    what = (one.__doc__ or "").strip()
    said = getattr(case.type, promise) if promise else True
    if said is not True:
        return Finding(what, case.kind, None, str(said))
    folder.mkdir()
    try:
        one(case, folder, pair)
    except UserError as error:
        return Finding(what, case.kind, False, str(error))
    except Exception as error:
        return Finding(what, case.kind, False, _explained(error, case))
    return Finding(what, case.kind, True)


def _explained(error: Exception, case: Case) -> str:
    """What went wrong, and the last line of the method's own file that was at work."""
    sentence = " ".join(str(error).split()) or type(error).__name__
    sentence = sentence if isinstance(error, AssertionError) else f"{type(error).__name__}: {sentence}"
    path = str(methods.describe(case.name, case.kind).path)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return f"{sentence} ({path}, line {lines[-1]})" if lines else sentence


__all__ = ["Case", "Finding", "check"]
