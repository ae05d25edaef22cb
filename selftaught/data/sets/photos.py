"""Patches of a few dozen colour photographs that come inside packages: no labels, but which photograph each patch is from."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from selftaught.data import cache, pack, remote
from selftaught.data.arrays import ArraySource
from selftaught.data.decode import Unreadable, decode
from selftaught.data.entry import Entry
from selftaught.data.progress import Progress, silent
from selftaught.data.source import Pixels
from selftaught.data.subset import Subset
from selftaught.data.subset import split as split_by_photo

PATCH = 64
COLUMNS, ROWS = 12, 8  # of patches in a photograph that is wider than high
BUNDLED = ("astronaut.png", "chelsea.png", "coffee.png", "hubble_deep_field.jpg", "ihc.png", "motorcycle_left.png", "retina.jpg",
           "rocket.jpg")
# Only photographs: the packages' drawings and colour gradients teach nothing about the world.
DEBIAN = {
    "mate-backgrounds": "usr/share/backgrounds/mate/nature/*.jpg",
    "lomiri-wallpapers-16.04": "usr/share/backgrounds/[!u]*_by_*.jpg",  # all but one, umang, which is a gradient
}
ENTRY = Entry(
    "photos", "64-pixel patches of photographs, unlabelled, split by photograph", "about 2,600 + 700 colour 64x64", (),
    "free, differs by photograph: see scikit-image and the packages", f"inside scikit-image; Debian packages {', '.join(DEBIAN)}",
)


def place(package: str) -> Path:
    """Where a package's patches are kept."""
    return cache.folder() / "photos" / f"{package}.images"


def cached() -> bool:
    """Whether nothing has to be fetched."""
    return find_spec("skimage") is not None and all(place(package).is_file() for package in DEBIAN)


def load(split: Literal["train", "test"], progress: Progress = silent) -> Subset:
    """Patches [N, 64, 64, 3] of four fifths of the photographs ("train") or of the others ("test"). `groups` = the photograph.

    Takes what it can get: fewer photographs, with a warning, when a package cannot be fetched. Raises UserError without any.
    """
    found, missing = [], []
    for done, package in enumerate(("", *DEBIAN)):
        progress(done, len(DEBIAN) + 1)
        try:
            found.append(_of_debian(package) if package else _bundled())
        except remote.Unavailable as reason:
            missing.append(str(reason))
    progress(len(DEBIAN) + 1, len(DEBIAN) + 1)
    if not found:
        raise remote.nowhere("photos", missing, "pip install scikit-image, which brings a few photographs")
    if missing:
        remote.log.warning("data 'photos' has fewer photographs than it could have: %s", "; ".join(missing))
    patches = np.concatenate(found)
    return split_by_photo(ArraySource(patches, groups=np.arange(len(patches)) // (COLUMNS * ROWS)), split)


def _bundled() -> Pixels:
    spec = find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise remote.Unavailable("scikit-image is not installed")
    folder = Path(next(iter(spec.submodule_search_locations))) / "data"
    photographs = [cut(folder / name) for name in BUNDLED if (folder / name).is_file()]
    if not photographs:
        raise remote.Unavailable("scikit-image brings no photographs")
    return np.concatenate(photographs)


def _of_debian(package: str) -> Pixels:
    found = pack.read(place(package))
    if found is not None:
        return found
    with remote.debian(package) as files:
        patches = np.concatenate([np.empty((0, PATCH, PATCH, 3), np.uint8), *_photographs(files, DEBIAN[package])])
    if not len(patches):
        raise remote.Unavailable(f"the Debian package {package} holds no photographs")
    try:
        pack.write(place(package), patches.shape, [patches])
    except (OSError, cache.Unwritable) as error:
        remote.log.warning("photographs are not kept, because the cache cannot be written: %s", error)
    return patches


def _photographs(files: Path, pattern: str) -> Iterator[Pixels]:
    for path in sorted(files.glob(pattern)):
        try:
            yield cut(path)
        except (OSError, Unreadable) as reason:
            remote.log.warning("photograph %s is left out: %s", path.name, reason)


def cut(path: Path) -> Pixels:
    """The central 3:2 part (2:3 when it is higher than wide), resized and cut into a grid of [96, 64, 64, 3]. Raises Unreadable."""
    pixels = decode(path.read_bytes(), at_least=ROWS * PATCH)
    height, width = pixels.shape[:2]
    columns, rows = (COLUMNS, ROWS) if width >= height else (ROWS, COLUMNS)
    scale = min(width / columns, height / rows)
    left, top = (width - scale * columns) / 2, (height - scale * rows) / 2
    box = (left, top, left + scale * columns, top + scale * rows)
    picture = Image.fromarray(pixels).resize((columns * PATCH, rows * PATCH), Image.Resampling.BILINEAR, box=box)
    grid = np.asarray(picture.convert("RGB")).reshape(rows, PATCH, columns, PATCH, 3)
    return np.ascontiguousarray(grid.transpose(0, 2, 1, 3, 4)).reshape(-1, PATCH, PATCH, 3)
