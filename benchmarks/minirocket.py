"""MiniRocket's features of two arrays of series, for `benchmarks.signals`. Runs in an environment that has aeon.

python benchmarks/minirocket.py GIVEN.npz FOUND.npz SEED
"""

from __future__ import annotations

import sys

import numpy as np

SHORTEST = 9
"""MiniRocket's kernels have so many samples."""


def main() -> None:
    """Read "train" and "test" [N, C, T]; write their features [N, D], fitted to "train"."""
    from aeon.transformations.collection.convolution_based import MiniRocket

    given, found, seed = sys.argv[1:]
    with np.load(given, allow_pickle=False) as arrays:
        parts = {name: arrays[name].astype(np.float32) for name in ("train", "test")}
    missing = max(SHORTEST - parts["train"].shape[2], 0)
    parts = {name: np.pad(part, ((0, 0), (0, 0), (0, missing))) for name, part in parts.items()}
    rocket = MiniRocket(random_state=int(seed))
    rocket.fit(parts["train"])
    np.savez(found, **{name: np.asarray(rocket.transform(part), np.float32) for name, part in parts.items()})


if __name__ == "__main__":
    main()
