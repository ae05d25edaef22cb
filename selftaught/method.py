"""The contract that every self-supervised method obeys, and nothing else.

Data flows one way::

    Source --fetch--> raw batch --Views.sample/apply--> tensors --Method.forward--> loss

and state flows in one place only: `Method.after_step`. `forward` reads buffers and never writes them, so accumulating
gradients, alternating players and replaying a step after a crash can never push a key twice.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, final, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from selftaught.source import BESIDE, Index, Labels, Raw, Source

Params = dict[str, NDArray[Any]]
Batch = dict[str, Any]
Outputs = dict[str, Any]
Group = dict[str, Any]
Embed = Callable[["Views", int | None], Tensor]


class Views(ABC):
    """What a method gets to see of a sample: random parameters first, then their application to the whole batch."""

    def bind(self, source: Source) -> Source:
        """The units that training iterates over. Text windows, sentence pairs and clips become samples here."""
        return source

    @abstractmethod
    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Random parameters for the samples at `index`: a pure function of (seed, epoch, sample index, view).

        Each entry's first axis is the batch, so that any split of a batch over ranks or workers draws the same numbers.
        """

    @abstractmethod
    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """The method's inputs: tensors (or lists of tensors, for multi-crop) on `device`, named as `forward` names them.

        "index" and "label" pass through when the raw batch has them.
        """


def given(batch: Batch) -> tuple[Any, dict[str, Any]]:
    """The encoder's own arguments in a batch of plain views: the first, and the masks by name."""
    first, *others = (key for key in batch if key not in BESIDE)
    return batch[first], {key: batch[key] for key in others}


class Start(Protocol):
    """Weights that a user names with ``--init``, wherever they come from.

    A run, a file of weights, a file of word vectors.
    """

    def load_into(self, encoder: Encoder) -> None:
        """Copy the tensors of the file into `encoder`, by name. Raises UserError when they do not fit."""

    def encoder(self) -> Encoder | None:
        """The whole encoder that they are, where it is one of ours."""

    def vectors(self) -> Any:
        """The word vectors that they are or hold (`parts/word_vectors`). Raises UserError when there are none."""


class Encoder(nn.Module, ABC):
    """What is kept when training ends: the product. Subclasses live in `encoders/` and know no loss.

    `spec` rebuilds it (`encoders.build(**spec)`) and travels beside the weights in ``encoder.safetensors``.
    """

    sees: ClassVar[tuple[str, ...]] = ()
    """The kinds of sample that it takes; empty for all. A literal: it is read from the file's text."""
    dim: int
    """Width of `forward`'s output."""
    spec: dict[str, Any]
    """JSON-able: "name", "input" (what the encoder expects: size, channels, mean, std for images) and its own
    arguments."""

    @abstractmethod
    def layers(self, x: Any, **masks: Tensor) -> list[Tensor]:
        """Every layer's features, first to last, each [B, C, *positions]."""

    def local(self, x: Any) -> Tensor:
        """The last features that still have positions: [B, C, *positions]."""
        return self.layers(x)[-1]

    forward: Callable[..., Tensor]
    """``forward(x, **masks)``: [B, dim]: pooled over positions, or positions flattened, as the encoder's `pool`
    says."""

    def start(self, given: Start) -> None:
        """Take the weights that a user wants to start from. Raises UserError when they do not fit."""
        given.load_into(self)


class Player(NamedTuple):
    """One side of a game. Most methods have one."""

    name: str
    groups: list[Group]
    """Each ``{"params": [...]}`` and, optionally, "lr_scale", "weight_decay", "betas", "momentum", "schedule"."""
    turns: int = 1
    """Optimiser steps, each on a fresh batch, that this player takes in one step of the clock."""


class Clock:
    """Where training stands. `step` counts calls of `after_step`; both it and `epoch` start at 0."""

    def __init__(self, seed: int = 0, steps: int = 1) -> None:
        self.seed = seed
        self.steps = steps
        self.step = 0
        self.epoch = 0
        self.resets: set[str] = set()

    @property
    def progress(self) -> float:
        """The part of training that is done: 0 before the first step, 1 after the last."""
        return min(self.step / max(self.steps, 1), 1.0)

    def reset(self, player: str) -> None:
        """Forget `player`'s optimiser state before its next turn (DeepCluster's new head has no past)."""
        self.resets.add(player)


class Method(nn.Module, ABC):
    """A self-supervised method: abstract here, and every subclass final.

    Hyper-parameters are the typed, documented arguments of ``__init__`` after `encoder`; the command line, the YAML
    file and the documentation all read that signature. Everything that training changes is a parameter or a buffer.

    `recipe`, `sees`, `network` and `stepper` are read from the file's text too, so that listing methods imports no
    torch: write literals.
    """

    recipe: ClassVar[dict[str, Any]] = {}
    """The method's own defaults for `Recipe`, where they differ from the recipe's."""
    sees: ClassVar[tuple[str, ...]] = ()
    """The kinds of sample that it learns from; empty for all. A method with a file a kind (``NAME/KIND.py``) need not
    say it."""
    network: ClassVar[str] = ""
    """The encoder that it is given unless the user chooses one; empty for the kind's own."""
    stepper: ClassVar[str] = "descent"
    """How it is stepped: the file of `steps/` that does it."""
    unit: ClassVar[str] = ""
    """What its speed is counted in; empty for what its samples are called."""

    # What the method promises: True, or one sentence that says why it cannot. The contract test checks what is
    # promised.
    deterministic: ClassVar[bool | str] = True
    """Same seed, same bytes; and stopping and resuming gives the bytes of never stopping."""
    distributed: ClassVar[bool | str] = True
    """One rank and several give the same parameters to 1e-5."""
    gradient: ClassVar[bool | str] = True
    """Trained by `forward` and back-propagation (counting is not)."""

    encoder: Encoder
    views: Views

    @property
    def kept(self) -> Encoder:
        """The encoder that a run keeps.

        `encoder`, unless the method says that another, such as its average, is the better one.
        """
        return self.encoder

    def prepare(self, source: Source) -> None:
        """Called once with the bound source, before training and before loading a checkpoint.

        Sizes, class counts, colour priors and empty banks are made here; must give the same shapes for the same source.
        Raises ValueError with one clear sentence when the data cannot serve the method.
        """

    def order(self, epoch: int, seed: int, n: int) -> Index:
        """The order in which an epoch visits the n samples: a permutation, unless the method samples otherwise.

        A pure function of its arguments and of the method's saved state. May be longer or shorter than n.
        """
        return np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(n)

    def players(self) -> list[Player]:
        """Who moves, in turn. Default: one player that owns all parameters that want gradients."""
        return [Player("main", [{"params": [p for p in self.parameters() if p.requires_grad]}])]

    forward: Callable[..., Outputs]
    """``forward(*, player, clock, **batch)``, the batch as the views name it: what an objective is, in full view.

    Returns "loss" (a scalar tensor), scalars to plot, and tensors for `after_step`. Reads state, never writes it. A
    pretext with right answers also returns "accuracy" and "chance", both in [0, 1].
    """

    def before_epoch(self, clock: Clock, embed: Embed) -> None:
        """Re-cluster, average predictions.

        ``embed(views, layer)`` is [N, D] in data set order, on the method's device.
        """

    def after_step(self, clock: Clock, outputs: Outputs) -> None:
        """All state changes: momentum copy, queue, bank, centre.

        Called once a step, under no_grad, with every rank in step.

        `outputs` are the players' outputs merged (a player's last turn counts), micro-batches joined along the batch
        axis. Gathered over ranks they come rank by rank: with several ranks and micro-batches that is a permutation of
        one rank's order.
        """


class Compiled(Method):
    """A method whose steps are compiled loops over arrays of its own (words, n-grams) instead of `forward` and back-propagation.

    `prepare` keeps what it needs of the source. It runs in one process, on the CPU, with as many threads as it likes.
    """

    stepper = "slices"
    gradient = "its steps are compiled loops without gradients"
    distributed = "it trains in one process, with threads"

    @abstractmethod
    def steps_in_epoch(self) -> int:
        """How many slices an epoch is cut into, at least 1; each is one step of the clock."""

    @abstractmethod
    def advance(self, clock: Clock, rate: float, start: int) -> Outputs:
        """Train on slice `start` of the epoch `clock.epoch` at learning rate `rate`, changing parameters and buffers in place.

        A pure function of the state, (seed, epoch, start) and `rate`, unless the method states that it is not
        `deterministic`. Returns "loss", scalars to plot, and how much it saw under the name of its `unit` ("words": a
        number, which counts towards the speed).
        """

    def forward(self, **_: Any) -> Outputs:
        """Not used. Raises RuntimeError."""
        raise RuntimeError(f"{type(self).__name__} trains by advance, not by forward")


@runtime_checkable
class Outside(Protocol):
    """A module inside a method, part of whose state is kept outside the checkpoints, and goes back in time with them."""

    def attach(self, folder: Path, train: bool = True) -> None:
        """`folder`, inside the run's, is for this module alone.

        Called before training or loading; `train` False: it is only read.
        """

    def saving(self, step: int, wanted: Collection[int]) -> None:
        """The checkpoint of `step` is about to be written, and of older ones those of the steps `wanted` are there.

        Loading the state that it holds must bring back the outside as it is now. Called on the first rank.
        """


def outside(method: nn.Module, folder: Path, train: bool = True) -> list[Outside]:
    """The modules of `method` that keep state outside the checkpoints, each told of a folder of its own inside `folder`."""
    found = [(name, module) for name, module in method.named_modules() if isinstance(module, Outside)]
    for name, module in found:
        module.attach(folder / name, train)
    return [module for _, module in found]


@runtime_checkable
class Remembers(Protocol):
    """A method that keeps a feature of every training sample.

    Nearest neighbours can ask it without embedding anything.
    """

    def features(self, x: Tensor) -> Tensor:
        """The space of what is remembered: [B, C, S, S] to [B, D]."""

    def remembered(self, index: Tensor) -> Tensor:
        """What it keeps of the training samples `index`, int64 [B]: [B, D]."""


@runtime_checkable
class Shows(Protocol):
    """A method that can show what it makes of samples (reconstructions, rotations) for the report."""

    def show(self, **batch: Any) -> Sequence[Any]:
        """What a person can look at, of types of `parts.shown`: Pictures, Curves, Sounds and Tables, a row each.

        `batch` is what `forward` would get of a few samples.
        """


@runtime_checkable
class Classifies(Protocol):
    """A method that learns to name classes, and how to ask it."""

    def classify(self, image: Tensor) -> Tensor:
        """One score per class, the largest for the class that it believes in: [B, C, S, S] to [B, K]."""


@runtime_checkable
class Scores(Protocol):
    """A method that scores sequences: language models."""

    def score(self, text: str) -> list[tuple[str, float]]:
        """The tokens of `text`, an end mark last, each with the natural logarithm of its probability given those before it.

        A token that it does not know counts with the probability of all such tokens together.
        """

    def unknown(self, text: str) -> list[str]:
        """The tokens of `text` that it does not know, in order; none where any text can be spelt."""


@runtime_checkable
class ScoresCorpus(Protocol):
    """A language model over the words of its encoder, which scores a whole corpus at once."""

    def score_ids(self, ids: NDArray[np.int32], sentences: NDArray[np.int64]) -> NDArray[np.float64]:
        """log P of each token and of each sentence's end, sentence by sentence: float64 [N + S].

        `ids`, int32 [N], are the places of the tokens among ``encoder.words``, V for any other; `sentences`, int64 [S +
        1], where each sentence begins, and the end.
        """


@runtime_checkable
class Generates(Protocol):
    """A method that continues a prompt or draws new samples."""

    def generate(self, prompt: Any, length: int, seed: int) -> Any:
        """`length` more units after `prompt`."""


__all__ = [
    "Batch",
    "Classifies",
    "Clock",
    "Compiled",
    "Embed",
    "Encoder",
    "Generates",
    "Group",
    "Index",
    "Labels",
    "Method",
    "Outputs",
    "Outside",
    "Params",
    "Player",
    "Raw",
    "Remembers",
    "Scores",
    "ScoresCorpus",
    "Shows",
    "Source",
    "Start",
    "Views",
    "final",
    "given",
    "outside",
]
