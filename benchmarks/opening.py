"""Seconds to open a folder of many small JPEGs: for a small limit, for the first time, and again.

::

    python -m benchmarks.opening                 # 100,000 pictures of 120 x 160 in ten classes
    python -m benchmarks.opening --count 5000    # a quick one
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import simplejpeg

import selftaught.data.image.decoded
import selftaught.data.image.folder
import selftaught.data.image.opening  # noqa: F401  # what is imported at first use is not timed
from selftaught.data import open_source

CLASSES, LIMIT = 10, 500


def pictures(root: Path, count: int) -> None:
    """Write `count` different pictures, uint8 [120, 160, 3], in ten folders."""
    rng = np.random.default_rng(0)
    backgrounds = np.kron(rng.integers(0, 256, (64, 15, 20, 3), np.uint8), np.ones((1, 8, 8, 1), np.uint8))
    for c in range(CLASSES):
        (root / f"{c}").mkdir()
    for i in range(count):
        image = backgrounds[i % len(backgrounds)].copy()
        bits = np.unpackbits(np.frombuffer(i.to_bytes(4, "little"), np.uint8))
        image[:16, :128] = 255 * bits.repeat(4)[None, :, None]
        (root / f"{i % CLASSES}" / f"{i:06}.jpg").write_bytes(simplejpeg.encode_jpeg(image, 85))


def main(words: list[str] | None = None) -> int:
    """Print a line for each way to open the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    count = parser.parse_args(words).count
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "pictures"
        root.mkdir()
        os.environ["SELFTAUGHT_CACHE"] = f"{folder}/cache"
        pictures(root, count)
        for name, limit in ((f"limit {LIMIT}", LIMIT), ("whole, first", None), ("whole, again", None)):
            began = time.perf_counter()
            source = open_source(str(root), "train", limit)
            sys.stdout.write(f"{name}: {len(source):,} pictures in {time.perf_counter() - began:.2f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
