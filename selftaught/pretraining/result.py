"""What a run gives back: the encoder, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np
import safetensors.torch
from numpy.typing import NDArray

from selftaught import encoders
from selftaught.config import Config, Layer, resolve
from selftaught.data import open_source
from selftaught.data.hidden import revealed
from selftaught.data.text import open_text
from selftaught.errors import UserError
from selftaught.method import Classifies, Encoder, Method, Source, outside
from selftaught.parts.word_vectors import Worded, WordVectors
from selftaught.pretraining.build import build, open_data, untrained
from selftaught.run import RunFolder

if TYPE_CHECKING:
    from selftaught.evaluate.language import Scored

QUICK = (2000, 1000)
"""Training and test samples of a quick probe."""


@final
class Run:
    """A run folder, or an encoder.safetensors alone.

    Attributes:
        path: The folder, or the file.
        interrupted: Number of the signal that ended the training early, else None.
    """

    def __init__(self, path: Path, *, encoder: Encoder | None = None, data: Any = None, interrupted: int | None = None) -> None:
        self.path = path
        self.interrupted = interrupted
        self._encoder = encoder
        self._data = data

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @property
    def folder(self) -> RunFolder:
        """The run folder. Raises UserError when this is a file of weights alone."""
        if self.path.is_file():
            raise UserError(f"{self.path} is a file of weights, not a run folder: name the run that it came from")
        return RunFolder.open(self.path)

    @property
    def config(self) -> Config:
        """The resolved configuration of the run."""
        return stored(self.folder)

    @property
    def summary(self) -> dict[str, Any]:
        """What summary.json holds: steps, seconds, the probe once it was made."""
        return self.folder.summary

    @property
    def encoder(self) -> Encoder:
        """The trained encoder. Raises UserError while the run is unfinished."""
        if self._encoder is None:
            path = self.path
            if path.is_dir():
                path = self.folder.path / "encoder.safetensors"
                if not path.exists():
                    raise UserError(f"the run {self.path} is not finished: continue it with 'selftaught resume {self.path}'")
            self._encoder = encoders.load(path)
        return self._encoder

    @property
    def vectors(self) -> WordVectors:
        """The word vectors of an encoder of text. Raises UserError when it has none."""
        from selftaught.evaluate.words import vectors_of

        return vectors_of(self.encoder)

    def neighbours(self, word: str, k: int = 10) -> list[tuple[str, float]]:
        """The k nearest words of `word`, each with its cosine. Raises UserError, with near spellings, for a word without a vector."""
        from selftaught.evaluate import words

        return words.nearest(self.vectors, word, k)

    def analogy(self, a: str, b: str, c: str, k: int = 10, *, method: Literal["add", "mul"] = "add") -> list[tuple[str, float]]:
        """The k best words for a : b :: c : ?, each with its score, see `evaluate.words.answers`. Raises UserError as `neighbours`."""
        from selftaught.evaluate import words

        return words.answers(self.vectors, a, b, c, k, method=method)

    def sources(self, data: Any = None, limits: tuple[int | None, int | None] = (None, None)) -> tuple[Source, Source]:
        """The training and the test part of `data`, by default of what the run was trained on, whole."""
        given = self._given(data)
        return self._open(given, "train", limits[0]), self._open(given, "test", limits[1])

    def _open(self, data: Any, split: Literal["train", "test", "all"], limit: int | None) -> Source:
        """As the encoder needs it: images, or text split as the encoder's words were."""
        seen = self.encoder.spec["input"]
        if seen.get("kind") != "text":
            return open_source(data, split, limit)
        own = self.config.data if self.path.is_dir() else {}
        how = {key: own[key] for key in ("errors", "column")} if own and own["source"] == data else {}  # what fitted the run's own data
        return open_text(data, split, limit, tokens=seen["tokens"], lower=seen["lower"], **how)

    def embed(
        self, data: Any, *, split: Literal["train", "test", "all"] = "all", limit: int | None = None, batch_size: int = 512
    ) -> NDArray[np.float32]:
        """float32 [N, dim]: the encoder's features of what `pretrain` takes as data. Raises UserError where they do not fit."""
        from selftaught import evaluate

        features: NDArray[np.float32] = evaluate.embed(self.encoder, self.fitting(self._open(data, split, limit)), batch_size)
        return features

    def probe(
        self, data: Any = None, *, seed: int = 0, quick: bool = False, pool: Literal["mean", "sif"] = "mean",
        say: Callable[[str], None] | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Judge the encoder beside itself untrained and the raw input; percent. Written to summary.json of a run folder.

        A method that learns to name classes is also asked itself, on the test part of what it trained on: "classifier". Without `data`
        word vectors are judged by people's ratings and analogies, see `evaluate.words.judge`: "words"; labelled text, named or trained
        on, is classified by its averaged vectors.

        Args:
            data: Labelled data; by default what the run was trained on.
            seed: Of the draws of labels, and of the untrained weights where the run's own are not known.
            quick: Use at most 2,000 training and 1,000 test samples.
            pool: How the words of a text are averaged, see `evaluate.documents`.
            say: Called with a line at each stage.

        Raises:
            UserError: The data have no labels.
        """
        from selftaught import evaluate

        seen = self.encoder.spec["input"]
        before = untrained(self.config, seen) if self.path.is_dir() else evaluate.fresh(self.encoder, seed)
        found: dict[str, Any] = {}
        if data is None and isinstance(self.encoder, Worded):
            found["words"] = evaluate.words.judge(self.vectors, evaluate.words.vectors_of(before), say=say)
        if "words" not in found or (self.path.is_dir() and self.config.data["split"] != "all"):
            train, test = self.sources(data, QUICK if quick else (None, None))
            self.fitting(train)
            judged: dict[str, Any]
            if seen.get("kind") == "text":
                judged = evaluate.documents(self.encoder, train, test, seed, pool=pool, untrained=before, say=say)
            else:
                judged = evaluate.probe(self.encoder, train, test, seed, untrained=before, say=say)
            found["probe"] = judged | {"data": self.named(data), "quick": quick}
            if self.path.is_dir() and data is None:
                found["probe"] |= self._classifier(train, test)
        if self.path.is_dir():
            folder = self.folder
            with folder.lock():
                folder.update_summary(**found)
        result = dict(found.get("probe", {}))
        return result | ({"words": found["words"]} if "words" in found else {})

    def score(self, texts: Sequence[str], *, per_token: bool = False) -> list[Scored]:
        """How probable a language model finds sentences, the most probable first (or per token): see `evaluate.language.Scored`.

        Needs the run folder alone, not the text that was learned from. Raises UserError when its method scores none, for no sentence, and
        for one without a word.
        """
        from selftaught.evaluate.language import ranked
        from selftaught.pretraining.language import language_model

        if not texts:
            raise UserError(f"no sentence is given: 'selftaught score {self.path} \"a sentence\"'")
        return ranked(language_model(self), texts, per_token)

    def _classifier(self, train: Source, test: Source) -> dict[str, Any]:
        from selftaught import evaluate, methods

        if not issubclass(methods.load(self.config.method), Classifies):
            return {}
        method = self.method(open_data(self.config, self._data)[0])  # of what it trained on: a memory has a row for each sample
        accuracy = evaluate.classifier(method, train, test)
        return {} if accuracy is None else {"classifier": {"accuracy": accuracy, "labels": self.config.data["labels"] or "all"}}

    def report(self) -> Path:
        """Write RUN/report.html; what cannot be shown (the data are gone) is left out and said there."""
        from selftaught import report

        folder = self.folder
        if self.encoder.spec["input"].get("kind") == "text":  # its pictures are of words, and need no text
            return report.write(folder, encoder=self.encoder)
        try:
            source = open_data(self.config, self._data)[0]
        except UserError:
            return report.write(folder, encoder=self.encoder)
        held_out = self._open(self._given(None), "test", None) if self.config.data["split"] == "train" else None
        return report.write(folder, encoder=self.encoder, method=self.method(source), source_train=revealed(source), source_test=held_out)

    def method(self, source: Source) -> Method:
        """The whole trained method, heads included, prepared for `source`, in eval mode."""
        method = build(self.config, source)
        method.prepare(method.views.bind(source))
        outside(method, self.path / "banks", train=False)
        try:
            method.load_state_dict(safetensors.torch.load_file(self.path / "method.safetensors"))
        except (OSError, RuntimeError, safetensors.SafetensorError) as error:
            file = self.path / "method.safetensors"
            raise UserError(f"{file} cannot be read: continue the run with 'selftaught resume {self.path}'") from error
        return method.eval()

    def fitting(self, source: Source) -> Source:
        """`source`, if it has the channels that the encoder was made for. Raises UserError otherwise."""
        wanted, there = self.encoder.spec["input"].get("channels"), getattr(source, "channels", None)
        if there is not None and there != wanted:
            raise UserError(f"the encoder of {self.path} sees images of {wanted} channels, these have {there}: convert them first")
        return source

    def named(self, data: Any = None) -> str:
        """What to call the data in a sentence."""
        given = self._given(data)
        return str(given) if isinstance(given, str | Path) else "the data in memory"

    def _given(self, data: Any) -> Any:
        given = data if data is not None else self._data
        if given is None:
            given = self.config.data["source"]
        if given is None:
            raise UserError(f"the run {self.path} was trained on data in memory: name the data to judge it by")
        return given


def stored(folder: RunFolder) -> Config:
    """The configuration that a run folder holds."""
    layer = Layer.of(folder.config, str(folder.path / "config.yaml"))
    return resolve(layer, in_memory=layer.values.get("data.source") is None)


def load(path: str | Path) -> Run:
    """A finished run: a run folder, or an encoder.safetensors. Raises UserError when it is neither."""
    path = Path(path)
    if not path.is_file():
        RunFolder.open(path)
    run = Run(path)
    _ = run.encoder  # what cannot be read is said here, not at first use
    return run
