"""Crops of 99 free colour photographs that come inside packages: which photograph is a crop from?

Half of the photographs are small (480 x 360 pixels), so all are brought to one size: the central 4:3 part, whatever the
photograph's shape, becomes 512 x 384 pixels (the smallest, 400 x 300, is enlarged by 1.28). That is a grid of 8 x 6
crops of 64 x 64 pixels that share no pixel:

    columns 0-4   30 crops to train on
    column  5     left out, so that nothing in training touches what is asked about
    columns 6-7   12 crops to test with

`labels` = the photograph, so chance is 1 in 99. `groups` = photograph and column: a split by group holds out vertical
strips of every photograph, which is what the test does too. (Groups of whole photographs would make every held-out
class unseen, and no groups would judge by cells whose four neighbours were learnt.)

`photos.csv` beside this file lists every photograph: package, file, name, author, licence and SHA-256. A package whose
files are other ones than these is not used at all, so that a name always stands for the same pixels. Drawings,
renderings, grey pictures and second shots of one scene in those packages are not in the list.
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
REGIONS = {"train": range(5), "test": range(6, 8)}  # columns; the one between is left out
CROPS = {split: ROWS * len(columns) for split, columns in REGIONS.items()}  # of one photograph
BUNDLED = {"scikit-image": ("skimage", "data"), "scikit-learn": ("sklearn", "datasets/images")}
"""Python packages that hold photographs: module, folder. All other packages of the table are Debian's."""


class Photograph(NamedTuple):
    """A row of photos.csv."""

    package: str
    file: str
    name: str
    author: str
    licence: str
    sha256: str


def table() -> list[Photograph]:
    """Every photograph, those of one package together."""
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
    """Where a package's crops are kept. Other photographs, another grid or another decoder get another name."""
    what = digest_of(
        repr([photo for photo in TABLE if photo.package == package]), repr((VERSION, PATCH, COLUMNS, ROWS, REGIONS))
    )
    return cache.folder() / "photos" / f"{package}-{what[:8]}.images"


def cached() -> bool:
    """Whether nothing has to be fetched."""
    return all(place(package).is_file() or _installed(package) is not None for package in PACKAGES)


def load(split: Literal["train", "test"], progress: Progress = silent) -> ArraySource:
    """Crops [N, 64, 64, 3] of one side of every photograph: 30 each ("train") or 12 each ("test").

    In a fixed random order in which photographs take turns, so that the first N crops are of all of them.
    Takes what it can get: fewer photographs, with a warning that says which package is missing. Raises UserError when
    fewer than two can be had.
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
    """What `cut` makes of each photograph of a package, one after another, from the cache or packed into it now."""
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
    """The folder of photographs of an installed Python package."""
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
    """The crops uint8 [42, 64, 64, 3] of one photograph.

    Row by row those of the training region, then those of the test region.

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
