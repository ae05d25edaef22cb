"""Boxes in COCO's JSON: lists of images, annotations and categories."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from selftaught.data.image.boxes.picture import Box, Found, Picture
from selftaught.data.image.decode import Unreadable
from selftaught.errors import UserError

KEYS = ("images", "annotations", "categories")
WHOLE = "instances"
"""In COCO's own folders, the file of this name has the boxes; others repeat the pictures with other notes."""


def is_coco(path: Path) -> bool:
    """Return whether a file is such a JSON file, judging by its start and its keys."""
    try:
        with path.open("rb") as file:
            if file.read(64).lstrip()[:1] != b"{":
                return False
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and all(isinstance(found.get(key), list) for key in KEYS)


def read(path: Path, root: Path) -> Found:
    """Return the pictures of a file, in its order, and the names of the classes, in the order of their ids.

    Pictures are sought beside the file and in the usual folders of `root`. Raises UserError for a file of another form.
    """
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path}: it is not valid JSON: {error}") from None
    for key in KEYS:
        if not isinstance(found, dict) or not isinstance(found.get(key), list):
            raise UserError(f"{path}: boxes in COCO's form need a list '{key}'")
    try:
        names = {
            entry["id"]: str(entry["name"]) for entry in sorted(found["categories"], key=lambda entry: entry["id"])
        }
        boxes: dict[Any, list[Box]] = {entry["id"]: [] for entry in found["images"]}
        stray = []
        for entry in found["annotations"]:
            if entry["image_id"] in boxes:
                boxes[entry["image_id"]].append(_box(entry, names))
            else:
                stray.append(f"{path.name}: image_id {entry['image_id']}")
        pictures = [
            Picture(str(entry["file_name"]), _reader(path, root, str(entry["file_name"])), boxes[entry["id"]])
            for entry in found["images"]
        ]
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: an entry lacks {error}, which COCO's form has") from None
    return Found(pictures, list(names.values()), stray=stray)


def _box(entry: Mapping[str, Any], names: Mapping[Any, str]) -> Box:
    corners = entry["bbox"]  # left, top, width, height
    with suppress(TypeError, ValueError):  # told with its picture
        left, top, width, height = (float(value) for value in corners)
        corners = (left, top, left + width, top + height)
    said = entry["category_id"]
    return Box(corners, names.get(said), said, bool(entry.get("iscrowd", 0)))


def _reader(path: Path, root: Path, name: str) -> Any:
    part = path.stem.rpartition("_")[2]  # instances_train2017.json: its pictures are in train2017
    places = [path.parent, root, *(base / inner for base in (path.parent, root) for inner in ("images", part))]
    places += [root / "images" / part, path.parent.parent / "images", path.parent.parent / "images" / part]

    def content() -> bytes:
        for place in places:
            if (place / name).is_file():
                return (place / name).read_bytes()
        raise Unreadable(f"there is no such file beside {path.name} or in its folder of images")

    return content
