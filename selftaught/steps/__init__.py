"""Ways to take a training step, one file each.

``descent`` (backpropagation), ``slices`` (compiled loops), ``acting`` (in environments).

A method names its way (`Method.stepper`), and the file is found by that name. Each file states the fields of `Recipe`
that it reads in the literal `READS`; those of the loop itself are `LOOP`. Setting any other field is refused when a run
is configured. No torch here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from selftaught.errors import unknown
from selftaught.parts.signature import constants, subclasses

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from selftaught.meter import Meter
    from selftaught.method import Clock, Method, Player
    from selftaught.recipe import Recipe
    from selftaught.source import Source

LOOP = ("steps", "epochs", "minutes", "seed", "checkpoint_every", "keep", "log_every", "device")
"""Fields of `Recipe` that `fit` reads, however a method is stepped."""


class NonFiniteLoss(ArithmeticError):
    """The loss (or the gradient norm, when gradients are clipped) stopped being a number. Nothing was updated.

    Args:
        what: What is not finite, and at which step.
        advice: What to try.
    """

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(f"{what}: {advice}")
        self.what, self.advice = what, advice


def refuse(what: str, player: Player, clock: Clock) -> NoReturn:
    """Raises NonFiniteLoss for the loss, or whatever else, of a player."""
    raise NonFiniteLoss(
        f"the {what} of player '{player.name}' is not finite at step {clock.step}, so nothing was updated",
        "lower --lr, clip gradients (--clip 1) or lengthen --warmup",
    )


class Stepper(ABC):
    """Takes the steps of one method; `fit` keeps the clock, the log, the checkpoints and the length."""

    samples: float
    """How much this process has trained on since `restart`, in the method's unit."""

    @abstractmethod
    def __init__(self, method: Method, source: Source, recipe: Recipe, device: torch.device) -> None:
        """For a prepared method and its bound source.

        Raises UserError when recipe, ranks or data do not go together.
        """

    @classmethod
    @abstractmethod
    def place(cls, recipe: Recipe) -> torch.device:
        """The device to compute on. Raises UserError when the recipe asks for one that is not there."""

    def resolved(self) -> dict[str, Any]:
        """The fields of the recipe that the machine or the ranks decide, as they came out; a resumed run uses these."""
        return {}

    @abstractmethod
    def restart(self) -> None:
        """Start again: fresh optimisers, no samples counted."""

    @abstractmethod
    def epoch(self, clock: Clock, start: int = 0) -> tuple[int, Iterator[Any]]:
        """Steps in the clock's epoch, and what `step` takes from, from step `start` on.

        What is less than a step is dropped.
        """

    def steps_in_epoch(self) -> int | None:
        """Steps in an epoch where they are known without looking.

        None where `epoch` must be asked, after `before_epoch`.
        """
        return None

    @abstractmethod
    def step(self, clock: Clock, meter: Meter, batches: Iterator[Any]) -> None:
        """One step; scalars go to the meter. The caller moves the clock.

        Raises NonFiniteLoss before the update that the loss would spoil.
        """

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """The tensors that a checkpoint must hold besides the method's own state, by name."""

    @abstractmethod
    def load(self, tensors: dict[str, Tensor]) -> None:
        """Go back to a `state`."""

    @abstractmethod
    def close(self) -> None:
        """Stop workers and release what is held."""


def names() -> list[str]:
    """Every way to step, sorted."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem != "__init__")


def reads(name: str) -> frozenset[str]:
    """The fields of `Recipe` that have an effect. Raises UserError for an unknown way."""
    return frozenset((*LOOP, *constants(_file(name))["READS"]))


def find(name: str) -> type[Stepper]:
    """The class of the file `name`. Raises UserError for an unknown way."""
    path = _file(name)
    (declared,) = subclasses(path, "Stepper")
    stepper: type[Stepper] = getattr(import_module(f"{__name__}.{name}"), declared.name)
    return stepper


def _file(name: str) -> Path:
    if name not in names():
        raise unknown("way to step (Method.stepper)", name, names())
    return Path(__file__).with_name(f"{name}.py")
