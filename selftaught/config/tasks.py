"""The tasks that an encoder can be fine-tuned for, and their options, read from the files of `evaluate/tasks`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selftaught.config import options
from selftaught.config.values import convert
from selftaught.errors import unknown
from selftaught.parts.signature import Declared, classes, subclasses

if TYPE_CHECKING:
    from selftaught.evaluate.tuning import Tuning

FOLDER = Path(__file__).parents[1] / "evaluate" / "tasks"
BASES = ("Tuning", "TextTuning", "TextClasses")
"""What the class of a task derives from."""
USUAL = "classification"
"""The task that is meant when none is named."""
OF_TEXT = "texts/training.py"
"""The file of the options that all tasks of text share."""


def names() -> list[str]:
    """Return the names of all tasks, sorted.

    >>> "classification" in names()
    True
    """
    return sorted(path.stem for path in FOLDER.glob("*.py") if subclasses(path, *BASES))


def describe(name: str) -> Declared:
    """Return what the file of a task declares; nothing is imported. Raises UserError for an unknown name."""
    if name not in names():
        raise unknown("task", name, names())
    (declared,) = subclasses(FOLDER / f"{name}.py", *BASES)
    return declared


def own(name: str) -> dict[str, options.Option]:
    """Return the options of a task, by name: its own, then those that it shares. Raises UserError for no such task."""
    declared = describe(name)
    mine = {option.name: option for option in options.of_section("task", declared.arguments)}
    file = declared.attributes.get("training")
    return mine | (shared(file) if file else {})


def shared(file: str) -> dict[str, options.Option]:
    """Return the options that the class in a file of `evaluate` declares, by name."""
    return {option.name: option for option in options.of_section("task", classes(FOLDER.parent / file)[0].arguments)}


def build(name: str, given: Mapping[str, Any]) -> Tuning:
    """Return the task with its options.

    Raises UserError for an unknown task or option, and a value of the wrong type or out of range.
    """
    known = own(name)
    for option in given:
        if option not in known:
            raise unknown(f"option of the task {name}", option, known)
    values = {option: convert(value, known[option].type, option) for option, value in given.items()}
    declared = describe(name)
    if file := declared.attributes.get("training"):
        module = import_module("selftaught.evaluate." + file.removesuffix(".py").replace("/", "."))
        made = getattr(module, classes(FOLDER.parent / file)[0].name)
        training = made(**{option: values.pop(option) for option in shared(file) if option in values})
        values["training"] = training
    task: Tuning = getattr(import_module(f"selftaught.evaluate.tasks.{name}"), declared.name)(**values)
    return task
