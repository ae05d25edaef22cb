"""Train methods of sound on `speech` and judge them; measure how fast views and log-mel spectra are.

    python -m benchmarks.sound
        All rows that results/sound.json does not have yet: 30 minutes of training each.
    python -m benchmarks.sound cpc cpc-same --seeds 1 --minutes 5
        Only these rows, shorter.
    python -m benchmarks.sound --speed
        Views and log-mel spectra in seconds of sound a second and core, beside librosa.
    python -m benchmarks.sound --table
        Print the results.

Which voice speaks is a linear probe, on prompts that no voice of the training part says. Which word is said is asked of
a voice whose words were not labelled, and prompts are sought in another voice of the same language
(`evaluate/voices`). Beside the trained encoder stand the same encoder untrained, and MFCC. "pretext" is the method's
own task on the test part, trained and untrained; of `wav2vec` "codes" is the share of its entries that a batch uses,
and "perplexity" how many of a group's are as good as used.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import selftaught
from benchmarks import measure
from selftaught import views
from selftaught.data import open_source
from selftaught.data.audio.source import FULL
from selftaught.evaluate.pretext import pretext
from selftaught.parts.spectra import Frames, log_mel

DATA, MINUTES, SEEDS = "speech", 30.0, (0, 1, 2)
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "cpc": ("cpc", {}),
    "cpc-other": ("cpc", {"among": "other"}),
    "cpc-same": ("cpc", {"among": "same"}),
    "cpc-recording": ("cpc", {"among": "recording"}),
    "cpc-context": ("cpc", {"encoder": {"name": "wave", "context": 128}}),
    "wav2vec": ("wav2vec", {}),
    "wav2vec-one-group": ("wav2vec", {"groups": 1}),
    "wav2vec-paper": ("wav2vec", {"centring": 1.0}),
    "wav2vec-no-diversity": ("wav2vec", {"diversity": 0.0}),
    "wav2vec-short-spans": ("wav2vec", {"span": 3}),
    "data2vec": ("data2vec", {"seconds": 2.0, "share": 0.5, "span": 10, "beta": 0.0, "output": "mlp"}),
    "simclr": ("simclr", {}),
    "supervised": ("supervised", {}),
}
"""For each row: method and arguments, which are explained in the docstring of the method."""
PRETEXT = ("accuracy", "chance", "codes", "perplexity")
"""What a row keeps of the pretext on held-out recordings."""
RUNS = Path("runs") / "sound"
RATE, SECONDS, BATCH = 16000, 4, 32
BAR = 300


def measured(case: str, seed: int, minutes: float) -> dict[str, Any]:
    """Train and evaluate one row with one seed."""
    method, arguments = CASES[case]
    out = RUNS / f"{case}-{seed}"
    shutil.rmtree(out, ignore_errors=True)
    given = {"minutes": minutes, **arguments}
    run = measure.whole(selftaught.pretrain(method, DATA, out=out, seed=seed, progress=False, **given))
    found, test = run.probe(seed=seed), open_source(DATA, "test", kind="audio")
    own = {
        side: {key: round(value, 4) for key, value in pretext(one, test, 64, seed=seed).items() if key in PRETEXT}
        for side, one in (("trained", run.method()), ("untrained", run.untrained()))
    }
    shutil.rmtree(run.path / "checkpoints", ignore_errors=True)
    sides = {key: found[key] for key in ("linear", "knn")}
    sides |= {key: found["voices"][key] for key in ("word", "retrieval")}
    return {
        "case": case, "seed": seed, "minutes": minutes, "steps": run.summary["steps"],
        "command": f"selftaught pretrain {method} {DATA} {measure.flags(given)}", "pretext": own, **sides,
    }  # fmt: skip


def speed() -> list[dict[str, Any]]:
    """Return seconds of sound a second on one core, of views and log-mel spectra, and of librosa's."""
    torch.set_num_threads(1)
    seen = {
        "kind": "audio", "channels": 1, "rate": RATE, "length": RATE * SECONDS, "full": FULL, "mean": [0.0],
        "std": [0.1],
    }  # fmt: skip
    rng = np.random.default_rng(0)
    waves = [rng.integers(-9000, 9000, (1, RATE * SECONDS)).astype(np.int16) for _ in range(BATCH)]
    raw, index, made = {"audio": waves, "index": np.arange(BATCH)}, np.arange(BATCH), views.augment(seen)
    heard = torch.from_numpy(np.concatenate(waves).astype(np.float32) / FULL)
    frames = Frames.of(RATE, 80)

    def augmented() -> None:
        made.apply(raw, made.sample(index, 0, 0), torch.device("cpu"))

    def theirs() -> None:
        import librosa

        for wave in heard.numpy():
            librosa.power_to_db(
                librosa.feature.melspectrogram(
                    y=wave, sr=RATE, n_fft=512, hop_length=160, win_length=400, n_mels=80, pad_mode="constant"
                )
            )

    amount = BATCH * SECONDS
    rows = {
        "two views": (augmented, 2 * 0.8 * amount),
        "log-mel": (lambda: log_mel(heard, frames), amount),
        "librosa's log-mel": (theirs, amount),
    }
    return [{"what": name, "times": round(real_time(run, length)), "bar": BAR} for name, (run, length) in rows.items()]


def real_time(run: Callable[[], Any], seconds: float) -> float:
    """Return the seconds of sound a second, the best of five."""
    run()
    took = []
    for _ in range(5):
        start = time.perf_counter()
        run()
        took.append(time.perf_counter() - start)
    return seconds / min(took)


def table(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row per case: means over its seeds."""
    rows = []
    for case in CASES:
        mine = [run for run in runs if run["case"] == case]
        if mine:
            row: dict[str, Any] = {"method": case, "seeds": len(mine), "minutes": mine[0]["minutes"]}
            for key in ("linear", "knn", "word", "retrieval"):
                row[key] = {
                    side: round(float(np.mean([run[key][side] for run in mine])), 2)
                    for side in ("trained", "untrained", "raw")
                }
            for side in ("trained", "untrained"):
                told = [run["pretext"][side] for run in mine]
                row.setdefault("pretext", {})[side] = {
                    key: round(float(np.mean([one[key] for one in told])), 4) for key in told[0]
                }
            rows.append(row | {"command": mine[0]["command"]})
    return rows


def main() -> None:
    """Measure what is missing, row by row, and save after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", help="rows to measure; by default all")
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--speed", action="store_true", help="measure views and spectra alone")
    parser.add_argument("--table", action="store_true", help="print the results, measure nothing")
    asked = parser.parse_args()
    old = measure.saved("sound")
    runs, fast = old.get("runs", []), old.get("speed", [])
    if strange := set(asked.cases) - CASES.keys():
        parser.error(f"unknown rows {', '.join(sorted(strange))}: choose from {', '.join(CASES)}")
    if asked.speed:
        fast = speed()
        measure.save("sound", table(runs), runs=runs, speed=fast)
    elif not asked.table:
        measure.fill(
            runs,
            [(case, seed) for seed in SEEDS[: asked.seeds] for case in asked.cases or CASES],
            ("case", "seed"),
            lambda *key: measured(*key, asked.minutes),
            lambda: measure.save("sound", table(runs), runs=runs, speed=fast),
        )
    for row in [*table(runs), *fast]:
        print(json.dumps(row))


if __name__ == "__main__":
    main()
