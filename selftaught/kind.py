"""Kinds of sample (images, text, ...): how data are recognised and opened, and what an encoder is told about them.

A kind is found by its path: ``data/image/kind.py`` holds the kind ``image``, one final subclass of `Kind`. Its name is
also the name of the samples in a raw batch, of the "kind" in an encoder's input, and of its file in `views/`. Nothing
here imports torch, nor numpy before it is needed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, final

from selftaught.errors import UserError, expanded, unknown
from selftaught.parts.signature import Argument, subclasses

if TYPE_CHECKING:
    from selftaught.source import Raw, Source

Split = Literal["train", "test", "all"]
Progress = Callable[[int, int], None]
"""Called as ``progress(done, total)`` from the thread that asked for the work."""


def silent(done: int, total: int) -> None:
    """Reports nothing."""


class Kind(ABC):
    """One kind of sample. An instance holds how a user wants the data to be read.

    The options are the documented arguments of ``__init__``; the command line shows them as flags.

    Attributes:
        samples: What several samples are called in messages and in a run's summary: "images", "documents".
        network: The encoder that is trained unless a method or a user chooses another.
        like: Another kind, if encoders see of a sample what they see of one of that kind, and so all that take it fit:
            "image" where the views are images. Such a kind defines `alike`. Must be a literal.
        moments: Whether samples follow each other in time, and raw batches say where they are: "place", int64 [B, 3],
            scene, camera and time. Must be a literal.
        watched: Whether features are evaluated during training (online kNN, effective rank).
        effects: What options need from others to have an effect, see `config.effects`.
        requires: Packages that reading needs, and the extra that installs each: ``{"soundfile": "audio"}``.
        seed: Draws the samples if there is a limit, see `data.subset.draw`.
        groups: What says which samples stay on one side of a split, see `data.groups`; None = what the data say.
    """

    samples: ClassVar[str]
    network: ClassVar[str]
    like: ClassVar[str] = ""
    moments: ClassVar[bool] = False
    watched: ClassVar[bool] = True
    effects: ClassVar[Mapping[str, Any]] = {}
    requires: ClassVar[Mapping[str, str]] = {}
    seed: int = 0
    groups: Any = None

    @final
    def read(
        self, data: Any, split: Split, limit: int | None = None, progress: Progress = silent, labels: Any = None, *,
        seed: int = 0, groups: Any = None,
    ) -> Source:  # fmt: skip
        """Return what `open` does with this `seed` and these `groups`. Raises UserError if there are no groups."""
        asked = copy(self)
        asked.seed, asked.groups = seed, groups
        source = asked.open(data, split, limit, progress, labels)
        if groups is not None and source.groups is None:
            raise UserError(f"groups '{groups}' cannot be found in these {source.samples}: remove --groups")
        return source

    @classmethod
    def name(cls) -> str:
        """What the command line and an encoder's input call the kind: the name of the folder that it stands in."""
        return cls.__module__.split(".")[-2]

    @classmethod
    @abstractmethod
    def accepts(cls, data: Any) -> bool:
        """Whether `data`, a path or an object, looks like samples of this kind.

        It must be quick and raise nothing. It is not called for sources and names of the catalog, whose kind is known.
        """

    @classmethod
    def certain(cls, data: Any) -> bool:
        """Whether `data`, which it accepts, names itself as of this kind, so that no other kind is asked.

        Arrays may be of several kinds by their shapes, and of one by their names.
        """
        return False

    @abstractmethod
    def open(
        self, data: Any, split: Split, limit: int | None = None, progress: Progress = silent, labels: Any = None
    ) -> Source:
        """Open data as a source.

        Args:
            data: A path, a name of the catalog, an object, or a source, which is returned as it is.
            split: The part; data without a test part are split by content, 80/20.
            limit: At most so many samples, drawn by the seed.
            progress: Called as (done, total) while many files are read.
            labels: Labels of an object in memory, integers or names, one a sample.

        Raises UserError, one sentence, for what cannot be read.
        """

    def asked(self, data: Any) -> Source:
        """Open data whose classes a trained classifier is asked for: by default as `open` with the split "all".

        A source that knows what its samples are called has `names`, and what they are said to be, `truths`.
        """
        return self.open(data, "all")

    @abstractmethod
    def input(self, source: Source) -> dict[str, Any]:
        """The "input" of an encoder's spec: ``{"kind": name, ...}``, with sizes and statistics of the training data.

        It must be JSON-able.
        """

    def resolved(self, source: Source) -> dict[str, Any]:
        """The options, by name, that opening `source` has decided by its data. They are stored with the run.

        Read again with them, the same data give the same samples, and so do others, alike.
        """
        return {}

    def judged(self, source: Source) -> bool:
        """Whether there is something to judge a run on `source` by: labels, or what else a task of the kind compares.

        If so, a run by default trains on the training part alone.
        """
        return source.labelled

    @classmethod
    def reading(cls, input: Mapping[str, Any], options: Mapping[str, Any]) -> Self:
        """How to read data for a trained encoder with this `input`; `options` are those that it was trained with."""
        return cls(**options)

    @classmethod
    def alike(cls, raw: Raw) -> Raw:
        """Return a raw batch of the kind `like` as one of this kind, with what plain views need of it."""
        raise NotImplementedError(f"{cls.name()} must define alike, because it is like {cls.like}")

    @classmethod
    @abstractmethod
    def fits(cls, input: Mapping[str, Any], source: Source, where: str) -> None:
        """Raises UserError when the encoder at `where`, with this `input`, cannot see the samples of `source`."""

    @classmethod
    @abstractmethod
    def tell(cls, source: Source) -> dict[str, Any]:
        """What `selftaught data NAME` prints about an opened data set: counts and sizes by name."""


@final
@dataclass(frozen=True)
class Spec:
    """What the file of a kind says about it, read from its syntax tree."""

    name: str
    samples: str
    network: str
    like: str
    arguments: tuple[Argument, ...]
    effects: Mapping[str, Any]
    class_name: str
    moments: bool = False


@cache
def _catalogue() -> dict[str, Spec]:
    found = {}
    for path in sorted(Path(__file__).parent.glob("data/*/kind.py")):
        for declared in subclasses(path, "Kind"):
            name, own = path.parent.name, declared.attributes
            needs = own.get("effects", {})
            found[name] = Spec(
                name, own["samples"], own["network"], own.get("like", ""), declared.arguments, needs, declared.name,
                own.get("moments", False),
            )  # fmt: skip
    return found


def names() -> list[str]:
    """Every kind, sorted."""
    return sorted(_catalogue())


def describe(name: str) -> Spec:
    """What the kind's file says about it; nothing is imported. Raises UserError for an unknown name."""
    if name not in _catalogue():
        raise unknown("kind of sample", name, names())
    return _catalogue()[name]


def find(name: str) -> type[Kind]:
    """The kind's class. Raises UserError for an unknown name, and for a kind whose packages are not installed."""
    kind = _class(name)
    for package, extra in kind.requires.items():
        if find_spec(package) is None:
            raise UserError(f"reading {kind.samples} needs the package {package}: pip install 'selftaught[{extra}]'")
    return kind


def has_moments(name: str) -> bool:
    """Return whether samples of a kind follow each other in time (`Kind.moments`); False for a kind without a file."""
    return name in names() and describe(name).moments


def read_as(name: str, data: Any, listed: Mapping[str, str]) -> str:
    """Return the kind by which `data` are read for an encoder of the kind `name`: that, or the one that it is like.

    listed: The kind of each name of the catalog.
    """
    like = describe(name).like
    if not like:
        return name
    try:
        return of_data(data, (name, like), listed)
    except UserError:  # the encoder's own kind says what is wrong
        return name


def _class(name: str) -> type[Kind]:
    spec = describe(name)
    found: type[Kind] = getattr(import_module(f"selftaught.data.{name}.kind"), spec.class_name)
    return found


def of_source(source: Any) -> str | None:
    """The kind whose name is in the raw batches of `source`; None where there is none, or it is no source."""
    import numpy as np

    from selftaught.source import Source

    if not isinstance(source, Source) or len(source) == 0:
        return None
    batch = source.fetch(np.arange(1))
    return next((name for name in names() if name in batch), None)


def of_data(data: Any, among: Sequence[str], listed: Mapping[str, str]) -> str:
    """Which kind `data` is of.

    Args:
        data: A path, a name, an object or a source.
        among: The kinds that come into question, at least one.
        listed: The kind of each name of the catalog.

    Raises UserError when it is of none of them, or could be of several.
    """
    where = str(data) if isinstance(data, str | Path) else f"data of type {type(data).__name__}"
    if isinstance(data, str) and data in listed:
        found = [listed[data]]
    elif not isinstance(data, str | Path) and (name := of_source(data)) is not None:
        found = [name]
    elif len(among) == 1:  # what it is asked to read, it reads or says why not
        return among[0]
    else:
        found = [name for name in among if _class(name).accepts(data)]  # what reads others need not be installed
        found = [name for name in found if _class(name).certain(data)] or found
    kinds = [name for name in found if name in among]
    if len(kinds) > 1:
        called = " or ".join(describe(name).samples for name in kinds)
        raise UserError(f"{where} could be {called}: choose with --data.kind {' or --data.kind '.join(kinds)}")
    wanted = " or ".join(describe(name).samples for name in among)
    if not kinds and found:
        raise UserError(f"{where} holds {describe(found[0]).samples}, not {wanted}")
    if not kinds and isinstance(data, str | Path) and not expanded(data).exists():
        raise unknown("data", where, listed)
    if not kinds:
        raise UserError(
            f"{where} does not look like {wanted}: name the kind with --data.kind, or see what each reads in the "
            "documentation"
        )
    return kinds[0]
