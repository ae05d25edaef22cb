"""The verb that shows what all this is: demo."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from selftaught.cli.ending import ended
from selftaught.cli.output import Json, remark, show, show_json, table
from selftaught.cli.verbs.probe import show_results
from selftaught.config import Layer, read
from selftaught.errors import UserError

DEMO = Path(__file__).with_name("demo.yaml")
"""The recipe of the demo."""


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
    code = ended(run, False) if run.interrupted is not None or not json_ else 0
    if run.interrupted is not None:
        return code
    trained = time.perf_counter()
    probe = run.probe(quick=quick, say=remark)
    probed = time.perf_counter()
    page = run.report()
    reported = time.perf_counter()
    times = {
        "data": fetched - began,
        "training": trained - fetched,
        "probe": probed - trained,
        "report": reported - probed,
    }
    times = {part: round(seconds, 1) for part, seconds in {**times, "all": reported - began}.items()}
    run.folder.update_summary(times=times)
    if json_:
        show_json({"run": str(run.path), "probe": probe, "times": times, "report": str(page)})
        return 0
    show("")
    show_results(probe)
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
        remark(f"fashion-mnist cannot be downloaded ({error}); the demo goes on with the small built-in digits")
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
