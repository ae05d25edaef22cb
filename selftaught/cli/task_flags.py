"""The flags of a verb for one of several tasks, from the signature of the task that the command line names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from cyclopts import Group, Parameter

from selftaught.cli.signature import is_list
from selftaught.config import tasks

TASK = Group("The task", sort_key=1)


class TaskFlags:
    """What a verb with a parameter `task_options` takes: its own flags, and those of the task among the words.

    A verb without a parameter `task` runs several tasks of text: it takes the options that these share.
    """

    def __init__(self, verb: Callable[..., Any], tokens: Sequence[str]) -> None:
        self.verb = verb
        if "task" not in inspect.signature(verb).parameters:
            self.known = tasks.shared(tasks.OF_TEXT)
            return
        named = self._positional(tokens)[1:2]  # after the run
        self.known = tasks.own(named[0] if named and named[0] in tasks.names() else tasks.USUAL)

    def _positional(self, tokens: Sequence[str]) -> list[str]:
        """The words that are neither flags nor the value of one."""
        switches = {
            f"--{name.rstrip('_')}" for name, p in inspect.signature(self.verb).parameters.items() if p.default is False
        }
        for task in tasks.names():
            named = (name.replace("_", "-") for name, option in tasks.own(task).items() if option.type is bool)
            switches |= {f"--{sign}{name}" for name in named for sign in ("", "no-")}
        before = ["", *tokens]
        return [
            token
            for token, last in zip(tokens, before, strict=False)
            if not token.startswith("-") and not (last.startswith("-") and "=" not in last and last not in switches)
        ]

    def give(self) -> Callable[..., Any]:
        """The verb with a parameter for each option, which the parser reads and --help lists."""
        own = [p for p in inspect.signature(self.verb, eval_str=True).parameters.values() if p.name != "task_options"]
        fixed = {p.name for p in own}

        def with_options(*args: Any, **values: Any) -> Any:
            given = {name: value for name, value in values.items() if name not in fixed}
            return self.verb(*args, **{k: v for k, v in values.items() if k in fixed}, task_options=given)

        lines = (inspect.getdoc(self.verb) or "").splitlines()
        kept = "\n".join(line for line in lines if not line.lstrip().startswith("task_options:"))
        with_options.__doc__ = kept.format(tasks=", ".join(tasks.names()))
        parameters = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=option.default,
                annotation=Annotated[
                    option.type,
                    Parameter(
                        name=f"--{name.replace('_', '-')}",
                        help=option.doc,
                        group=TASK,
                        consume_multiple=True if is_list(option.type) else None,
                        negative_iterable="",
                        show_default=option.default not in (None, ()),
                    ),
                ],
            )
            for name, option in self.known.items()
        ]
        with_options.__signature__ = inspect.Signature([*own, *parameters])  # type: ignore[attr-defined]
        return with_options
