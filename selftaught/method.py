"""The interface of self-supervised methods.

Data flows in one direction::

    Source --fetch--> raw batch --Views.sample/apply--> tensors --Method.forward--> loss

State changes in one place only: `Method.after_step`. `forward` reads buffers and never writes them, so accumulating
gradients, alternating players and replaying a step after a crash can never push a key twice.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
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
Terms = Mapping[str, tuple[str, ...]]


class Views(ABC):
    """Make the views of samples for a method: draw random parameters, then apply them to the whole batch."""

    def bind(self, source: Source) -> Source:
        """Return the source of the units that training iterates over, such as text windows, sentence pairs or clips."""
        return source

    def unused(self) -> dict[str, str]:
        """Return {option: why} for options of the views without an effect on these samples.

        `why` is a sentence. It refuses an option that a user asked for.
        """
        return {}

    @abstractmethod
    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Draw random parameters for the samples at `index`: a pure function of (seed, epoch, sample index, view).

        The first axis of each entry is the batch, so that any split of a batch over ranks or workers draws the same
        numbers.
        """

    @abstractmethod
    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the inputs of `forward` by name: tensors (or lists of tensors, for multi-crop) on `device`.

        "index" and "label" are passed through if the raw batch has them.
        """


class Embed(Protocol):
    """Embeds the whole data set with the method's encoder in eval mode, for `Method.before_epoch`.

    An encoder whose batch norm has seen no batch yet gets the statistics of some of the data for that time.
    """

    def __call__(self, views: Views, layer: int | None = None, index: Index | None = None) -> Tensor:
        """Return the features, [N, D], of every sample in data set order, or of the samples `index`, int64 [N].

        They are those of a layer, flattened, if it is given.
        """

    def parts(self, views: Views, layer: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield samples, int64 [B], with their features [B, D]: all samples, and never many at a time."""


def given(batch: Batch) -> tuple[Any, dict[str, Any]]:
    """Return the encoder's own arguments in a batch of plain views: the first, and the masks by name."""
    first, *others = (key for key in batch if key not in BESIDE)
    return batch[first], {key: batch[key] for key in others}


class Start(Protocol):
    """Weights that a user selects with ``--init``: a run, a file of weights, or a file of word vectors."""

    def load_into(self, encoder: Encoder) -> None:
        """Copy the tensors of the file into `encoder`, by name. Raises UserError if they do not fit."""

    def vectors(self) -> Any:
        """The word vectors that they are or contain (`parts/word_vectors`). Raises UserError if there are none."""

    def subwords(self) -> Any:
        """The rows of words and character n-grams in them (`parts/subword_rows`), or None if there are none."""

    def symbols(self) -> tuple[Sequence[str], Mapping[str, Tensor]] | None:
        """The words of an encoder that numbers them, and its tensors by name; None for other files."""

    def tell(self, what: str) -> None:
        """Say to the user what was taken: "3 of 12,210 words ...". Called once, after the weights were loaded."""


class Encoder(nn.Module, ABC):
    """The network that is kept when training ends. Subclasses are in `encoders/` and do not contain losses.

    `spec` rebuilds it (`encoders.build(**spec)`) and is saved with the weights in ``encoder.safetensors``.
    """

    sees: ClassVar[tuple[str, ...]] = ()
    """The kinds of sample that it takes; empty for all. Must be a literal, because it is read from the file's text."""
    effects: ClassVar[dict[str, Any]] = {}
    """What arguments need of others to have an effect: see `config.effects`. Must be a literal as well."""
    dim: int
    """Width of `forward`'s output."""
    spec: dict[str, Any]
    """JSON-able: "name", "input" (the expected input: size, channels, mean, std for images) and its own arguments."""

    @abstractmethod
    def layers(self, x: Any, **masks: Tensor) -> list[Tensor]:
        """Return the features of every layer, first to last, each [B, C, *positions]."""

    def local(self, x: Any) -> Tensor:
        """Return the last features that have positions: [B, C, *positions]."""
        return self.layers(x)[-1]

    forward: Callable[..., Tensor]
    """``forward(x, **masks)``: [B, dim], pooled over positions or with flattened positions, as set by the encoder's
    `pool`.
    """

    def start(self, given: Start) -> None:
        """Load the weights that a user wants to start from. Raises UserError if they do not fit."""
        given.load_into(self)


class Player(NamedTuple):
    """One set of parameters with its own optimiser, such as one side of a game. Most methods have one player."""

    name: str
    groups: list[Group]
    """Each is ``{"params": [...]}`` with optional "lr_scale", "weight_decay", "betas", "momentum" and "schedule"."""
    turns: int = 1
    """Optimiser steps, each on a fresh batch, that this player makes in one step of the clock."""


class Planned(NamedTuple):
    """The length of a run."""

    steps: int
    epochs: float
    samples: int
    """Samples in all steps together, counted as often as they are seen."""


class Clock:
    """The progress of training. `step` counts calls of `after_step`; both it and `epoch` start at 0."""

    def __init__(self, seed: int = 0, steps: int = 1) -> None:
        self.seed = seed
        self.steps = steps
        self.step = 0
        self.epoch = 0
        self.resets: set[str] = set()

    @property
    def progress(self) -> float:
        """The completed share of training: 0 before the first step, 1 after the last."""
        return min(self.step / max(self.steps, 1), 1.0)

    def reset(self, player: str) -> None:
        """Reset the optimiser state of `player` before its next turn (DeepCluster replaces its head, for example)."""
        self.resets.add(player)


class Method(nn.Module, ABC):
    """A self-supervised method. This class is abstract, and every subclass is final.

    Hyper-parameters are the typed, documented arguments of ``__init__`` after `encoder`. The command line, the YAML
    file and the documentation all read that signature. Everything that training changes is a parameter or a buffer.

    `recipe`, `sees`, `network`, `stepper`, `uses_labels` and `effects` must be literals: they are also read from the
    file's text, so that listing methods does not import torch.
    """

    recipe: ClassVar[dict[str, Any]] = {}
    """Values of `Recipe` that differ from its defaults for this method."""
    sees: ClassVar[tuple[str, ...]] = ()
    """The kinds of sample that it learns from; empty for all. Not needed for a method with one file per kind
    (``NAME/KIND.py``).
    """
    network: ClassVar[str | tuple[str, ...]] = ""
    """The default encoder; empty for the default of the kind. Of several, the first that takes the kind of sample."""
    stepper: ClassVar[str] = "descent"
    """The file of `steps/` that defines how it makes a step."""
    uses_labels: ClassVar[bool] = False
    """Whether it learns from labels."""
    effects: ClassVar[dict[str, Any]] = {}
    """What arguments need of others to have an effect, ``{"margin": {"loss": ("triplet",)}}``: see `config.effects`."""
    together: int = 1
    """The smallest micro-batch, over all ranks: 2 if its samples are each other's negatives, or have a variance."""
    unit: ClassVar[str] = ""
    """The unit in which its speed is counted; empty for the name of its samples."""

    # The guarantees of the method: True, or one sentence that says why it cannot give one. The contract test checks the
    # guarantees.
    deterministic: ClassVar[bool | str] = True
    """The same seed gives the same bytes, and a resumed run gives the bytes of a run without a stop."""
    extends: ClassVar[bool | str] = True
    """A finished run can be continued with more steps."""
    distributed: ClassVar[bool | str] = True
    """One rank and several ranks give the same parameters to 1e-5."""
    gradient: ClassVar[bool | str] = True
    """Trained by `forward` and back-propagation (counting is not)."""

    encoder: Encoder
    views: Views

    @property
    def kept(self) -> Encoder:
        """The encoder that a run keeps.

        This is `encoder`, unless the method uses a better one, such as its moving average.
        """
        return self.encoder

    def unused(self, planned: Planned) -> dict[str, str]:
        """Return {option: why} for the options that do nothing in a run of this length, on the data it is prepared for.

        `why` is a sentence that names the option and says what to do. It refuses the option if a user asked for it, and
        is said otherwise; see `pretraining.in_use`. A field of `Recipe` is an option too.
        """
        if self.extends is True or planned.epochs <= 1:
            return {}
        said = f"{planned.epochs:.3g} epochs are no better than one, because {self.extends}: use --epochs 1"
        return dict.fromkeys(("steps", "epochs", "minutes"), said)

    def resolved(self) -> dict[str, Any]:
        """Return the arguments that the machine decides, as they came out, by name. A resumed run uses these."""
        return {}

    def prepare(self, source: Source) -> None:
        """Called once with the bound source, before training and before loading a checkpoint.

        Creates sizes, class counts, colour priors and empty banks, with the same shapes for the same source. Raises
        ValueError with one clear sentence if the data is not suitable for the method.
        """

    def order(self, epoch: int, seed: int, n: int) -> Index:
        """Return the order in which an epoch visits the n samples; by default a permutation.

        It is a pure function of its arguments and of the method's saved state. It may be longer or shorter than n.
        """
        return np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(n)

    def players(self) -> list[Player]:
        """Return the players in turn. By default one player has all parameters that require gradients."""
        return [Player("main", [{"params": [p for p in self.parameters() if p.requires_grad]}])]

    forward: Callable[..., Outputs]
    """``forward(*, player, clock, **batch)``, with the batch as named by the views, computes the objective.

    Returns "loss" (a scalar tensor), its `terms`, scalars to plot, and tensors for `after_step`. It reads state and
    never writes it. A pretext task with correct answers also returns "accuracy" and "chance", both in [0, 1].
    """

    def terms(self) -> Terms:
        """Return what the gradient of each term of the loss reaches, by the term's name in the outputs of `forward`.

        Names are of parts of the method (attributes: modules or parameters) and of views (arguments of `forward`). The
        loss is a weighted sum of the terms, which `forward` returns with their gradients, and of nothing else. With
        several players these are the terms of the first. Empty, the default: one term, "loss", which reaches all that
        the player owns. The contract test checks the statement and compares each gradient with finite differences.
        """
        return {}

    def targets(self) -> tuple[str, ...]:
        """Return the names of the values that `forward` passes through `parts.target`: no gradient flows there.

        One entry for each value: two of the same name are named twice.
        """
        return ()

    def before_epoch(self, clock: Clock, embed: Embed) -> None:
        """Called before each epoch, for example to re-cluster or to average predictions.

        ``embed(views)`` is [N, D] in data set order, on the method's device; ``embed.parts(views)`` are the same
        features part by part, for what would not fit in memory. See `Embed`.
        """

    def after_step(self, clock: Clock, outputs: Outputs) -> None:
        """Make all state changes: momentum copy, queue, bank, centre.

        Called once per step, under no_grad, on all ranks.

        `outputs` are the merged outputs of the players (of a player's last turn), with micro-batches concatenated along
        the batch axis. Gathered over ranks they are in the order of the ranks: with several ranks and micro-batches
        this is a permutation of the order on one rank.
        """


class Compiled(Method):
    """A method whose steps are compiled loops over its own arrays (words, n-grams), without `forward` and gradients.

    `prepare` keeps what it needs of the source. The method runs in one process, on the CPU, with any number of threads.
    """

    stepper = "slices"
    gradient = "its steps are compiled loops without gradients"
    distributed = "it trains in one process, with threads"

    threads: int = 1
    """The number of threads; 0 as an argument is one per core."""

    def resolved(self) -> dict[str, Any]:
        """Return the number of threads."""
        return {"threads": self.threads}

    @abstractmethod
    def steps_in_epoch(self) -> int:
        """Return the number of slices of an epoch, at least 1. Each slice is one step of the clock."""

    @abstractmethod
    def advance(self, clock: Clock, rate: float, start: int) -> Outputs:
        """Train on slice `start` of the epoch `clock.epoch` at learning rate `rate`, in place.

        A pure function of the state, (seed, epoch, start) and `rate`, unless the method states that it is not
        `deterministic`. Returns "loss", scalars to plot, and the amount of data under the name of its `unit` ("words":
        a number, from which the speed is computed).
        """

    def forward(self, **_: Any) -> Outputs:
        """Not used. Raises RuntimeError."""
        raise RuntimeError(f"{type(self).__name__} trains by advance, not by forward")


@runtime_checkable
class Outside(Protocol):
    """A module inside a method that keeps part of its state outside the checkpoints, and restores it with them."""

    def attach(self, folder: Path, train: bool = True) -> None:
        """Receive a `folder` inside the run's folder, for this module alone.

        Called before training or loading. With `train` False it is only read.
        """

    def saving(self, step: int, wanted: Collection[int]) -> None:
        """Called before the checkpoint of `step` is written; checkpoints of the steps `wanted` are kept.

        Loading the state in this checkpoint must restore the external state as it is now. Called on the first rank.
        """


def outside(method: nn.Module, folder: Path, train: bool = True) -> list[Outside]:
    """Return the modules of `method` with state outside the checkpoints, each attached to a folder in `folder`."""
    found = [(name, module) for name, module in method.named_modules() if isinstance(module, Outside)]
    for name, module in found:
        module.attach(folder / name, train)
    return [module for _, module in found]


@runtime_checkable
class Acts(Protocol):
    """A method that learns by acting in environments (its `stepper` is "acting"): a policy with a memory.

    Its views make a batch of stretches: [N, T, ...] each, and "start", bool [N, T], True at the first moment of an
    episode. `forward` gets stretches of `stretch() + 1` moments, the last of which is not acted on yet, with "action"
    int64 and "reward" float32 [N, T], and "memory", the memory before the first moment.
    """

    def stretch(self) -> int:
        """Return the number of moments in which it acts between two updates."""

    def empty(self, count: int, /) -> Tensor:
        """Return the memories at the start of `count` episodes, [N, M]."""

    def act(self, memory: Tensor, greedy: bool = False, **batch: Any) -> tuple[Tensor, Tensor]:
        """Return an action for each environment, int64 [N], and the memories after it, [N, M].

        Args:
            memory: The memories before it.
            greedy: Take the most probable action instead of one that torch's random numbers draw.
            **batch: A view of stretches of one moment.
        """


@runtime_checkable
class ReadsOn(Protocol):
    """An encoder of text that reads symbol by symbol: the body of a language model, if it is `causal`.

    Symbols are numbers: the V words, then those of `parts.symbols`.
    """

    causal: bool
    """Whether the vectors of a symbol depend on nothing after it."""
    context: int
    """Number of symbols that it sees at once in training."""
    words: Sequence[str]
    """V, the most frequent first."""
    counts: NDArray[np.int64]
    """How often they occur, int64 [V]."""

    @property
    def index(self) -> dict[str, int]:
        """The number of each word."""

    @property
    def table(self) -> Tensor:
        """The vectors by which it reads the symbols, [V + 3, width]. They can predict the next symbol, too."""

    def hidden(self, ids: Tensor, cache: Any = None, /) -> list[Tensor]:
        """Return the vectors of symbols int64 [B, T] by layer, [B, T, width] each, the last ones last.

        With a `cache` of `empty` it goes on after the symbols before, and the cache takes the new ones in.
        """

    def empty(self, batch: int, /) -> Any:
        """Return a cache before the first symbols of `batch` texts. Its `length` is the number of symbols so far."""


@runtime_checkable
class Hides(Protocol):
    """An encoder of blocks over positions, such as patches or tokens, some of which can be hidden from it."""

    blocks: nn.ModuleList
    """The blocks in order. What one adds last to the vectors of the positions is the output of its "mlp"."""

    @property
    def grid(self) -> tuple[int, ...]:
        """The number of positions of a sample of full size, along each axis; P is their product."""

    def masked(self, x: Tensor, hide: Tensor, token: Tensor, mask: Tensor | None = None, /) -> tuple[Tensor, Tensor]:
        """Return the last vectors of the positions, [B, P, dim], and which of them are no padding, bool [B, P].

        Where `hide`, bool [B, P], the vector `token` [dim] is read in place of what is there; it still has its place.
        `x` and `mask` are the view of `views.crop`. The blocks see the positions last: others may come before them.
        """


@runtime_checkable
class Remembers(Protocol):
    """A method that keeps a feature of every training sample.

    kNN can use these features without embedding the samples.
    """

    def features(self, x: Tensor) -> Tensor:
        """Compute features in the space of the kept ones: [B, C, S, S] to [B, D]."""

    def remembered(self, index: Tensor) -> Tensor:
        """Return the kept features of the training samples `index`, int64 [B]: [B, D]."""


@runtime_checkable
class Patched(Protocol):
    """A method that learns from patches of samples.

    Its features may be averaged over many patches of a sample when they are judged.
    """

    def patched(self, count: int) -> Views:
        """Return views that give a list of `count` random patches of each sample, as in the training."""


@runtime_checkable
class Shows(Protocol):
    """A method that can show its outputs for samples (reconstructions, rotations) in the report."""

    def show(self, **batch: Any) -> Sequence[Any]:
        """Return rows to display, of the types of `parts.shown`: Pictures, Curves, Sounds and Tables.

        `batch` is what `forward` would get for a few samples.
        """


@runtime_checkable
class Groups(Protocol):
    """A method that has put the training samples into groups of its own, such as clusters."""

    def members(self) -> Tensor:
        """Return the group of each training sample, int64 [N]; -1 for samples in none."""


@runtime_checkable
class Classifies(Protocol):
    """A method that has a classifier."""

    def classify(self, image: Tensor, **masks: Tensor) -> Tensor:
        """Return one score per class, the largest for the predicted class: [B, C, S, S] to [B, K].

        `masks` are those of the plain views, if the kind has some.
        """


@runtime_checkable
class SeesDepth(Protocol):
    """A method that finds the disparity of pairs of pictures."""

    def disparity(self, left: Tensor, right: Tensor) -> Tensor:
        """Return by how many parts of its width what the left picture shows lies further left in the right one.

        Both are views without augmentation, [B, C, S, S]; the result is [B, S, S], at least 0.
        """


@runtime_checkable
class Independent(Protocol):
    """A classifier whose scores may be log-odds of each class by itself, instead of logits of a softmax over all."""

    @property
    def independent(self) -> bool:
        """Whether they are."""


@runtime_checkable
class Scores(Protocol):
    """A method that gives probabilities to sequences: a language model."""

    def score(self, text: str) -> list[tuple[str, float]]:
        """Return the tokens of `text` and an end mark, each with its log-probability given the earlier ones.

        Logarithms are natural. An unknown token has the probability of all unknown tokens together.
        """

    def unknown(self, text: str) -> list[str]:
        """Return the unknown tokens of `text`, in order; none if any text can be spelt."""


@runtime_checkable
class PseudoScores(Protocol):
    """A method that says how well each token fits the others of its text, which has no probability as a whole."""

    def pseudo_score(self, text: str) -> list[tuple[str, float]]:
        """Return the tokens of `text`, each with its natural log-probability given all others."""

    def unknown(self, text: str) -> list[str]:
        """Return the unknown tokens of `text`, in order."""


@runtime_checkable
class ScoresCorpus(Protocol):
    """A language model over the words of its encoder, which scores a whole corpus at once."""

    def score_ids(self, ids: NDArray[np.int32], sentences: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return log P of each token and of each sentence's end, sentence by sentence: float64 [N + S].

        `ids`, int32 [N], are the positions of the tokens in ``encoder.words``, V for any other token; `sentences`,
        int64 [S + 1], are the start of each sentence, and the end.
        """


class Level(NamedTuple):
    """The N n-grams of one length K of a back-off model."""

    tokens: NDArray[np.int32]
    """int32 [N, K]: numbers of words; V = any other word, V + 1 = the end of a sentence, V + 2 = its start."""
    probability: NDArray[np.float64]
    """float64 [N]: P(last token | the others); 0 for the start."""
    rest: NDArray[np.float64]
    """float64 [N]: what this history leaves to shorter ones."""


@runtime_checkable
class BacksOff(Protocol):
    """A language model of n-grams, each with a probability, that backs off to shorter ones."""

    words: Sequence[str]

    def levels(self) -> Iterator[Level]:
        """Yield the n-grams by length, from 1."""


@runtime_checkable
class Generates(Protocol):
    """A method that continues a text."""

    def generate(
        self, prompt: str, length: int, seed: int, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0
    ) -> Iterator[str]:
        """Yield what follows `prompt`, piece by piece, for up to `length` tokens; less if the text ends.

        The pieces are drawn by the model's probabilities, changed as `parts.sampling.draw` says. Unknown tokens are
        never drawn.
        """

    def unknown(self, text: str) -> list[str]:
        """Return the unknown tokens of `text`, in order."""


@runtime_checkable
class Rewrites(Protocol):
    """A method that writes a text for a text, such as its translation."""

    def rewrite(
        self, source: str, length: int, seed: int, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0
    ) -> Iterator[str]:
        """Yield what is written for `source`, piece by piece, as `Generates.generate` does."""

    def unknown(self, text: str) -> list[str]:
        """Return the unknown tokens of `text`, in order."""


__all__ = [
    "Acts",
    "BacksOff",
    "Batch",
    "Classifies",
    "Clock",
    "Compiled",
    "Embed",
    "Encoder",
    "Generates",
    "Group",
    "Groups",
    "Hides",
    "Independent",
    "Index",
    "Labels",
    "Level",
    "Method",
    "Outputs",
    "Outside",
    "Params",
    "Player",
    "PseudoScores",
    "Raw",
    "ReadsOn",
    "Remembers",
    "Rewrites",
    "Scores",
    "ScoresCorpus",
    "SeesDepth",
    "Shows",
    "Source",
    "Start",
    "Terms",
    "Views",
    "final",
    "given",
    "outside",
]
