"""The verbs that train: pretrain, resume, demo."""

from __future__ import annotations

import shlex
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from selftaught.cli import judge
from selftaught.cli.judge import Json
from selftaught.cli.output import remark, show, show_json, table
from selftaught.cli.signature import RUN, SWITCH
from selftaught.config import Layer, read
from selftaught.errors import UserError

if TYPE_CHECKING:
    from selftaught.pretraining import Run

DEMO = Path(__file__).with_name("demo.yaml")
"""The recipe of the demo."""


def pretrain(
    method: str | None = None,
    data: str | None = None,
    /,
    *,
    out: Annotated[Path | None, Parameter(group=RUN)] = None,
    resume: Annotated[bool, Parameter(group=RUN, **SWITCH)] = False,
    encoder: Annotated[str | None, Parameter(group=RUN)] = None,
    config: Annotated[Path | None, Parameter(group=RUN)] = None,
    json_: Annotated[bool, Parameter(name="--json", group=RUN, **SWITCH)] = False,
    flags: dict[str, Any],
) -> int:
    """Train an encoder on unlabelled data.

    Every option can also be written with its section, as in YAML: --method.temperature 0.1, --recipe.clip 1, --encoder.width 64.
    'selftaught pretrain METHOD --help' lists the method's own. Without --steps, --epochs or --minutes a run takes 1.5 minutes.

    Args:
        method: Name of the method: 'selftaught methods' lists them.
        data: Name of a data set ('selftaught data' lists them), a folder or a file.
        out: The run folder. By default runs/METHOD-DATA, with the next free number.
        resume: Continue the run at --out if there is one.
        encoder: The network that is trained: {encoders}. By default conv, or what --init had.
        config: YAML with the sections of a run's config.yaml. A flag beats the file.
        json_: Print the summary as JSON.
        flags: Every other option by dotted key; made from signatures.
    """
    from selftaught import pretraining
    from selftaught.pretraining.progress import Watch

    said = {"method.name": method, "data.source": data, "encoder.name": encoder}
    layers = [Layer.of({key: value for key, value in {**flags, **said}.items() if value is not None})]
    if config is not None:
        layers.append(read(config))
    return _ended(pretraining.run(*layers, out=out, again=resume, watch=Watch()), json_)


def resume(run: Path, /, *, json_: Json = False) -> int:
    """Continue a run that was stopped, to the same weights as if it never had been.

    Args:
        run: The run folder.
    """
    from selftaught import pretraining

    return _ended(pretraining.resume(run), json_)


def _ended(run: Run, as_json: bool) -> int:
    """Says how the run ended; the exit code."""
    from selftaught import methods
    from selftaught.method import Scores
    from selftaught.pretraining.place import rank
    from selftaught.pretraining.progress import clock_time, speeds

    if rank() != 0:
        return 0 if run.interrupted is None else 128 + run.interrupted
    summary, path = run.summary, shlex.quote(str(run.path))
    if as_json:
        show_json({"run": str(run.path), **summary})
    if run.interrupted is not None:
        remark(f"stopped at step {summary['steps']} of {summary['planned_steps']} and saved; continue with: selftaught resume {path}")
        return 128 + run.interrupted
    if not as_json:
        took = ", ".join([clock_time(summary["seconds"]), *speeds(summary)])
        show(f"{summary['steps']} steps in {took}; the encoder is {run.path / 'encoder.safetensors'}")
        scores = issubclass(methods.load(summary["method"]), Scores)
        asked = f'score {path} "a sentence"' if scores else f"probe {path}"
        show(f"next: selftaught {asked}; selftaught report {path}")
    return 0


def demo(
    *,
    out: Path = Path("runs/demo"),
    data: str = "fashion-mnist",
    minutes: float | None = None,
    steps: int | None = None,
    quick: bool = False,
    json_: Json = False,
) -> int:
    """Pretrain on Fashion-MNIST for about two minutes, judge the encoder, write its report.

    Args:
        out: The run folder; an earlier demo there is replaced, nothing else ever is.
        data: Another data set to show it on.
        minutes: Another length.
        steps: Another length, in steps.
        quick: Judge on few samples.
    """
    from selftaught import pretraining
    from selftaught.pretraining.progress import Watch

    began = time.perf_counter()
    data = _available(data)
    _clear(out)
    fetched = time.perf_counter()
    length = {"recipe.minutes": minutes, "recipe.steps": steps}
    flags = {"data.source": data} | {key: value for key, value in length.items() if value is not None}
    run = pretraining.run(Layer.of(flags), read(DEMO), out=out, watch=Watch(), notes={"demo": True})
    code = _ended(run, False) if run.interrupted is not None or not json_ else 0
    if run.interrupted is not None:
        return code
    trained = time.perf_counter()
    probe = run.probe(quick=quick, say=remark)
    probed = time.perf_counter()
    page = run.report()
    reported = time.perf_counter()
    times = {"data": fetched - began, "training": trained - fetched, "probe": probed - trained, "report": reported - probed}
    times = {part: round(seconds, 1) for part, seconds in {**times, "all": reported - began}.items()}
    run.folder.update_summary(times=times)
    if json_:
        show_json({"run": str(run.path), "probe": probe, "times": times, "report": str(page)})
        return 0
    show("")
    judge.show_probe(probe)
    show("")
    table([{"part": part, "seconds": seconds} for part, seconds in times.items()], left=("part",))
    show(f"\nthe report is {page}")
    return 0


def _available(data: str) -> str:
    """`data`, or what is always there when it cannot be fetched."""
    from selftaught.data import catalog, open_source

    news = catalog.fetching(data)
    if news:
        remark(news)
    try:
        open_source(data, "train", 1)
    except (UserError, OSError) as error:
        if data != "fashion-mnist":
            raise
        remark(f"fashion-mnist cannot be fetched ({error}); the demo goes on with the small built-in digits")
        return "digits"
    return data


def _clear(out: Path) -> None:
    """Remove an earlier demo at `out`. Raises UserError when something else is there."""
    from selftaught.run import RunFolder

    if not (out / "config.yaml").exists():
        return
    folder = RunFolder.open(out)
    if not folder.config.get("demo"):
        raise UserError(f"{out} holds a run that is not a demo: choose another --out")
    with folder.lock():
        shutil.rmtree(out)
