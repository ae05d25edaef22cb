"""The result of a run: the encoder, and what can be done with it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, final

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray

from selftaught import kind as kinds
from selftaught.config import Config, Layer, resolve
from selftaught.data import catalog
from selftaught.data.alike import Alike
from selftaught.errors import UserError, unknown
from selftaught.export.reading import Errors
from selftaught.kind import Split
from selftaught.method import Encoder, Method, Source, outside
from selftaught.parts.word_vectors import Worded
from selftaught.pretraining.build import build, locate, open_data, type_of
from selftaught.pretraining.foreign import foreign
from selftaught.pretraining.judged import Judged
from selftaught.pretraining.tuned import restored
from selftaught.pretraining.weights import encoder_of
from selftaught.run import RunFolder, check_writable, write_atomically


@final
class Run:
    """A run folder, an encoder.safetensors alone, or a file of word vectors of any tool.

    What only some runs can do is asked elsewhere: neighbours of a word, analogies and scores of sentences in
    `selftaught.ask`.

    Attributes:
        path: The folder, or the file.
        interrupted: Number of the signal that ended the training early, else None.
    """

    def __init__(
        self,
        path: Path,
        *,
        encoder: Encoder | None = None,
        data: Any = None,
        interrupted: int | None = None,
        errors: Errors = "strict",
    ) -> None:
        self.path = path
        self.interrupted = interrupted
        self.data = data
        """The object that it was trained on, when that was neither a path nor a name."""
        self.errors = errors
        """What is done with words of a file that are not UTF-8."""
        self._encoder = encoder

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @property
    def is_run(self) -> bool:
        """Whether this is a run folder: more than weights alone."""
        return not self.path.is_file() and foreign(self.path) is None

    @property
    def folder(self) -> RunFolder:
        """The run folder. Raises UserError when this is a file or a Hugging Face folder of weights alone."""
        if not self.is_run:
            what = "file" if self.path.is_file() else "Hugging Face folder"
            raise UserError(f"{self.path} is a {what}, not a run folder: name the run that it came from")
        return RunFolder.open(self.path)

    @property
    def config(self) -> Config:
        """The resolved configuration of the run."""
        return stored(self.folder)

    @property
    def summary(self) -> dict[str, Any]:
        """The content of summary.json: steps, seconds, and the results of probing."""
        return self.folder.summary

    @property
    def encoder(self) -> Encoder:
        """The trained encoder. Raises UserError while the run is unfinished."""
        if self._encoder is None:
            self._encoder = encoder_of(self.path, self.errors)
        return self._encoder

    def method(self, source: Source | None = None) -> Method:
        """The whole trained method, heads included, in eval mode.

        Args:
            source: What it is prepared for; by default what it was trained on, labels hidden as then.
        """
        if (tuned := restored(self.folder, self.encoder)) is not None:
            return tuned
        source = open_data(self.config, self.data)[0] if source is None else source
        method = build(self.config, source)
        method.prepare(method.views.bind(source))
        outside(method, self.path / "banks", train=False)
        return with_weights(method, self.path)

    def untrained(self, source: Source | None = None) -> Method:
        """The whole method as it was before its first step, in eval mode: what its pretext is compared with.

        Args:
            source: What it is prepared for; by default what the run was trained on.
        """
        source = open_data(self.config, self.data)[0] if source is None else source
        method = build(self.config, source)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.recipe.seed)
            method.prepare(method.views.bind(source))
        return method.eval()

    def model(self) -> Method:
        """The method from its weights alone, without the data that it learned from, in eval mode.

        Enough for language models.
        """
        config = self.config
        made = type_of(config)(self.encoder, **config.method_arguments)
        return with_weights(made, self.path)

    def learned(self) -> Method:
        """The whole trained method, in eval mode: from its weights alone if they are enough, else with its data."""
        if (tuned := restored(self.folder, self.encoder)) is not None:
            return tuned
        try:
            return self.model()
        except UserError:  # parts of it were sized by the data
            return self.method()

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes of the data that it was trained on; empty if there are none or they are unknown."""
        found = self.folder.read_json("classes.json")
        if found is None:  # a run from before they were written down
            with suppress(UserError):
                found = open_data(self.config, self.data)[0].classes
        return tuple(found or ())

    def open(
        self,
        data: Any,
        split: Split,
        limit: int | None = None,
        *,
        seed: int = 0,
        groups: str | None = None,
        column: str | None = None,
        label_column: str | None = None,
    ) -> Source:
        """A source over `data`, read as the encoder needs it. Raises UserError where they do not fit.

        `seed` draws the samples of a limit. `groups`: see `data.groups`; by default those of the run for its own data.
        So it is with the columns of tables: `column` has the samples, `label_column` the labels.
        """
        seen = self.encoder.spec["input"]
        own = self.config.data if self.is_run else {}
        # what fitted the run's own data fits again
        known = isinstance(data, str | Path) and own.get("source") == locate(data)
        options = kinds.describe(seen["kind"]).arguments if known else ()
        own_kind = known or data is self.data
        kind = kinds.find(seen["kind"] if own_kind else kinds.read_as(seen["kind"], data, catalog.listed()))
        if groups is None and own and (known or data is self.data):
            groups = own["groups"]
        given = {option.name: own[option.name] for option in options}
        there = [option.name for option in kinds.describe(kind.name()).arguments]
        for names, value in ((("column", "image_column"), column), (("label_column",), label_column)):
            if value is not None:
                name = next((name for name in names if name in there), None)
                if name is None:
                    raise UserError(f"--{names[0].replace('_', '-')} has no effect on {kind.samples}: remove it")
                given[name] = value
        reading = kind.reading(seen, given)
        source = reading.read(data, split, limit, seed=seed, groups=groups)
        kind.fits(seen, source, str(self.path))
        return source if kind.name() == seen["kind"] else Alike(source, kinds.find(seen["kind"]))

    def asked(self, data: Any, **options: Any) -> Source:
        """A source over `data` whose classes the run's classifier is asked for; options of reading as in `pretrain`.

        Raises UserError where they do not fit, and for an option that this kind of sample does not have.
        """
        seen = self.encoder.spec["input"]
        known = [option.name for option in kinds.describe(seen["kind"]).arguments]
        for name in options:
            if name not in known:
                raise unknown("option of reading", name, known)
        kind = kinds.find(seen["kind"])
        source = kind.reading(seen, {name: self.config.data[name] for name in known} | options).asked(data)
        kind.fits(seen, source, str(self.path))
        return source

    def sources(
        self, data: Any = None, limits: tuple[int | None, int | None] = (None, None), **how: Any
    ) -> tuple[Source, Source]:
        """The training and the test part of `data`, by default of what the run was trained on; `how` as in `open`."""
        given = self.given(data)
        return self.open(given, "train", limits[0], **how), self.open(given, "test", limits[1], **how)

    def embed(
        self,
        data: Any,
        *,
        split: Split = "all",
        limit: int | None = None,
        batch_size: int = 128,
        layer: int | None = None,
        local: bool = False,
    ) -> NDArray[np.float32]:
        """The encoder's features of what `pretrain` takes as data: float32 [N, dim].

        Raises UserError where they do not fit.

        Args:
            data: What to embed.
            split: Part of the data.
            limit: Only so many samples, drawn from all classes alike.
            batch_size: Samples at a time.
            layer: Of another layer than the last, numbered from 0, or from the end: -1 is the last with positions.
            local: Keep positions, [N, C, *positions], instead of one vector a sample. See `evaluate.embed`.
        """
        from selftaught import evaluate

        source = self.open(data, split, limit)
        features: NDArray[np.float32] = evaluate.embed(self.encoder, source, batch_size, layer=layer, local=local)
        return features

    def probe(
        self,
        data: Any = None,
        *,
        seed: int = 0,
        quick: bool = False,
        groups: str | Path | None = None,
        column: str | None = None,
        label_column: str | None = None,
        say: Callable[[str], None] | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Judge the encoder by every task of `evaluate/tasks` that suits it. Written to summary.json of a run folder.

        A folder that cannot be written loses nothing but that: it is said first, and the result is returned.
        Features are judged beside those of the same encoder untrained and the raw input, in percent. Word vectors,
        without `data`, by people's ratings and analogies; a language model by held-out text; a method that learns to
        name classes is also asked itself.

        Args:
            data: Labelled data; by default what the run was trained on.
            seed: Of the draws of labels, and of the untrained weights where the run's own are not known.
            quick: Use at most 2,000 training and 1,000 test samples, drawn from all classes alike.
            groups: Which samples stay on one side of a split, see `data.groups`; by default those of the run for its
                own data.
            column: The column of the texts or images, if the data are tables; by default that of the run for its own
                data, as that of the labels.
            label_column: The column of the labels.
            say: Called with a line at each stage.
            **options: Of single tasks: `pool` says how the words of a text are averaged, "mean" or "sif"; with
                `patches`, features are averaged over so many patches of a sample (emp_ssl).

        Returns:
            The result of the probe, and under their own names those of the other tasks.

        Raises:
            UserError: The data have no labels, or an option is of no use here.
        """
        from selftaught.evaluate import task

        why_not = self._unstorable()
        if why_not is not None:
            (say or _warn)(f"{why_not}: the result is returned, but not kept in summary.json")
        found = task.judge(
            Judged(self, seed, None if groups is None else str(groups), column=column, label_column=label_column),
            data,
            seed=seed,
            quick=quick,
            say=say,
            **options,
        )
        if self.is_run and why_not is None:
            try:
                with (folder := self.folder).lock():
                    folder.update_summary(**found)
            except UserError as error:  # a full disk, or a process that came in between; hours of work are not lost
                (say or _warn)(f"{error}: the result is returned, but not kept in summary.json")
        return dict(found.get("probe", {})) | {key: result for key, result in found.items() if key != "probe"}

    def _unstorable(self) -> str | None:
        """Why results cannot be written to the run folder."""
        if not self.is_run:
            return None
        try:
            with (folder := self.folder).lock():
                check_writable(folder.path / "summary.json")
        except UserError as error:
            return str(error)
        return None

    def report(self) -> Path:
        """Write RUN/report.html. What cannot be shown, because the data are gone, is named there."""
        from selftaught import report

        if not self.is_run:
            return self._report_of_file()
        folder, config = self.folder, self.config
        check_writable(folder.path / "report.html")
        if isinstance(self.encoder, Worded):  # its pictures are of words, and need no data
            return report.write(folder, encoder=self.encoder)
        try:
            source = open_data(config, self.data)[0]
        except UserError:
            return report.write(folder, encoder=self.encoder)
        held_out = self.open(self.given(), "test") if config.data["split"] == "train" else None
        return report.write(
            folder, encoder=self.encoder, method=self.method(source), source_train=source.whole, source_test=held_out
        )

    def _report_of_file(self) -> Path:
        """The page about word vectors in a file, FILE.report.html, with the word tests. Raises UserError for others."""
        from selftaught import report
        from selftaught.evaluate.words import judge, vectors_of

        vectors = vectors_of(self.encoder)
        with TemporaryDirectory() as place:
            folder = RunFolder(Path(place), {"method": {"name": "word vectors"}, "data": {"source": str(self.path)}})
            folder.write_json("summary.json", {"words": judge(vectors)})
            page = report.write(folder, encoder=self.encoder).read_bytes()
        path = self.path.with_name(f"{self.path.name}.report.html")
        write_atomically(path, page)
        return path

    def given(self, data: Any = None) -> Any:
        """`data`, or what the run was trained on. Raises UserError when that is not known."""
        given = data if data is not None else self.data
        if given is None:
            given = self.config.data["source"]
        if given is None:
            raise UserError(f"the run {self.path} was trained on data in memory: name the data to judge it by")
        return given


def _warn(sentence: str) -> None:
    warnings.warn(sentence, stacklevel=3)


def with_weights(method: Method, path: Path) -> Method:
    """`method` with what method.safetensors of the run at `path` holds, in eval mode.

    Raises UserError when it cannot be read.
    """
    file = path / "method.safetensors"
    try:
        method.load_state_dict(safetensors.torch.load_file(file))
    except (OSError, RuntimeError, safetensors.SafetensorError) as error:
        raise UserError(f"{file} cannot be read: continue the run with 'selftaught resume {path}'") from error
    return method.eval()


def stored(folder: RunFolder) -> Config:
    """The configuration that a run folder holds."""
    return resolve(Layer.of(folder.config, str(folder.path / "config.yaml")), stored=True)


def continued(folder: RunFolder) -> Config:
    """The configuration that a run goes on with: what "auto", 0 and the like were when it started."""
    config, resolved = stored(folder), folder.resolved
    parts = {
        section: {key.removeprefix(f"{section}."): v for key, v in resolved.items() if key.startswith(f"{section}.")}
        for section in ("recipe", "method")
    }
    threads = {key: value for key, value in parts["method"].items() if key in config.method_arguments}
    return replace(
        config,
        recipe=replace(config.recipe, **parts["recipe"]),
        method_arguments=config.method_arguments | threads,
    )


def load(path: str | Path, errors: Errors = "strict") -> Run:
    """A finished run: a run folder, an encoder.safetensors, a Hugging Face folder or a file of word vectors.

    `errors` says what to do with words of such a file that are not UTF-8, "strict" or "replace". Raises UserError when
    it is none of them.
    """
    path = Path(path) if (found := foreign(path)) is None else found.folder
    if not path.is_file() and found is None:
        RunFolder.open(path)
    run = Run(path, errors=errors)
    _ = run.encoder  # what cannot be read is said here, not at first use
    return run
