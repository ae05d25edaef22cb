"""What every task of text is: its recipe, its draws, its length."""

from __future__ import annotations

from typing import Any, ClassVar

from selftaught.data.budget import Budget
from selftaught.evaluate.texts import parts
from selftaught.evaluate.texts.training import Training
from selftaught.evaluate.tuning import Tuning
from selftaught.method import Source


class TextTuning(Tuning):
    """A task of text. Subclasses are final, one per file of `tasks`, and name the file of `training`.

    Args:
        training: The options that all tasks of text share.
    """

    asks = True
    recipe: ClassVar[dict[str, Any]] = parts.RECIPE
    grouped = False

    def __init__(self, training: Training) -> None:
        self.how, self.settings, self.head = training, training.settings, training.head

    def few(self, train: Source, budget: Budget, seed: int) -> Source:
        """Return a share of the samples, of each class alike."""
        return parts.few(train, budget, seed)

    def halves(self, train: Source, seed: int) -> tuple[Source, Source] | None:
        """Return four fifths of the samples, of each class and each group alike, and a fifth."""
        return parts.halves(train, seed)

    def steps(self, train: Source) -> int:
        """Return those of `epochs`."""
        return self.how.steps(len(train), self.recipe["batch_size"])
