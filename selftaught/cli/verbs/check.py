"""The verb that puts a method to the contract: check."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from cyclopts import Parameter

from selftaught.cli.output import Json, show, show_json
from selftaught.cli.signature import RUN
from selftaught.config.file import plain_value
from selftaught.errors import UserError

MARKS = {True: "ok", False: "!!", None: "--"}


def check(
    method: str,
    /,
    *,
    toy: Annotated[list[str] | None, Parameter(group=RUN, negative="", consume_multiple=True)] = None,
    set_: Annotated[list[str] | None, Parameter(name="--set", group=RUN, negative="", consume_multiple=True)] = None,
    learns: Annotated[list[str] | None, Parameter(group=RUN, negative="", consume_multiple=True)] = None,
    encoder: Annotated[str, Parameter(group=RUN)] = "",
    json_: Json = False,
) -> int:
    """Put a method to the contract, on toys that take seconds: what holds, what does not, and why.

    Exit code 1 when something does not hold. A method that says why it does not promise something is not held to it.

    Args:
        method: A .py file that holds one of your own, or a name of the library.
        toy: How the toys are made: channels=3 for images in colour.
        set_: Arguments of the method that fit it to 96 tiny samples, where its defaults do not: queue=64
            temperature=0.2.
        learns: More arguments that it needs to learn the toy within 160 steps.
        encoder: The network that it is tried with; by default the method's own, made small.
    """
    from selftaught import contract, methods

    values: dict[str, Any] = {
        "arguments": _values(set_, "--set"),
        "learns": _values(learns, "--learns"),
        "toy": _values(toy, "--toy"),
    }
    cases = [contract.Case(method, kind, encoder=encoder, **values) for kind in methods.sees(method)]
    methods.load(method, cases[0].kind)  # what cannot be imported is said before anything is tried
    found = []
    for finding in contract.check(method, *cases):
        found.append(finding)
        if not json_:
            kind = f" ({finding.kind})" if len(cases) > 1 else ""
            show(f"{MARKS[finding.holds]}  {finding.what}{kind}" + (f"\n    {finding.why}" if finding.why else ""))
    if json_:
        show_json([asdict(finding) for finding in found])
    else:
        counts = [sum(finding.holds is state for finding in found) for state in (True, False, None)]
        show("{} hold, {} do not, {} are not promised".format(*counts))
    return 1 if any(finding.holds is False for finding in found) else 0


def _values(words: list[str] | None, flag: str) -> dict[str, Any]:
    """name=value pairs, the values read as in YAML."""
    found = {}
    for word in words or []:
        name, equals, value = word.partition("=")
        if not equals or not name.isidentifier():
            raise UserError(f"{flag} takes name=value, such as queue=64, not '{word}'")
        found[name] = plain_value(value)
    return found
