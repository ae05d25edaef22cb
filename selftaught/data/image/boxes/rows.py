"""Boxes in the rows of tables (Parquet, Arrow): columns of pictures, of boxes and of their labels.

Boxes are lists of [left, top, right, bottom] in pixels. Hugging Face's column "objects", with "bbox" as [left, top,
width, height] and "category", is read as well. Needs the extra [parquet].
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from selftaught.data import tables
from selftaught.data.image.boxes.picture import Box, Found, Picture
from selftaught.data.image.table import TableItems
from selftaught.errors import UserError

BOXES = ("boxes", "bboxes", "bbox", "box")
LABELS = ("labels", "label", "classes", "class", "categories", "category", "category_id")
NAMES = ("name", "file_name", "filename", "path", "id", "image_id")
OBJECTS = "objects"


def holds_boxes(path: Path) -> bool:
    """Return whether a table has a column of boxes, judging by its schema."""
    return tables.judged(path, lambda schema: any(name in schema.names for name in (*BOXES, OBJECTS)))


def read(files: Sequence[Path]) -> Found:
    """Return a picture for each row. Raises UserError for tables without boxes or pictures."""
    where = str(files[0] if len(files) == 1 else files[0].parent)
    items = TableItems(files, label=None)
    with tables.readable(where):
        schema = tables.schema(files[0])
        known = schema.names
        if OBJECTS in known:
            entries = tables.read(files, [OBJECTS])[OBJECTS].to_pylist()
            boxes, labels, names = _objects(entries, schema.metadata)
        else:
            lacking = [usual[0] for usual in (BOXES, LABELS) if not any(name in known for name in usual)]
            if lacking:
                raise UserError(
                    f"{where}: it has no column '{lacking[0]}' (its columns are {', '.join(known)}): a list of boxes "
                    "[left, top, right, bottom] and a list of their labels in each row"
                )
            columns = [next(name for name in usual if name in known) for usual in (BOXES, LABELS)]
            found = tables.read(files, columns)
            boxes, labels = (found[column].to_pylist() for column in columns)
            names = tables.class_names(schema.metadata, columns[1])
        column = next((name for name in NAMES if name in known), None)
        called = None if column is None else tables.read(files, [column])[column].to_pylist()
    pictures = []
    for row, (corners, said) in enumerate(zip(boxes, labels, strict=True)):
        name = items.name(row) if called is None or called[row] is None else str(called[row])
        corners, said = corners or [], said or []
        if len(corners) != len(said):
            raise UserError(f"{where}, {name}: it has {len(corners)} boxes, but {len(said)} labels: correct the row")
        pictures.append(
            Picture(
                name, _reader(items, row), [Box(c, _label(s, names), s) for c, s in zip(corners, said, strict=True)]
            )
        )
    classes = list(names) or _numbered(box.label for picture in pictures for box in picture.boxes)
    return Found(pictures, classes)


def _objects(entries: Sequence[Mapping[str, Any] | None], metadata: Any) -> tuple[list[Any], list[Any], Sequence[str]]:
    boxes, labels = list[Any](), list[Any]()
    for entry in entries:
        entry = entry or {}
        boxes.append([_corners(box) for box in entry.get("bbox") or []])
        labels.append(next((entry[name] for name in LABELS if entry.get(name) is not None), []))
    return boxes, labels, _names_of_objects(metadata)


def _corners(box: Any) -> Any:
    try:
        left, top, width, height = box
        return [left, top, left + width, top + height]
    except (TypeError, ValueError):
        return box  # told with its picture


def _names_of_objects(metadata: Any) -> Sequence[str]:
    """Return the names of the classes that Hugging Face's metadata give for the labels in the column of objects."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"][OBJECTS]
        features = features.get("feature", features)  # a sequence of entries, or an entry of sequences
        found = next(features[name] for name in LABELS if name in features)
        names = found.get("names") or found.get("feature", {}).get("names")
    except (KeyError, TypeError, ValueError, StopIteration, AttributeError):
        return ()
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else ()


def _label(said: Any, names: Sequence[str]) -> str | None:
    """Return the name of a class: of a number by the names, if there are any, or the number itself."""
    if isinstance(said, str):
        return said or None
    if not isinstance(said, int) or said < 0 or (names and said >= len(names)):
        return None
    return names[said] if names else str(said)


def _numbered(labels: Any) -> list[str]:
    """Return the classes that occur, numbers in their order."""
    found = {label for label in labels if label is not None}
    return sorted(found, key=lambda name: (not name.isdecimal(), int(name) if name.isdecimal() else 0, name))


def _reader(items: TableItems, row: int) -> Any:
    return lambda: items.read(row)
