"""Crops of 99 free colour photographs that are part of packages. The label of a crop is its photograph.

Half of the photographs are small (480 x 360 pixels), so all are resized to one size: the central 4:3 part, whatever the
shape of the photograph, becomes 512 x 384 pixels (the smallest, 400 x 300, is enlarged by 1.28). This is a grid of 8 x
6 crops of 64 x 64 pixels that do not overlap:

    columns 0-4   30 crops for training
    column  5     unused, so that training crops do not touch test crops
    columns 6-7   12 crops for testing

`labels` = the photograph, so chance is 1 in 99. `groups` = photograph and column, so that a split by group holds out
vertical strips of every photograph, as the test part does. (With whole photographs as groups, every held-out class
would be unseen; without groups, the four neighbours of a held-out crop would be in the training part.)

`photos.csv` next to this file lists the package, file, name, author, licence and SHA-256 of every photograph. A package
with different files is not used at all, so that a name always stands for the same pixels. Drawings, renderings, grey
images and second photographs of one scene in these packages are not in the list.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
from collections.abc import Iterator
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image

from selftaught.data import cache, remote
from selftaught.data.entry import Entry
from selftaught.data.image import pack
from selftaught.data.image.arrays import ArraySource
from selftaught.data.image.decode import VERSION, Unreadable, decode
from selftaught.data.image.image_set import ImageSet
from selftaught.data.image.source import Pixels
from selftaught.kind import Progress, silent
from selftaught.source import digest_of

PATCH = 64
COLUMNS, ROWS = 8, 6
REGIONS = {"train": range(5), "test": range(6, 8)}  # columns; the one between them is unused
CROPS = {split: ROWS * len(columns) for split, columns in REGIONS.items()}  # of one photograph
BUNDLED = {"scikit-image": ("skimage", "data"), "scikit-learn": ("sklearn", "datasets/images")}
"""Python packages that contain photographs: module, folder. All other packages of the table are Debian's."""


class Photograph(NamedTuple):
    """One row of photos.csv."""

    package: str
    file: str
    name: str
    author: str
    licence: str
    sha256: str


def table() -> list[Photograph]:
    """Return all photographs, grouped by package."""
    lines = (files("selftaught.data.sets") / "photos.csv").read_text(encoding="utf-8").splitlines()
    return [Photograph(**row) for row in csv.DictReader(lines)]


TABLE = table()
PACKAGES = tuple(dict.fromkeys(photo.package for photo in TABLE))
KIND, NAMES = "image", ("photos",)
ENTRY = Entry(
    "photos",
    "crops of photographs, labelled by photograph; test crops are from another part of it",
    f"{len(TABLE) * CROPS['train']:,} + {len(TABLE) * CROPS['test']:,} colour 64x64",
    tuple(photo.name for photo in TABLE),
    "free licences, one per photograph: see photos.csv",
    f"included in {' and '.join(BUNDLED)}; Debian packages {', '.join(PACKAGES[len(BUNDLED) :])}",
    kind=KIND,
)


def place(package: str) -> Path:
    """Return the path for the crops of a package. It changes with the photographs, the grid and the decoder."""
    what = digest_of(
        repr([photo for photo in TABLE if photo.package == package]), repr((VERSION, PATCH, COLUMNS, ROWS, REGIONS))
    )
    return cache.folder() / "photos" / f"{package}-{what[:8]}.images"


def cached() -> bool:
    """Return whether nothing has to be downloaded."""
    return all(place(package).is_file() or _installed(package) is not None for package in PACKAGES)


def load(split: Literal["train", "test"], progress: Progress = silent) -> ArraySource:
    """Load crops [N, 64, 64, 3] of one side of every photograph: 30 each ("train") or 12 each ("test").

    They are in a fixed random order in which photographs take turns, so that the first N crops include all of them. If
    a package is missing, the data has fewer photographs and a warning names the package. Raises UserError if fewer than
    two photographs are available.
    """
    found: list[Pixels] = []
    names: list[str] = []
    missing = []
    for done, package in enumerate(PACKAGES):
        progress(done, len(PACKAGES))
        try:
            found.append(_crops(package))
        except remote.Unavailable as reason:
            missing.append(str(reason))
        else:
            names += [photo.name for photo in TABLE if photo.package == package]
    progress(len(PACKAGES), len(PACKAGES))
    if len(names) < 2:
        raise remote.nowhere("photos", missing, "pip install scikit-image, which includes a few photographs")
    if missing:
        remote.log.warning(
            "data 'photos' has %d photographs instead of %d: %s", len(names), len(TABLE), "; ".join(missing)
        )
    part = slice(0, CROPS["train"]) if split == "train" else slice(CROPS["train"], None)
    crops = np.concatenate(
        [of_package.reshape(-1, sum(CROPS.values()), PATCH, PATCH, 3)[:, part] for of_package in found]
    )
    rng = np.random.Generator(np.random.Philox(key=[0, 0x9407]))
    order = np.stack([rng.permutation(CROPS[split]) for _ in names], axis=1)  # [crops of one photograph, photographs]
    photograph = np.broadcast_to(np.arange(len(names)), order.shape)
    column = np.tile(np.array(REGIONS[split]), ROWS)[order]
    groups = (photograph * COLUMNS + column).reshape(-1)
    return ArraySource(
        crops[photograph, order].reshape(-1, PATCH, PATCH, 3), photograph.reshape(-1), names, groups=groups
    )


def _crops(package: str) -> Pixels:
    """Return the result of `cut` for each photograph of a package, from the cache or packed into it now."""
    photos = [photo for photo in TABLE if photo.package == package]
    shape = (len(photos) * sum(CROPS.values()), PATCH, PATCH, 3)
    found = pack.read(place(package), shape)
    if found is not None:
        return found
    with _folder(package) as folder:
        crops = np.concatenate([_read(folder, photo) for photo in photos])
    try:
        pack.write(place(package), shape, [crops])
    except (OSError, cache.Unwritable) as error:
        remote.log.warning("photographs are not cached, because the cache cannot be written: %s", error)
    return crops


def _installed(package: str) -> Path | None:
    """Return the folder of photographs of an installed Python package."""
    if package not in BUNDLED:
        return None
    module, folder = BUNDLED[package]
    spec = find_spec(module)
    return (
        None
        if spec is None or not spec.submodule_search_locations
        else Path(next(iter(spec.submodule_search_locations))) / folder
    )


@contextlib.contextmanager
def _folder(package: str) -> Iterator[Path]:
    if package not in BUNDLED:
        with remote.debian(package) as unpacked:
            yield unpacked
        return
    installed = _installed(package)
    if installed is None:
        raise remote.Unavailable(f"{package} is not installed")
    yield installed


def _read(folder: Path, photo: Photograph) -> Pixels:
    try:
        data = (folder / photo.file).read_bytes()
    except OSError:
        raise remote.Unavailable(f"this version of {photo.package} has no {photo.file}") from None
    if hashlib.sha256(data).hexdigest() != photo.sha256:
        raise remote.Unavailable(f"{photo.file} of this version of {photo.package} differs from the expected file")
    try:
        return cut(data)
    except Unreadable as reason:
        raise remote.Unavailable(f"{photo.file} of {photo.package} cannot be read ({reason})") from None


def cut(data: bytes) -> Pixels:
    """Return the crops uint8 [42, 64, 64, 3] of one photograph.

    The crops of the training region come first, row by row, then those of the test region.

    Raises Unreadable.
    """
    pixels = decode(data, at_least=ROWS * PATCH)
    height, width = pixels.shape[:2]
    scale = min(width / COLUMNS, height / ROWS)
    left, top = (width - scale * COLUMNS) / 2, (height - scale * ROWS) / 2
    box = (left, top, left + scale * COLUMNS, top + scale * ROWS)
    picture = (
        Image.fromarray(pixels)
        .convert("RGB")
        .resize((COLUMNS * PATCH, ROWS * PATCH), Image.Resampling.BILINEAR, box=box)
    )
    # [row, column, 64, 64, 3]
    grid = np.asarray(picture).reshape(ROWS, PATCH, COLUMNS, PATCH, 3).transpose(0, 2, 1, 3, 4)
    return np.concatenate([grid[:, list(columns)].reshape(-1, PATCH, PATCH, 3) for columns in REGIONS.values()])


SETS = {"photos": ImageSet(ENTRY, cached, load)}
