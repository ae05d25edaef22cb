"""Train every method of videos on real footage and judge what its features know of time; and the speed of clips.

    python -m benchmarks.video
        All rows that results/video.json does not have yet.
    python -m benchmarks.video time_contrast --data pedestrians --seeds 1
        Only these rows.
    python -m benchmarks.video --speed
        Frames a second of memory-mapped clips at 112 px with their views, beside PyAV alone on the same file.
    python -m benchmarks.video --table
        Print the results.

A run learns from all but the last fifth of each video and is judged on that fifth, beside the same encoder untrained
and the pixels: see evaluate/time.py for the measures. "pretext" is the accuracy on the method's own task there, beside
that of the untrained method. No video of the catalog has two synchronised cameras: in the rows "crops" two overlapping
crops of a frame stand for them, which is easier.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import selftaught
from benchmarks import measure
from selftaught import encoders, methods
from selftaught.data import open_source
from selftaught.data.sets.footage import NAMES as DATA
from selftaught.data.video import decode
from selftaught.data.video.kind import Video
from selftaught.evaluate.pretext import pretext
from selftaught.evaluate.time import measured
from selftaught.views.augmentation import Augment
from selftaught.views.video import FrameViews

ENCODER, SIZE, STEPS, SEEDS = "conv", 64, 600, (0, 1, 2)
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "shuffle_and_learn-quarter": ("shuffle_and_learn", {"positives": 0.25}),
    "time_contrast-n-pairs": ("time_contrast", {"loss": "n_pairs"}),
    "time_contrast-crops": ("time_contrast", {"cameras": "crops"}),
    "time_contrast-crops-n-pairs": ("time_contrast", {"cameras": "crops", "loss": "n_pairs"}),
    "triplet_tracking-random": ("triplet_tracking", {"hard": 0.0}),
    "triplet_tracking-short": ("triplet_tracking", {"length": 4}),
}
"""For each further row: method and arguments, which are explained in the docstring of the method."""
MEASURES = ("order", "arrow", "retrieval", "alignment")
RUNS = Path("runs") / "video"


def cases() -> dict[str, tuple[str, dict[str, Any]]]:
    """Return every row: each method with its defaults, and the variants."""
    return dict(sorted({**{name: (name, {}) for name in methods.names("video")}, **VARIANTS}.items()))


def trained(data: str, case: str, seed: int, steps: int) -> dict[str, Any]:
    """Train and judge one row with one seed, beside its untrained encoder and the pixels."""
    method, arguments = cases()[case]
    out = RUNS / f"{data}-{case}-{seed}"
    shutil.rmtree(out, ignore_errors=True)
    given = {"encoder": {"name": ENCODER}, "size": SIZE, "steps": steps, **arguments}
    run = measure.whole(selftaught.pretrain(method, data, out=out, seed=seed, progress=False, **given))
    train, test = (open_source(data, part, kind="video") for part in ("train", "test"))
    torch.manual_seed(seed)
    untrained = encoders.build(**run.encoder.spec)
    seen = run.encoder.spec["input"]
    named = (("trained", run.encoder), ("untrained", untrained), ("raw", None))
    sides = {side: measured(one, train, test, seen, seed) for side, one in named}
    after = run.method()
    torch.manual_seed(seed)
    before = methods.load(method, "video")(encoders.build(**run.encoder.spec), **arguments)
    before.prepare(before.views.bind(train))
    held_out = {side: pretext(one, test, 32, seed=seed) for side, one in (("trained", after), ("untrained", before))}
    shutil.rmtree(run.path / "checkpoints", ignore_errors=True)
    own = {side: {key: round(found[key], 4) for key in ("accuracy", "chance")} for side, found in held_out.items()}
    return {
        "data": data, "case": case, "seed": seed, "steps": run.summary["steps"],
        "command": f"selftaught pretrain {method} {data} {measure.flags(given)}", "pretext": own, **sides,
    }  # fmt: skip


def rows(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row per data set and case: means over its seeds, with the deviation of the trained side."""
    table = []
    for data in DATA:
        for case in cases():
            mine = [r for r in runs if (r["data"], r["case"]) == (data, case)]
            if not mine:
                continue
            judged: dict[str, Any] = {}
            for name in MEASURES:
                told = {side: [r[side][name] for r in mine] for side in ("trained", "untrained", "raw")}
                judged[name] = {side: round(float(np.mean(v)), 2) for side, v in told.items() if None not in v}
                if len(mine) > 1 and None not in told["trained"]:
                    judged[name]["spread"] = round(float(np.std(told["trained"], ddof=1)), 2)
            own = {side: round(100 * float(np.mean([r["pretext"][side]["accuracy"] for r in mine])), 2)
                   for side in ("trained", "untrained")}  # fmt: skip
            first = min(mine, key=lambda r: r["seed"])
            table.append({
                "method": case, "data": data, "encoder": ENCODER, "budget": f"{first['steps']} steps",
                "seeds": len(mine), "command": first["command"], "steps": first["steps"],
                "pretext": own, "time": judged,
            })  # fmt: skip
    return table


def shown(table: list[dict[str, Any]], speed: list[dict[str, Any]]) -> Iterable[str]:
    """Yield the rows as lines of text: trained / untrained / pixels for each measure."""
    yield f"{'data':12} {'method':28} {'seeds':>5} " + " ".join(f"{name:>20}" for name in (*MEASURES, "pretext"))
    for row in table:
        cells = ["/".join(f"{row['time'][name].get(s, 0):.1f}" for s in ("trained", "untrained", "raw"))
                 for name in MEASURES]  # fmt: skip
        cells.append(f"{row['pretext']['trained']:.1f}/{row['pretext']['untrained']:.1f}")
        yield f"{row['data']:12} {row['method']:28} {row['seeds']:5} " + " ".join(f"{cell:>20}" for cell in cells)
    for one in speed:
        yield f"{one['what']:44} {one['frames_a_second']:10,.0f} frames/s"


def speed(rounds: int, side: int = 112, clip: int = 16, batch: int = 8, count: int = 256) -> list[dict[str, Any]]:
    """Return frames a second on one core: clips from the cache with views, the cache alone, and PyAV alone.

    A batch is 8 clips of 16 frames that follow each other. The video is written for this: 256 frames of 160 x 120.
    """
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speed.mp4"
        write(path, count)
        source = Video(size=side, side=side).read(path, "all")
        seen = Video(size=side, side=side).input(source)
        views = FrameViews(seen, video=Augment(crop=(0.5, 1.0), flip=0.5, jitter=(0.4, 0.4, 0.4, 0.1)))
        starts = np.random.default_rng(0).integers(0, count - clip, batch)
        index = (starts[:, None] + np.arange(clip)).reshape(-1)

        def seen_clips() -> object:
            return views.apply(source.fetch(index), views.sample(index, 0, 0), torch.device("cpu"))

        def decoded() -> object:
            return sum(1 for _ in decode.frames(path, side))

        timings = measure.interleaved(
            {"views": seen_clips, "cache": lambda: source.fetch(index), "PyAV": decoded}, rounds
        )
    frames = {"views": len(index), "cache": len(index), "PyAV": count}
    called = {
        "views": f"clips of {clip} at {side} px, cropped, flipped, recoloured",
        "cache": f"clips of {clip} at {side} px from the cache",
        "PyAV": f"PyAV alone, every frame once, at {side} px",
    }
    return [
        {"what": called[name], "frames_a_second": round(frames[name] / float(np.median(timing.wall)), 1)}
        for name, timing in timings.items()
    ]


def write(path: Path, count: int) -> None:
    """Write a video in which a texture moves."""
    import av

    ground = np.kron(np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for t in range(count):
            frame = ground[t % 200 : t % 200 + 120, t % 300 : t % 300 + 160]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24")))
        container.mux(stream.encode(None))


def main() -> None:
    """Measure what is missing, row by row, and save after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", help="rows to measure; by default all")
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--speed", action="store_true", help="measure the speed of clips alone")
    parser.add_argument("--table", action="store_true", help="print the results, measure nothing")
    asked = parser.parse_args()
    old = measure.saved("video")
    runs, fast = old.get("runs", []), old.get("speed", [])
    if strange := set(asked.cases) - cases().keys():
        parser.error(f"unknown rows {', '.join(sorted(strange))}: choose from {', '.join(cases())}")
    if asked.speed:
        fast = speed(7)
        measure.save("video", rows(runs), runs=runs, speed=fast)
    elif not asked.table:
        seeds = SEEDS[: asked.seeds]
        wanted = [(d, case, seed) for seed in seeds for d in asked.data for case in asked.cases or cases()]
        began = time.perf_counter()
        measure.fill(
            runs, wanted, ("data", "case", "seed"), lambda *key: trained(*key, asked.steps),
            lambda: measure.save("video", rows(runs), runs=runs, speed=fast),
        )  # fmt: skip
        print(f"{time.perf_counter() - began:.0f} s")
    print("\n".join(shown(rows(runs), fast)))


if __name__ == "__main__":
    main()
