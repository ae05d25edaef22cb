"""Open pictures with boxes: which format, which parts, which classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from selftaught.data import layout, tables, told
from selftaught.data.image.boxes import coco, rows, voc
from selftaught.data.image.boxes.picture import Checked, Faults, Found, Picture, check
from selftaught.data.image.boxes.source import IN_MEMORY, Boxed, reduced
from selftaught.data.image.decode import Unreadable
from selftaught.data.subset import split_index
from selftaught.errors import UserError
from selftaught.source import Skipped

FORMATS = "COCO's JSON, a folder of Pascal VOC's XML, or Parquet with the columns image, boxes and labels"


class Sides(NamedTuple):
    """The parts of a data set: "train" and "test", or "all"; what they are called; what is left aside."""

    parts: Mapping[str, Found]
    called: Mapping[str, str]
    aside: Sequence[str] = ()


def open_boxes(data: Any, side: int, channels: int) -> tuple[Boxed, Boxed]:
    """Return the training and the test part of pictures with boxes.

    The parts are told by the names of files and folders, or by VOC's lists; pictures without a test part are split by
    content, 80/20. Classes are numbered once for both. Boxes that cannot be used are left out, counted and named in the
    notes; so are pictures that are missing or damaged, in `skipped`. A picture without boxes is a negative.

    Args:
        data: A file or a folder: COCO's JSON, Pascal VOC's XML, Parquet or Arrow.
        side: Pictures are reduced to at most so many pixels on the longer side.
        channels: Of the pictures, 3 = colour.

    Raises:
        UserError: There are no boxes, or not a single picture of a part can be read.
    """
    sides = _sides(data)
    classes = list(dict.fromkeys(name for found in sides.parts.values() for name in found.classes))
    if not classes:
        raise UserError(f"{data}: none of its boxes has a class")
    opened = {part: _opened(found, classes, side, channels, str(data)) for part, found in sides.parts.items()}
    if "all" in opened:
        whole = opened["all"]
        train, test = (whole.part(split_index(whole, one)) for one in _BOTH)
    else:
        train, test = opened["train"], _without(opened["test"], opened["train"])
    for part, source in zip(_BOTH, (train, test), strict=True):
        source.notes = (*told.division(part, sides.called, dict.fromkeys(sides.aside)), *source.notes)
    return train, test


_BOTH: tuple[Literal["train", "test"], ...] = ("train", "test")


def _without(test: Boxed, train: Boxed) -> Boxed:
    """Return the test pictures that are not in the training part too. Raises UserError if there are none."""
    known, asked = (np.ascontiguousarray(source.digests).view("V32").reshape(-1) for source in (train, test))
    new = np.flatnonzero(~np.isin(asked, known))
    if len(new) == 0:
        raise UserError("every test picture also occurs in the training data: name other data")
    if len(new) == len(test):
        return test
    left = test.part(new)
    left.notes = (*left.notes, f"{len(test) - len(new):,} test images that are in training too left out")
    return left


def _opened(found: Found, classes: Sequence[str], side: int, channels: int, where: str) -> Boxed:
    faults, skipped, held = Faults(), [*found.skipped], 0
    for stray in found.stray:
        faults.add("of a picture that is not named", stray)
    pictures, annotations = list[Picture](), list[Checked]()
    sizes, digests, kept = list[tuple[int, int]](), list[bytes](), dict[int, Any]()
    for picture in found.pictures:
        try:
            pixels, size, digest = reduced(picture.read(), side, channels)
        except OSError as error:
            skipped.append({"path": picture.name, "reason": error.strerror or "cannot be read"})
            continue
        except Unreadable as error:
            skipped.append({"path": picture.name, "reason": str(error)})
            continue
        if held + pixels.nbytes <= IN_MEMORY:
            held += pixels.nbytes
            kept[len(pictures)] = pixels
        pictures.append(picture)
        annotations.append(check(picture, size, classes, faults))
        sizes.append(size)
        digests.append(digest)
    if not pictures:
        why = f": {_named(skipped)}" if skipped else ""
        raise UserError(f"{where}: not one picture can be read{why}")
    source = Boxed(pictures, annotations, sizes, digests, classes, channels, side, kept)
    source.skipped = skipped
    empty = sum(len(one.corners) == 0 for one in annotations)
    source.notes = (*([f"{empty:,} without boxes"] if empty else []), *faults.notes())
    return source


def _named(skipped: Sequence[Skipped]) -> str:
    first = skipped[0]
    more = f", and {len(skipped) - 1:,} more" if len(skipped) > 1 else ""
    return f"{first['path']}: {first['reason']}{more}"


def _sides(data: Any) -> Sides:
    if not isinstance(data, str | Path):
        raise UserError(f"boxes are read from {FORMATS}, not from data of type {type(data).__name__}")
    path = Path(data).expanduser()
    if not path.exists():
        raise UserError(f"{path}: there is no such file or folder: boxes are read from {FORMATS}")
    if path.is_file():
        if path.suffix.lower() == ".json":
            return Sides({"all": coco.read(path, path.parent)}, {"all": ""})
        if tables.is_table(path):
            return Sides({"all": rows.read([path])}, {"all": ""})
        raise UserError(f"{path}: boxes are read from {FORMATS}")
    return _of_folder(path)


def _of_folder(root: Path) -> Sides:
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    json = [name for name in files if name.lower().endswith(".json") and coco.is_coco(root / name)]
    json = [name for name in json if coco.WHOLE in Path(name).name] or json
    if json:
        return _by_name(json, lambda names: _joined([coco.read(root / name, root) for name in names]))
    held = [name for name in files if tables.is_table(Path(name)) and rows.holds_boxes(root / name)]
    if held:
        return _by_name(tables.of_one_set(root, held), lambda names: rows.read([root / name for name in names]))
    xml = [name for name in files if name.lower().endswith(".xml")]
    if not xml:
        raise UserError(f"{root}: no boxes in this folder: give {FORMATS}")
    if (lists := voc.listed(root, xml)) is not None:
        return Sides({part: voc.read(root, names) for part, names in lists.items()}, dict.fromkeys(lists, "lists"))
    return _by_name(xml, lambda names: voc.read(root, names))


def _by_name(files: list[str], read: Callable[[list[str]], Found]) -> Sides:
    parts, left = layout.named(files, lambda names: True)
    called = {
        part: names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "") for part, names in parts.items()
    }
    return Sides(
        {part: read(names) for part, names in parts.items()}, called if "all" not in parts else {"all": ""}, left
    )


def _joined(found: Sequence[Found]) -> Found:
    return Found(
        [picture for one in found for picture in one.pictures],
        list(dict.fromkeys(name for one in found for name in one.classes)),
        [skip for one in found for skip in one.skipped],
        [stray for one in found for stray in one.stray],
    )


__all__ = ["open_boxes"]
