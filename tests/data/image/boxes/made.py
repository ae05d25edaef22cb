"""Small annotated pictures in every format."""

from __future__ import annotations

import importlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

SIZE = (40, 60)
"""Height and width."""


def jpeg(seed: int, size: tuple[int, int] = SIZE) -> bytes:
    """An encoded picture of noise."""
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)).save(out, "PNG")
    return out.getvalue()


def coco(path: Path, count: int, first: int = 0, extra: tuple[dict[str, Any], ...] = (), **more: Any) -> None:
    """A JSON file about `count` pictures beside it: picture i has a cat of 10x20 at (i, 5); the last has no box."""
    path.parent.mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for i in range(first, first + count):
        (path.parent / f"{i}.png").write_bytes(jpeg(i))
        images.append({"id": 100 + i, "file_name": f"{i}.png", "width": SIZE[1], "height": SIZE[0]})
        if i < first + count - 1:
            annotations.append({"id": i, "image_id": 100 + i, "category_id": 7, "bbox": [i, 5, 10, 20], "iscrowd": 0})
    annotations += [{"id": 1000 + i, "image_id": 100 + first, "iscrowd": 0} | one for i, one in enumerate(extra)]
    categories = [{"id": 9, "name": "dog"}, {"id": 7, "name": "cat"}]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories} | more))


def voc(path: Path, name: str, objects: list[tuple[str, tuple[Any, ...]]], difficult: int = 0) -> None:
    """An XML file about the picture `name`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    inside = "".join(
        f"<object><name>{label}</name><difficult>{difficult}</difficult><bndbox>"
        + "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
        + "</bndbox></object>"
        for label, box in objects
    )
    path.write_text(f"<annotation><filename>{name}</filename>{inside}</annotation>")


def parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    """A table with these rows."""
    pyarrow = pytest.importorskip("pyarrow", reason="needs the extra [parquet]")
    importlib.import_module("pyarrow.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
