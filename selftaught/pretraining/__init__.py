"""Pretraining from Python: `pretrain`, `resume`, `load`, and the `Run` that they return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from selftaught import encoders, fit, methods
from selftaught import kind as kinds
from selftaught import steps as steppers
from selftaught.config import LENGTHS, Config, Layer, options, read, resolve
from selftaught.data import catalog
from selftaught.data.told import opening
from selftaught.errors import UserError, expanded
from selftaught.evaluate.diagnostics import Diagnostics
from selftaught.kind import silent
from selftaught.method import Method, Source
from selftaught.pretraining import in_use, place
from selftaught.pretraining.build import build, locate, open_data, type_of
from selftaught.pretraining.foreign import foreign
from selftaught.pretraining.progress import Watch
from selftaught.pretraining.result import Run, continued, load
from selftaught.pretraining.weights import inherited
from selftaught.recipe import Recipe
from selftaught.run import RunFolder, write_atomically


def pretrain(
    method: str | None,
    data: Any,
    *,
    out: str | Path | None = None,
    encoder: str | Mapping[str, Any] | None = None,
    init: str | Path | None = None,
    limit: int | None = None,
    split: str | None = None,
    labels: str | None = None,
    groups: str | Path | None = None,
    config: str | Path | None = None,
    resume: bool = False,
    progress: bool = True,
    **arguments: Any,
) -> Run:
    """Train an encoder on unlabelled data and write everything to a run folder.

    Args:
        method: "simclr", "moco", ...: `selftaught methods` lists them; or the path of a file with a method of your own.
            None takes it from `config`.
        data: A catalog name, a path, images [N, H, W] or [N, H, W, C], a list of them, images with labels ``(x, y)``, a
            dict of the parts train and test, strings, a Hugging Face data set, or a Source. None takes it from
            `config`.
        out: The run folder; by default runs/METHOD-DATA with the next free number.
        encoder: A name ("conv"), or a name with arguments ({"name": "conv", "width": 64}).
        init: Weights to start from: a run, an encoder.safetensors, torchvision's or timm's file, a file of word
            vectors, or hf/FOLDER, a Hugging Face folder with GPT-2 or BERT.
        limit: Only so many samples, drawn by the seed: of every class the same share of its samples.
        split: "train", "test" or "all"; by default "train" where there are labels.
        labels: Train with so many labels and hide the rest: "10/class", "10%" or "all". Classes are drawn alike, by the
            seed; what judges the run still sees every label.
        groups: Which samples stay on one side of a split, such as the frames of one video: a column, a file with the
            group of each sample, or a regular expression for the paths, see `data.groups`. Kept in the run.
        config: A YAML file with the sections of a run's config.yaml; what is said here beats it.
        resume: Continue the run at `out` if there is one.
        progress: Show progress on stderr.
        **arguments: The method's own hyper-parameters, the fields of `Recipe`, and how the data are read:
            temperature=0.2, minutes=5, lr=1e-3, size=64.

    Raises:
        UserError: One sentence that says what is wrong and how to fix it.
        NonFiniteLoss: The training diverged; what was saved before it is intact.

    >>> import numpy as np, selftaught
    >>> images = np.random.default_rng(0).integers(0, 256, (64, 16, 16, 3), dtype=np.uint8)  # your own images
    >>> run = selftaught.pretrain("rotation", images, out="mine", steps=3, batch_size=16, progress=False)
    >>> run.summary["samples"], run.summary["samples_are"], run.summary["steps"]
    (64, 'images', 3)
    >>> sorted(path.name for path in run.path.iterdir() if path.suffix == ".safetensors")
    ['encoder.safetensors', 'method.safetensors']
    """
    file = [read(config)] if config is not None else []
    flags: dict[str, Any] = {"method.name": method, "init": str(init) if init is not None else None}
    flags |= {"data.source": locate(data), "data.limit": limit, "data.split": split, "data.labels": labels}
    flags |= {"data.groups": None if groups is None else str(groups)}
    flags |= Layer.of({"encoder": encoder}).values
    flags = {key: value for key, value in flags.items() if value is not None}
    told: dict[str, Any] = {key: value for layer in file for key, value in layer.values.items()}
    name, held = method or told.get("method.name"), None if isinstance(data, str | Path) else data
    if arguments and isinstance(name, str):
        own = "kind" in {argument.name for spec in methods.specs(name) for argument in spec.arguments}
        kind = (None if own else arguments.pop("kind", None)) or told.get("data.kind")
        given = data if data is not None else told.get("data.source")
        kind = kind or kinds.of_data(given, methods.sees(name), catalog.listed())
        chosen = encoder if isinstance(encoder, str) or encoder is None else encoder.get("name")
        flags |= options.keyed(arguments, name, kind, chosen) | {"data.kind": kind}
    watch = Watch() if progress else None
    return run(Layer.of(flags), *file, data=held, out=out, again=resume, watch=watch)


def run(
    *layers: Layer,
    data: Any = None,
    out: str | Path | None = None,
    again: bool = False,
    watch: Watch | None = None,
    notes: Mapping[str, Any] | None = None,
) -> Run:
    """Train what the layers of configuration (strongest first) amount to.

    Args:
        *layers: Flags, then files.
        data: The object itself where no name finds it.
        out: The run folder.
        again: Continue the run at `out` if there is one.
        watch: Shows the progress.
        notes: What config.yaml says beside the configuration.
    """
    watch = watch if place.rank() == 0 else None
    init = next((layer.values["init"] for layer in layers if layer.values.get("init") is not None), None)
    if isinstance(init, str) and not any("encoder.name" in layer.values for layer in layers):
        layers = (*layers, inherited(init))
    config = _absolute(resolve(*layers, data=data))
    _check_device(config)
    source, split = _opened(config, data, watch)
    config = replace(config, data=config.data | {"split": split} | config.reading().resolved(source))
    path = place.free(config, watch) if out is None else Path(out)
    existing = again and (path / "config.yaml").exists()
    if existing:
        folder = RunFolder.open(path)
        place.must_agree(config, folder)
        if place.finished(folder, watch):
            return Run(path, data=data)
        config = continued(folder)
        place.same_file(config, folder)
        method = build(config, source)
    else:
        method = build(config, source, watch.say if watch else None)
        folder = place.create(path, config, notes or {})
        if watch and not any(layer.values.get(key) is not None for layer in layers for key in LENGTHS):
            watch.say(f"no length was given (--steps, --epochs or --minutes): training for {_length(config)}")
        place.name_skipped(source, folder, watch)
        place.name_classes(source, folder)
    return _train(config, source, method, folder, data, existing, watch)


def resume(
    path: str | Path,
    *,
    data: Any = None,
    steps: int | None = None,
    epochs: float | None = None,
    minutes: float | None = None,
    progress: bool = True,
) -> Run:
    """Continue a run from its newest whole checkpoint, to the same weights as if it had never stopped.

    A run that is finished is returned as it is, or trained further by so many more `steps`, `epochs` or `minutes`: from
    the step that it reached on, with the schedule of a run of the new length. With a constant schedule without warm-up,
    and no other schedule in the method, the weights are those of a longer run. Until the new end is reached, its
    encoder is the one of the old end.

    Args:
        path: The run folder.
        data: The place of the data, or the object, where the run does not find them: they were moved, or in memory.
        steps: Steps beyond the planned ones.
        epochs: Passes over the data beyond the planned ones.
        minutes: Minutes beyond the planned ones, at the speed of the run so far.
        progress: Show progress on stderr.

    Raises:
        UserError: There is no run, or its data are not what they were.
    """
    folder = RunFolder.open(path)
    if folder.config.get("finetune"):
        raise UserError(f"{path} is a fine-tuned run: continue it with selftaught finetune ... --resume --out {path}")
    watch = Watch() if progress and place.rank() == 0 else None
    longer = _longer(steps, epochs, minutes)
    if longer is None and place.finished(folder, watch):
        if data is not None:
            raise UserError(f"the run {path} is finished, so it needs no data: say how much more it should train")
        return load(path)
    config = continued(folder)
    _check_device(config)
    extends = type_of(config).extends
    if longer is not None and extends is not True:
        raise UserError(f"the run {path} cannot be trained further: {extends}")
    place.same_file(config, folder)
    if isinstance(data, str | Path):
        config = replace(config, data=config.data | {"source": locate(data)})
        folder.config = folder.config | {"data": folder.config["data"] | {"source": locate(data)}}  # written by `fit`
        data = None
    source, _ = _opened(config, data, watch)
    return _train(config, source, build(config, source), folder, data, True, watch, longer)


def _longer(steps: int | None, epochs: float | None, minutes: float | None) -> Recipe | None:
    """The length to train further, if any. Raises UserError for two lengths, or one out of range."""
    if steps is epochs is minutes is None:
        return None
    return Recipe(steps=steps, epochs=epochs, minutes=minutes)


def _check_device(config: Config) -> None:
    """Raises UserError for a device that is not there, before data are read and anything is written."""
    steppers.find(methods.describe(config.method, config.kind).stepper).place(config.recipe)


def _opened(config: Config, data: Any, watch: Watch | None) -> tuple[Source, str]:
    news = catalog.fetching(config.data["source"])
    if watch and news:
        watch.say(news)
    source, split = open_data(config, data, watch.files if watch else silent)
    if watch:
        watch.say(opening(config.data["source"] if data is None else data, source))
    return source, split


def _train(
    config: Config,
    source: Source,
    method: Method,
    folder: RunFolder,
    data: Any,
    again: bool,
    watch: Watch | None,
    longer: Recipe | None = None,
) -> Run:
    observers: list[fit.Observer] = []
    if kinds.find(config.kind).watched and len(source) > 1:
        observers.append(Diagnostics(source.whole, seed=config.recipe.seed))
    if watch:
        observers.append(watch)  # last: it also shows what the others found
    try:
        check = in_use.planned(config, method, watch.say if watch else None)
        result = fit.fit(method, source, config.recipe, folder, observers, again, longer, check)
    except ValueError:  # the input is at fault, so the corrected command may use the same name
        if not again and place.rank() == 0:
            place.forget(folder)
        raise
    finally:
        if watch:
            watch.finish()
    if place.rank() == 0:
        if result.interrupted is None:
            write_atomically(folder.path / "encoder.safetensors", encoders.pack(method.kept))
        _summarise(config, source, method, folder, result, again)
    return Run(folder.path, encoder=method.kept, data=data, interrupted=result.interrupted)


def _summarise(
    config: Config, source: Source, method: Method, folder: RunFolder, result: fit.Result, again: bool
) -> None:
    losses = [line["loss"] for line in folder.metrics() if line.get("loss") is not None]
    before = folder.summary.get("seconds", 0.0) if again else 0.0
    samples = kinds.describe(config.kind).samples
    speed = f"{method.unit or source.samples}_per_second"
    resolved = folder.resolved
    # what judged an earlier encoder of the run says nothing of a new one
    kept = {} if result.interrupted is None else folder.summary
    summary = kept | dict(
        method=config.method,
        encoder=config.encoder,
        data=config.data["source"] or "in memory",
        samples=len(source),
        samples_are=samples,
        skipped=len(source.skipped),
        parameters=sum(p.numel() for p in method.kept.parameters()),
        dim=method.kept.dim,
        steps=result.step,
        planned_steps=result.steps,
        **({"precision": resolved["recipe.precision"]} if "recipe.precision" in resolved else {}),
        seconds=round(before + result.seconds, 3),
        **{speed: round(result.samples_per_second, 1) or folder.summary.get(speed, 0.0)},
        loss=losses[-1] if losses else None,
        finished=result.interrupted is None,
        interrupted=result.interrupted,
    )
    folder.write_json("summary.json", summary)


def _absolute(config: Config) -> Config:
    """Paths made absolute, so that the run can be resumed from any folder."""
    named = config.data["source"]
    init = config.init
    if init is not None:
        init = str((expanded(init) if (found := foreign(init)) is None else found.folder).resolve())
    method = str(expanded(config.method).resolve()) if methods.is_file(config.method) else config.method
    groups = config.data["groups"]
    if groups is not None and expanded(groups).is_file():
        groups = str(expanded(groups).resolve())
    source = locate(named) if named is not None else None
    return replace(config, method=method, init=init, data=config.data | {"source": source, "groups": groups})


def _length(config: Config) -> str:
    recipe = config.recipe
    told = {"steps": recipe.steps, "epochs": recipe.epochs, "minutes": recipe.minutes}
    return next(
        (f"{value:g} {unit}" for unit, value in told.items() if value is not None), f"{fit.DEFAULT_MINUTES:g} minutes"
    )


__all__ = ["Run", "load", "pretrain", "resume", "run"]
