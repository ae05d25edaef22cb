"""Crops of a photograph with its depth: red, green, blue and disparity, for methods that predict one from the other.

The photograph is the left one of the stereo pair "Motorcycle" of the Middlebury 2014 benchmark, 741 x 500 pixels, which
scikit-image contains with the disparity of every pixel: by how many pixels it lies further left in the right
photograph. Near things have a large disparity. The fourth channel is four times the disparity (7.2 to 59.9 pixels: 29
to 240). The 7% of pixels whose disparity is not known take that of the nearest pixel where it is.

    columns 0 to 511     3,599 crops of 32 x 32 pixels for training, every 8 pixels
    columns 544 to 740   330 crops for testing, every 16 pixels

The crops have no labels.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from selftaught.data import remote
from selftaught.data.entry import Entry
from selftaught.data.image.arrays import ArraySource
from selftaught.data.image.decode import decode
from selftaught.data.image.image_set import ImageSet
from selftaught.kind import Progress, silent

CROP = 32
REGIONS = {"train": (0, 512, 8), "test": (544, 741, 16)}
"""First column, end, and pixels from one crop to the next."""
FILES = {
    "motorcycle_left.png": "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179",
    "motorcycle_disp.npz": "2e49c8cebff3fa20359a0cc6880c82e1c03bbb106da81a177218281bc2f113d7",
}
"""SHA-256 of the files of scikit-image."""
KIND, NAMES = "image", ("stereo-depth",)
ENTRY = Entry(
    "stereo-depth",
    "crops of a photograph with its depth as a fourth channel",
    "3,599 + 330 of four channels, 32x32",
    (),
    "none stated; Middlebury Stereo 2014",
    "included in scikit-image",
    kind=KIND,
)


def folder() -> Path | None:
    """Return the folder of scikit-image's data, if it is installed."""
    spec = find_spec("skimage")
    places = spec.submodule_search_locations if spec is not None else None
    return Path(next(iter(places))) / "data" if places else None


def cached() -> bool:
    """Return whether scikit-image is installed."""
    found = folder()
    return found is not None and all((found / name).is_file() for name in FILES)


def load(split: Literal["train", "test"], progress: Progress = silent) -> ArraySource:
    """Load crops [N, 32, 32, 4] of one part. Raises UserError if scikit-image or its files are not there."""
    try:
        whole = joined({name: read(name) for name in FILES})
    except remote.Unavailable as reason:
        raise remote.nowhere("stereo-depth", [str(reason)], "pip install scikit-image, which includes it") from None
    first, end, step = REGIONS[split]
    windows = np.lib.stride_tricks.sliding_window_view(whole[:, first:end], (CROP, CROP), axis=(0, 1))
    crops = windows[::step, ::step].transpose(0, 1, 3, 4, 2).reshape(-1, CROP, CROP, 4)
    return ArraySource(np.ascontiguousarray(crops))


def read(name: str) -> bytes:
    """Return the bytes of one of `FILES`. Raises Unavailable if it is missing or different."""
    where = folder()
    try:
        data = (where / name).read_bytes() if where is not None else b""
    except OSError:
        raise remote.Unavailable(f"this version of scikit-image has no {name}") from None
    if where is None:
        raise remote.Unavailable("scikit-image is not installed")
    if hashlib.sha256(data).hexdigest() != FILES[name]:
        raise remote.Unavailable(f"{name} of this version of scikit-image differs from the expected file")
    return data


def joined(files: dict[str, bytes]) -> NDArray[np.uint8]:
    """Return the photograph with its disparity as a fourth channel, uint8 [500, 741, 4]."""
    from scipy import ndimage

    colour = decode(files["motorcycle_left.png"])
    with np.load(BytesIO(files["motorcycle_disp.npz"])) as arrays:
        disparity = arrays["arr_0"]
    unknown = ~np.isfinite(disparity)
    nearest = ndimage.distance_transform_edt(unknown, return_distances=False, return_indices=True)
    depth = np.rint(4 * disparity[tuple(nearest)]).astype(np.uint8)
    return np.concatenate([colour[:, :, :3], depth[:, :, None]], axis=2)


SETS = {"stereo-depth": ImageSet(ENTRY, cached, load)}
