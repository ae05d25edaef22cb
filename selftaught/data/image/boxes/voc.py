"""Boxes in Pascal VOC's XML: one file for each picture."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from selftaught.data.image.boxes.picture import Box, Found, Picture
from selftaught.data.image.decode import Unreadable
from selftaught.data.image.names import SUFFIXES
from selftaught.source import Skipped

CORNERS = ("xmin", "ymin", "xmax", "ymax")
LISTS = Path("ImageSets") / "Main"
"""Where VOC's own folders have the names of the pictures of each part."""
FOLDERS = ("JPEGImages", "images", "Images")
"""Where pictures are, beside the folder of annotations."""


def listed(root: Path, files: Sequence[str]) -> dict[str, list[str]] | None:
    """Return the files of the parts train and test by the lists of VOC's own folders; None without such lists.

    "test" judges, else "val". Trained on is "trainval" beside a test part, else "train".
    """
    found = {path.stem: path.read_text("utf-8", "replace").split("\n") for path in (root / LISTS).glob("*.txt")}
    test = "test" if "test" in found else "val"
    train = "trainval" if test == "test" and "trainval" in found else "train"
    if train not in found or test not in found:
        return None
    by_name = {Path(file).stem: file for file in files}
    stems = {part: [line.split()[0] for line in found[name] if line.strip()] for part, name in
             (("train", train), ("test", test))}  # fmt: skip
    return {part: [by_name[stem] for stem in stems[part] if stem in by_name] for part in stems}


def read(root: Path, files: Sequence[str]) -> Found:
    """Return the pictures of XML files and the names of the classes in them, sorted."""
    pictures, skipped = [], list[Skipped]()
    for file in files:
        try:
            tree = ElementTree.parse(root / file).getroot()
        except OSError as error:
            skipped.append({"path": file, "reason": str(error.strerror)})
            continue
        except ElementTree.ParseError as error:
            skipped.append({"path": file, "reason": f"not valid XML: {error}"})
            continue
        if tree.tag != "annotation":
            skipped.append({"path": file, "reason": f"its root is <{tree.tag}>, not <annotation>"})
            continue
        boxes = [_box(entry) for entry in tree.iter("object")]
        name = (tree.findtext("filename") or "").strip()
        pictures.append(Picture(name or file, _reader(root, root / file, name), boxes))
    names = sorted({box.label for picture in pictures for box in picture.boxes if box.label})
    return Found(pictures, names, skipped)


def _box(entry: ElementTree.Element) -> Box:
    said = (entry.findtext("name") or "").strip()
    corners: list[Any] = [entry.findtext(f"bndbox/{key}") for key in CORNERS]
    with suppress(TypeError, ValueError):  # told with its picture
        # VOC counts pixels from 1, and a box holds its last one
        corners = [float(corners[0]) - 1, float(corners[1]) - 1, float(corners[2]), float(corners[3])]
    difficult = (entry.findtext("difficult") or "0").strip() == "1"
    return Box(corners, said or None, said or "an object without <name>", difficult)


def _reader(root: Path, file: Path, name: str) -> Any:
    above = [file.parent, *file.parent.parents]
    above = above[: above.index(root) + 1]
    places = [place / inner for place in above for inner in ("", *FOLDERS)]

    def content() -> bytes:
        for place in places:
            if name and (place / name).is_file():
                return (place / name).read_bytes()
        for place in places:  # some tools change the name, and not the <filename> in it
            for ending in sorted(SUFFIXES):
                if (other := place / f"{file.stem}{ending}").is_file():
                    return other.read_bytes()
        raise Unreadable(f"the picture that {file.name} is about is not beside it, nor in {' or '.join(FOLDERS[:2])}")

    return content
