"""Crops of a real stereo pair with its disparity: "Motorcycle" of the Middlebury 2014 benchmark.

scikit-image contains both pictures, 741 x 500 pixels, and the disparity of 93% of the pixels, 7.2 to 59.9 of them.

    columns 0 to 447     1,015 crops of 224 x 224 pixels for training, every 8 pixels
    columns 512 to 735   13 crops for testing, every 23 rows

Between them lie 64 columns, more than the largest disparity: a pixel at or behind column 512 of the left picture is at
or behind column 452 of the right one, so nothing of the test part is seen in training, by either eye.
"""

from __future__ import annotations

import hashlib
from io import BytesIO
from typing import Literal

import numpy as np

from selftaught.data import remote
from selftaught.data.entry import Entry
from selftaught.data.image.decode import decode
from selftaught.data.sets.stereo_depth import folder
from selftaught.data.stereo.source import Pair, Pairs, crops
from selftaught.data.stereo.stereo_set import StereoSet

CROP = 224
REGIONS = {"train": ((0, 448, 8), 8), "test": ((512, 741, 23), 23)}
"""First column, end, and pixels from one crop to the next; and rows."""
FILES = {
    "motorcycle_left.png": "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179",
    "motorcycle_right.png": "5fc913ae870e42a4b662314bc904d1786bcad8e2f0b9b67dba5a229406357797",
    "motorcycle_disp.npz": "2e49c8cebff3fa20359a0cc6880c82e1c03bbb106da81a177218281bc2f113d7",
}
"""SHA-256 of the files of scikit-image."""
OFFSET = 31.086
"""By how many pixels the principal points differ, by the calibration of the pair."""
KIND, NAMES = "stereo", ("motorcycle",)
ENTRY = Entry(
    "motorcycle",
    "crops of a photographed stereo pair with its disparity",
    "1,015 + 13 pairs in colour, 224x224",
    (),
    "none stated; Middlebury Stereo 2014",
    "included in scikit-image",
    kind=KIND,
)


def cached() -> bool:
    """Return whether scikit-image is installed."""
    found = folder()
    return found is not None and all((found / name).is_file() for name in FILES)


def load(split: Literal["train", "test"]) -> Pairs:
    """Load the crops of one part. Raises UserError if scikit-image or its files are not there."""
    try:
        files = {name: _read(name) for name in FILES}
    except remote.Unavailable as reason:
        raise remote.nowhere("motorcycle", [str(reason)], "pip install scikit-image, which includes it") from None
    columns, rows = REGIONS[split]
    return crops(whole(files), CROP, columns, rows)


def whole(files: dict[str, bytes]) -> Pair:
    """Return the whole pair, with NaN where the disparity is not known."""
    left, right = (decode(files[f"motorcycle_{eye}.png"])[:, :, :3] for eye in ("left", "right"))
    with np.load(BytesIO(files["motorcycle_disp.npz"])) as arrays:
        disparity = arrays["arr_0"].astype(np.float32)
    return Pair(left, right, np.where(np.isfinite(disparity), disparity, np.float32(np.nan)), OFFSET)


def _read(name: str) -> bytes:
    where = folder()
    if where is None:
        raise remote.Unavailable("scikit-image is not installed")
    try:
        data = (where / name).read_bytes()
    except OSError:
        raise remote.Unavailable(f"this version of scikit-image has no {name}") from None
    if hashlib.sha256(data).hexdigest() != FILES[name]:
        raise remote.Unavailable(f"{name} of this version of scikit-image differs from the expected file")
    return data


SETS = {"motorcycle": StereoSet(ENTRY, cached, load)}
