"""Estimates of mutual information beside the truth, over N and the dimension, for Gaussians whose information is known.

    python -m benchmarks.bounds
        Measure, and draw docs/bounds.svg.
    python -m benchmarks.bounds --figure
        Draw it from results/bounds.json.

Every estimate gets the best score, log p(y|x) / p(y), so what is missing is the estimate's own: InfoNCE cannot say more
than log N, and Donsker-Varadhan and NWJ scatter when the information is large. The InfoNCE loss has a second bound:
log N - L is at most (N - 1) / N times the Jeffreys divergence.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import measure
from benchmarks.drawing import Panel, drawing, legend
from selftaught.parts.information import Gaussians, estimates

RHO, DIMS, N = 0.9, (1, 4, 16), (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
SAMPLES, MOST, SEEDS = 4096, 256, 5
NAMES = {"info_nce": "InfoNCE", "donsker_varadhan": "Donsker-Varadhan", "nwj": "NWJ"}
COLOURS = {"info_nce": "#2f5d9b", "donsker_varadhan": "#b8512c", "nwj": "#3a7d44"}
FIGURE = Path(__file__).parent.parent / "docs" / "bounds.svg"


def measured(dims: int, n: int) -> dict[str, Any]:
    """Return the mean of each estimate over batches of n pairs, and its spread over seeds, in nats."""
    pairs = Gaussians(dims, RHO)
    found: dict[str, list[float]] = {name: [] for name in NAMES}
    for seed in range(SEEDS):
        generator = torch.Generator().manual_seed(seed)
        batches = [estimates(pairs.score(*pairs.draw(n, generator))) for _ in range(min(SAMPLES // n, MOST))]
        for name, values in found.items():
            values.append(float(np.mean([batch[name].item() for batch in batches])))
    return {
        "dims": dims, "n": n, "rho": RHO, "information": round(pairs.information, 4), "log_n": round(math.log(n), 4),
        "jeffreys": round((n - 1) / n * pairs.jeffreys, 4),
        **{name: {"mean": round(float(np.mean(v)), 4), "spread": round(float(np.std(v, ddof=1)), 4)}
           for name, v in found.items()},
    }  # fmt: skip


def figure(rows: list[dict[str, Any]]) -> str:
    """Return the rows as an SVG: one panel for each dimension, N on a logarithmic axis, nats upwards."""
    wide, high, left, top, bottom, gap = 250, 300, 46, 34, 256, 44
    dims = sorted({row["dims"] for row in rows})
    width = left + len(dims) * (wide + gap)
    out: list[str] = []
    for number, d in enumerate(dims):
        mine = sorted((row for row in rows if row["dims"] == d), key=lambda row: row["n"])
        true, x0 = mine[0]["information"], left + number * (wide + gap)
        ends = [math.log2(row["n"]) for row in (mine[0], mine[-1])]
        rim = (ends[1] - ends[0]) / 23
        panel = Panel((x0, top, x0 + wide, bottom), (ends[0] - rim, ends[1] + rim), (0, 1.5 * true))
        panel.say(x0 + wide / 2, top - 18, f"{d} pair{'s' * (d > 1)}")
        panel.grid(np.linspace(0, 1.5 * true, 4), 1)
        panel.below((math.log2(row["n"]), str(row["n"])) for row in mine[::3])
        panel.level(true, "#000", 1.5)
        for bound, dashes in (("log_n", "5 4"), ("jeffreys", "2 3")):
            line = [(math.log2(row["n"]), row[bound]) for row in mine if row[bound] <= 1.5 * true]
            panel.line(line, "#888", 1, dashes)
        for name, colour in COLOURS.items():
            panel.line([(math.log2(row["n"]), row[name]["mean"]) for row in mine], colour)
            for row in mine:
                title = f"{NAMES[name]}, N = {row['n']}: {row[name]['mean']}"
                panel.spread(math.log2(row["n"]), row[name]["mean"], row[name]["spread"], colour, title)
        out += panel.out
    named = [*((NAMES[name], colour) for name, colour in COLOURS.items()), ("I(x, y)", "#000")]
    out += legend(named, left + 20, high - 6, 130)
    out.append(f'<text x="{left + 550}" y="{high - 6}">dashes: log N; dots: (N - 1) / N J</text>')
    return drawing(width, high, "Estimates of mutual information against the number of pairs N", out)


def main() -> None:
    """Measure every point, save them, and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figure", action="store_true", help="only draw")
    path = measure.RESULTS / "bounds.json"
    if not parser.parse_args().figure:
        measure.save("bounds", [measured(d, n) for d in DIMS for n in N])
    FIGURE.write_text(figure(json.loads(path.read_text())["rows"]), encoding="utf-8")


if __name__ == "__main__":
    main()
