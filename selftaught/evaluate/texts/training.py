"""The options that all tasks of text share."""

from __future__ import annotations

import math
from typing import final

from selftaught.errors import UserError


@final
class Training:
    """How an encoder of text is trained for a task.

    Args:
        lrs: Learning rates to choose from, on a part of the training labels. By default 1e-4, 3e-4 and 1e-3; with a
            frozen encoder 1e-3, 3e-3 and 1e-2.
        epochs: Length of each training in passes over the training part.
        dropout: Probability of dropping a unit, in the encoder as before the head.
        lm: Weight of the loss of a language model on the texts of the task, for causal encoders. 0 leaves it out. By
            default 0.5; for seq2seq, where it is the loss on the sources, 0.
        r_drop: Weight of how far two passes with other units dropped are apart (Liang et al. 2021, arXiv 2106.14448).
            0 makes one pass.
        layer_decay: Each layer learns at this share of the rate of the layer above it.
        head_warmup: Share of the training in which the head is trained alone.
        units: Units in each direction of the LSTM that reads the vectors of an encoder lstm (ELMo).
        repeated: Judge also by test samples that are in the training part too, as published numbers do.

    Attributes:
        lm_given: `lm` as it was given, None if it was not.

    Raises UserError if a value is out of range.
    """

    def __init__(
        self,
        lrs: tuple[float, ...] = (),
        epochs: float = 3.0,
        dropout: float = 0.1,
        lm: float | None = None,
        r_drop: float = 0.0,
        layer_decay: float = 1.0,
        head_warmup: float = 0.0,
        units: int = 128,
        repeated: bool = False,
    ) -> None:
        if not all(math.isfinite(lr) and lr >= 0 for lr in lrs):
            raise UserError(f"lrs must be finite numbers of at least 0, not {', '.join(map(str, lrs))}")
        self.lm, self.lm_given = 0.5 if lm is None else lm, lm
        for name, value in (("lm", self.lm), ("r_drop", r_drop)):
            if not 0 <= value < math.inf:
                raise UserError(f"{name} must be a finite number of at least 0, not {value}")
        if not 0 < epochs < math.inf or units < 1:
            raise UserError(f"epochs must be greater than 0, and units at least 1, not {epochs} and {units}")
        for name, value in (("dropout", dropout), ("head_warmup", head_warmup)):
            if not 0 <= value < 1:
                raise UserError(f"{name} must be in [0, 1), not {value}")
        if not 0 < layer_decay <= 1:
            raise UserError(f"layer_decay must be in (0, 1], not {layer_decay}")
        if r_drop and not dropout:
            raise UserError("r_drop has no effect without dropout: set one, or remove the other")
        self.lrs, self.epochs, self.dropout, self.r_drop = tuple(lrs), epochs, dropout, r_drop
        self.layer_decay, self.head_warmup, self.units = layer_decay, head_warmup, units
        self.repeated = repeated

    @property
    def settings(self) -> tuple[dict[str, float], ...]:
        """What is chosen from for all weights."""
        return tuple({"lr": lr} for lr in self.lrs or (3e-4, 1e-4, 1e-3))

    @property
    def head(self) -> tuple[dict[str, float], ...]:
        """What is chosen from when the encoder is frozen."""
        return tuple({"lr": lr} for lr in self.lrs or (3e-3, 1e-3, 1e-2))

    def steps(self, samples: int, batch: int) -> int:
        """Return the number of steps for so many samples."""
        return max(1, round(self.epochs * samples / min(batch, samples)))
