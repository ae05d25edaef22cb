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
    wide, high, left, top, bottom, gap = 250, 300, 46, 34, 44, 24
    dims = sorted({row["dims"] for row in rows})
    width = left + len(dims) * (wide + gap)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {high}" font-family="sans-serif" fill="#333">',
        "<style>text { font-size: 12px }</style>",
        "<title>Estimates of mutual information against the number of pairs N</title>",
        f'<rect width="{width}" height="{high}" fill="#fff"/>',
    ]
    for number, d in enumerate(dims):
        mine = sorted((row for row in rows if row["dims"] == d), key=lambda row: row["n"])
        true = mine[0]["information"]
        ceiling, x0 = 1.5 * true, left + number * (wide + gap)
        span = math.log2(mine[-1]["n"] / mine[0]["n"])

        def x(n: int, x0: int = x0, span: float = span, first: int = mine[0]["n"]) -> float:
            return round(x0 + math.log2(n / first) / span * (wide - 20) + 10, 1)

        def y(value: float, ceiling: float = ceiling) -> float:
            value = min(max(value, 0), ceiling)
            return round(high - bottom - value / ceiling * (high - top - bottom), 1)

        out.append(f'<text x="{x0 + wide / 2}" y="{top - 18}" text-anchor="middle">{d} pair{"s" * (d > 1)}</text>')
        for tick in np.linspace(0, ceiling, 4):
            out.append(f'<path d="M{x0} {y(tick)}h{wide}" stroke="#e4e4e4"/>')
            out.append(f'<text x="{x0 - 6}" y="{y(tick) + 4}" text-anchor="end">{tick:.1f}</text>')
        below = high - bottom + 16
        out += [f'<text x="{x(row["n"])}" y="{below}" text-anchor="middle">{row["n"]}</text>' for row in mine[::3]]
        out.append(f'<path d="M{x0} {y(true)}h{wide}" stroke="#000" stroke-width="1.5"/>')
        for bound, dashes in (("log_n", "5 4"), ("jeffreys", "2 3")):
            line = " ".join(f"{x(row['n'])},{y(row[bound])}" for row in mine if row[bound] <= ceiling)
            out.append(f'<polyline points="{line}" fill="none" stroke="#888" stroke-dasharray="{dashes}"/>')
        for name, colour in COLOURS.items():
            line = " ".join(f"{x(row['n'])},{y(row[name]['mean'])}" for row in mine)
            out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
            for row in mine:
                low, up = (row[name]["mean"] + sign * row[name]["spread"] for sign in (-1, 1))
                title = f"<title>{NAMES[name]}, N = {row['n']}: {row[name]['mean']}</title>"
                out.append(f'<path d="M{x(row["n"])} {y(low)}V{y(up)}" stroke="{colour}">{title}</path>')
    legend = [*((NAMES[name], colour) for name, colour in COLOURS.items()), ("I(x, y)", "#000")]
    for number, (name, colour) in enumerate(legend):
        out.append(f'<circle cx="{left + 20 + 130 * number}" cy="{high - 10}" r="4" fill="{colour}"/>')
        out.append(f'<text x="{left + 30 + 130 * number}" y="{high - 6}">{name}</text>')
    out.append(f'<text x="{left + 550}" y="{high - 6}">dashes: log N; dots: (N - 1) / N J</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


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
