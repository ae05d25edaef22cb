"""CIFAR-10 (Krizhevsky 2009): 60,000 colour 32x32 images of ten kinds of animals and vehicles."""

from __future__ import annotations

import os
import tarfile
import tempfile
from pathlib import Path
from typing import Literal

import numpy as np

from selftaught.data import cache, remote
from selftaught.data.entry import Entry
from selftaught.data.image import pack
from selftaught.data.image.arrays import ArraySource
from selftaught.data.image.image_set import ImageSet
from selftaught.data.image.source import ImageSource
from selftaught.errors import UserError, expanded
from selftaught.kind import Progress, silent

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
KIND, NAMES = "image", ("cifar10",)
ENTRY = Entry(
    "cifar10",
    "CIFAR-10: photographs of animals and vehicles",
    "50,000 + 10,000 colour 32x32",
    CLASSES,
    "none stated; for research",
    "$SELFTAUGHT_DATA/cifar10-jpeg/{train,test}.parquet, else www.cs.toronto.edu/~kriz",
    kind=KIND,
)
# the binary version, because the Python version is a pickle
ADDRESS = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
MEMBERS = {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "test": ["test_batch.bin"]}
RECORDS = {"train": 50_000, "test": 10_000}


def place(split: str) -> Path:
    """Return the path of a part: records of one label byte and 32x32x3 pixels, packed as [N, 1, 1, 3073]."""
    return cache.folder() / "cifar10" / f"{split}.records"


def local(split: str) -> Path | None:
    """Return the Parquet file in the folder SELFTAUGHT_DATA, if it exists."""
    folder = os.environ.get("SELFTAUGHT_DATA")
    path = expanded(folder) / "cifar10-jpeg" / f"{split}.parquet" if folder else None
    return path if path is not None and path.is_file() else None


def cached() -> bool:
    """Return whether nothing has to be downloaded."""
    return all(place(split).is_file() or local(split) for split in MEMBERS)


def load(split: Literal["train", "test"], progress: Progress = silent) -> ImageSource:
    """Load 50,000 ("train") or 10,000 ("test") images. Raises UserError if they cannot be downloaded.

    The files in SELFTAUGHT_DATA are JPEG. Their pixels, and therefore the fingerprint, differ slightly from the
    originals.
    """
    shape = (RECORDS[split], 1, 1, 3073)
    records = pack.read(place(split), shape)
    if records is None and (path := local(split)) is not None:
        from selftaught.data.image.decoded import build
        from selftaught.data.image.items import number
        from selftaught.data.image.table import TableItems

        items = TableItems([path], CLASSES)
        number([items])
        return build(items, progress=progress)
    if records is None:
        _fetch(progress)
        records = pack.read(place(split), shape)
    if records is None:
        raise UserError(f"{place(split)}: damaged just after it was written: check the disk")
    rows = records.reshape(len(records), 3073)
    planes = rows[:, 1:].reshape(-1, 3, 32, 32)  # [N, C, H, W]
    return ArraySource(planes.transpose(0, 2, 3, 1), rows[:, 0].astype(np.int64), CLASSES)


def _fetch(progress: Progress) -> None:
    try:
        with tempfile.TemporaryDirectory(dir=cache.make(place("train").parent)) as name:
            archive = Path(name) / "cifar10.tar.gz"
            remote.download(ADDRESS, archive, SHA256)
            unpack(archive, progress)
    except remote.Unavailable as reason:
        instead = (
            "set SELFTAUGHT_DATA to a folder with cifar10-jpeg/train.parquet and test.parquet, or use 'fashion-mnist'"
        )
        raise remote.nowhere("cifar10", [str(reason)], instead) from None


def unpack(archive: Path, progress: Progress) -> None:
    """Pack the records of the official archive into the cache.

    Raises Unavailable if a file is missing or has a wrong length.
    """
    with tarfile.open(archive) as tar:
        files = {Path(member.name).name: member for member in tar if member.isfile()}
        for done, (split, names) in enumerate(MEMBERS.items()):
            progress(done, len(MEMBERS))
            blocks = []
            for name in names:
                stream = tar.extractfile(files[name]) if name in files else None
                data = stream.read() if stream else b""
                if len(data) != 10_000 * 3073:
                    raise remote.Unavailable(f"{ADDRESS} has no complete {name}")
                blocks.append(np.frombuffer(data, dtype=np.uint8))
            pack.write(place(split), (RECORDS[split], 1, 1, 3073), blocks)
    progress(len(MEMBERS), len(MEMBERS))


SETS = {"cifar10": ImageSet(ENTRY, cached, load)}
