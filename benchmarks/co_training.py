"""What codes of one half keep about the other, and what they cost to remember, as the price beta grows.

    python -m benchmarks.co_training
        Measure what results/co_training.json does not have yet, and draw docs/co_training.svg.
    python -m benchmarks.co_training population --seeds 1
        Only this data, one seed.
    python -m benchmarks.co_training --figure
        Draw it from the results.

`population` is known: two halves share one of 4 symbols (2 bits) and have one of 2 of their own each (1 bit), so that
the best codes keep 2 bits, cost 3 bits or less at beta 0, and 2 bits at any higher price. The others are halves of real
images, and past and future of series: rate and information are those of held-out samples, in bits, averaged over codes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

import selftaught
from benchmarks import measure
from benchmarks.drawing import Panel, drawing, legend
from selftaught import encoders
from selftaught.data import open_source
from selftaught.methods.information.deep_co_training import DeepCoTraining

DATA: dict[str, dict[str, Any]] = {
    "population": {"symbols": 16},
    "fashion-mnist": {"symbols": 32, "sharp": 0.5, "steps": 300},
    "japanese-vowels": {"symbols": 32, "sharp": 0.5, "steps": 600, "batch_size": 128},
}
"""Arguments for each, beside the defaults."""
BETAS, SEEDS, TESTED = (0.0, 0.1, 0.2, 0.4, 0.6, 0.8), 3, 2048
FIGURE = Path(__file__).parent.parent / "docs" / "co_training.svg"
COLOURS = {"rate": "#b8512c", "information": "#2f5d9b"}


def known(beta: float, seed: int, symbols: int, steps: int = 400) -> dict[str, float]:
    """Train on the whole population at once."""
    torch.manual_seed(seed)
    shared, one, other = (n.flatten() for n in torch.meshgrid(*map(torch.arange, (4, 2, 2)), indexing="ij"))
    halves = [torch.eye(16)[2 * shared + own].view(-1, 1, 4, 4) for own in (one, other)]
    seen = {"kind": "image", "size": 4, "channels": 1, "mean": [0.0], "std": [1.0]}
    encoder = encoders.build("mlp", seen, width=32, depth=1)
    method = DeepCoTraining(encoder, beta=beta, symbols=symbols, codes=1, memory=0.0, sharp=0.5)
    optimizer = torch.optim.Adam(method.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        method(*halves)["loss"].backward()
        optimizer.step()
    with torch.no_grad():
        found = method(*halves)
    return {name: round(float(found[name]), 3) for name in COLOURS}


def real(data: str, beta: float, seed: int, **arguments: Any) -> dict[str, float]:
    """Train on the training part, and return what holds for the test part."""
    with tempfile.TemporaryDirectory() as folder:
        run = measure.whole(
            selftaught.pretrain(
                "deep_co_training", data, out=Path(folder) / "run", beta=beta, seed=seed, progress=False, **arguments
            )
        )
        method = run.method()
    test = open_source(data, "test")
    index = np.arange(min(len(test), TESTED))
    views = method.views.apply(test.fetch(index), method.views.sample(index, 0, seed), torch.device("cpu"))
    with torch.no_grad():
        found = method(**views)
    return {name: round(float(found[name]), 3) for name in COLOURS}


def rows(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row per data and price: means over its seeds, with the deviations."""
    table = []
    for data, beta in sorted({(r["data"], r["beta"]) for r in runs}):
        mine = [r for r in runs if (r["data"], r["beta"]) == (data, beta)]
        found = {
            name: {
                "mean": round(float(np.mean([r[name] for r in mine])), 3),
                "spread": round(float(np.std([r[name] for r in mine], ddof=1)), 3) if len(mine) > 1 else 0.0,
            }
            for name in COLOURS
        }
        told = {} if data == "population" else {"beta": beta, **DATA[data]}
        command = f"selftaught pretrain deep_co_training {data} {measure.flags(told)}" if told else ""
        table.append({"data": data, "beta": beta, "seeds": len(mine), **found, "command": command})
    return table


def figure(table: list[dict[str, Any]]) -> str:
    """Return the rows as an SVG: one panel for each data, beta across, bits upwards."""
    wide, high, left, gap = 250, 300, 46, 30
    names = [data for data in DATA if any(row["data"] == data for row in table)]
    out: list[str] = []
    for number, data in enumerate(names):
        mine = sorted((row for row in table if row["data"] == data), key=lambda row: row["beta"])
        top = float(np.ceil(max(row["rate"]["mean"] for row in mine)))
        x0 = left + number * (wide + gap)
        panel = Panel((x0, 34, x0 + wide, 256), (-0.05, 0.85), (0, top))
        panel.say(x0 + wide / 2, 16, data)
        panel.grid(np.linspace(0, top, 5), 1)
        panel.below((row["beta"], f"{row['beta']:g}") for row in mine)
        if data == "population":
            panel.level(2, "#000", 1.5, "5 4")
        for name, colour in COLOURS.items():
            panel.line([(row["beta"], row[name]["mean"]) for row in mine], colour)
            for row in mine:
                title = f"{name} at beta {row['beta']:g}: {row[name]['mean']} bits"
                panel.spread(row["beta"], row[name]["mean"], row[name]["spread"], colour, title)
        out += panel.out
    named = (("H, what the code costs, bits", COLOURS["rate"]), ("I, what it says, bits", COLOURS["information"]))
    out += legend(named, left + 20, high - 6, 200)
    return drawing(left + len(names) * (wide + gap), high, "Rate and information of codes against their price", out)


def main() -> None:
    """Measure what is missing, row by row, save after each, and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*", help=f"{', '.join(DATA)}; by default all")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--figure", action="store_true", help="only draw")
    asked = parser.parse_args()
    if strange := set(asked.data) - DATA.keys():
        parser.error(f"unknown data {', '.join(sorted(strange))}: choose from {', '.join(DATA)}")
    runs = measure.saved("co_training").get("runs", [])
    done = {(r["data"], r["beta"], r["seed"]) for r in runs}
    for data in () if asked.figure else asked.data or DATA:
        for beta, seed in ((beta, seed) for beta in BETAS for seed in range(asked.seeds)):
            if (data, beta, seed) in done:
                continue
            found = known(beta, seed, **DATA[data]) if data == "population" else real(data, beta, seed, **DATA[data])
            runs.append({"data": data, "beta": beta, "seed": seed, **found})
            print(json.dumps(runs[-1]), flush=True)
            measure.save("co_training", rows(runs), runs=runs)
    if runs:
        FIGURE.write_text(figure(rows(runs)), encoding="utf-8")


if __name__ == "__main__":
    main()
