"""The command line: one verb = one file of `verbs/`.

Exit codes: 0 fine, 1 failed, 2 bad input (one sentence), 128 + signal when interrupted.
"""

from __future__ import annotations

import errno
import inspect
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

from cyclopts import App, CoercionError, CycloptsError

from selftaught.cli import verbs
from selftaught.cli.output import remark
from selftaught.cli.signature import Flags
from selftaught.cli.task_flags import TaskFlags
from selftaught.config.values import spoken
from selftaught.errors import UserError


def main(tokens: Sequence[str] | None = None) -> int:
    """Run the command line `tokens` (default: the process's) and return its exit code."""
    words = list(sys.argv[1:] if tokens is None else tokens)
    debug = bool(os.environ.get("SELFTAUGHT_DEBUG"))
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warn
            warnings.filterwarnings("always", category=UserWarning, module="selftaught")
            app, words = application(words)
            code = app(words, exit_on_error=False, print_error=False, result_action="return_value")
        return code if isinstance(code, int) else 0
    except CycloptsError as error:
        return _fail(_sentence(error), 2)
    except ArithmeticError as error:  # NonFiniteLoss
        if debug:
            raise
        return _fail(str(error), 1)
    except UserError as error:  # alone: a ValueError of numpy is our fault, and no sentence for a user
        if debug:
            raise
        return _fail(str(error), 2)
    except OSError as error:
        if debug or error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        return _fail(f"{error.filename or 'a file'} cannot be written or read: {error.strerror}", 2)
    except KeyboardInterrupt:
        return _fail("stopped", 130)


def application(words: Sequence[str]) -> tuple[App, list[str]]:
    """The verbs, the one that `words` call with its flags, and the words with those flags as the parser spells them.

    The other verbs have a name and a line of help.
    """
    words = list(words)
    app = App(
        name="selftaught",
        help="Learn representations from unlabelled data, judge them honestly, see them in a report.",
        help_format="plaintext",
        suppress_keyboard_interrupt=False,
        version=_version,
    )
    for path in sorted(
        path for folder in verbs.__path__ for path in Path(folder).glob("*.py") if path.stem != "__init__"
    ):
        verb: Callable[..., Any] = getattr(import_module(f"{verbs.__name__}.{path.stem}"), path.stem)
        called, parameters = words[:1] == [path.stem], inspect.signature(verb).parameters
        if not called:  # the list of verbs needs no flags, which take a look at every method
            app.command(_listed(verb), name=path.stem)
        elif "flags" in parameters:
            flags = Flags(verb, words[1:])
            app.command(flags.give(), name=path.stem)
            words = [path.stem, *flags.spelt(words[1:])]
        elif "task_options" in parameters:
            app.command(TaskFlags(verb, words[1:]).give(), name=path.stem)
        else:
            app.command(verb, name=path.stem)
    return app, words


def _listed(verb: Callable[..., Any]) -> Callable[[], None]:
    def line() -> None: ...

    line.__doc__ = (inspect.getdoc(verb) or "").partition("\n")[0]
    return line


def _version() -> str:
    import selftaught

    return str(selftaught.__version__)


def _sentence(error: CycloptsError) -> str:
    if isinstance(error, CoercionError) and error.argument is not None and error.token is not None:
        return f"{error.argument.name} must be {spoken(error.argument.hint)}, not '{error.token.value}'"
    error.verbose = False
    return " ".join(str(error).split())


def _warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """A warning of ours is a sentence for the user; others' are for programmers, and keep their place."""
    ours = "selftaught" in Path(filename).parts
    remark(f"warning: {message}" if ours else f"{filename}:{lineno}: {category.__name__}: {message}")


def _fail(sentence: str, code: int) -> int:
    rank = os.environ.get("RANK", "0")  # of torchrun: what fails on one machine alone must be heard too
    remark(f"selftaught: {sentence}" if rank == "0" else f"selftaught (rank {rank}): {sentence}")
    return code
