"""Encoded images in the rows of tables (Parquet, Arrow): bytes, or Hugging Face's struct of bytes and path.

Needs the extra [parquet].
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, final

from selftaught.data import cache, tables
from selftaught.data.columns import label_column
from selftaught.data.groups import absent
from selftaught.data.image.columns import COLUMNS, image_column
from selftaught.data.image.decode import Unreadable
from selftaught.data.image.items import Items
from selftaught.data.labels import Given
from selftaught.errors import UserError
from selftaught.source import digest_of

IN_MEMORY = 1 << 30  # bytes; larger data is copied to the cache once as one Arrow file, which allows access to any row


def holds_images(path: Path) -> bool:
    """Return whether a column of a table has encoded images, judging by its schema."""
    return tables.judged(path, lambda schema: any(_holds_bytes(field.type) for field in schema))


@final
class TableItems(Items):
    """The rows of `files`, in order.

    Args:
        files: Parquet or Arrow files with the same columns.
        classes: Names of the classes if the files do not have them.
        image: The column of images, by default found by its name or type.
        label: The column of labels, by default found by its name.
    """

    def __init__(
        self, files: Sequence[Path], classes: Sequence[str] = (), *, image: str | None = None, label: str | None = None
    ) -> None:
        self._files = files
        self.where = str(files[0] if len(files) == 1 else files[0].parent)
        stamps = [(os.path.realpath(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        self._bytes = sum(size for _, size, _ in stamps)
        with tables.readable(self.where):
            schema = tables.schema(files[0])
            fitting = [field.name for field in schema if _holds_bytes(field.type)]
            self._column = image_column(schema.names, fitting, self.where, image)
            self.label = label_column(schema.names, label, self.where)
            known = None if self.label is None else tables.read(files, [self.label])[self.label].to_pylist()
            self._rows = tables.rows(files)
        self.key = f"parquet {stamps}" + (f" {image}" if image else "")
        if self._rows == 0:
            raise UserError(f"{self.where}: it has no rows, but at least one image is needed")
        self.asked = label is not None
        self.columns = COLUMNS
        self.given = Given(known, self._rows, classes or tables.class_names(schema.metadata, self.label))

    @cached_property
    def _images(self) -> Any:
        with tables.readable(self.where):
            return self._read([self._column])[self._column]

    def _read(self, columns: list[str]) -> Any:
        import pyarrow

        if self._bytes <= IN_MEMORY or all(file.suffix.lower() in tables.ARROW for file in self._files):
            return tables.read(self._files, columns)
        path = cache.folder() / "rows" / f"{digest_of(self.key)}.arrow"
        try:
            return pyarrow.ipc.open_file(pyarrow.memory_map(str(path))).read_all()
        except (pyarrow.ArrowException, OSError):  # absent or truncated
            with cache.replacing(path) as file:
                self._copy(file, columns)
            return pyarrow.ipc.open_file(pyarrow.memory_map(str(path))).read_all()

    def _copy(self, file: Any, columns: list[str]) -> None:
        import pyarrow

        writer = None
        for name in self._files:
            for batch in tables.batches(name, 256, columns):
                writer = writer or pyarrow.ipc.new_file(file, batch.schema)
                writer.write_batch(batch)
        if writer is not None:
            writer.close()

    def __len__(self) -> int:
        return self._rows

    def column(self, name: str) -> Sequence[Any]:
        """Return a column of the files. Raises UserError if there is none of this name."""
        with tables.readable(self.where):
            known = tables.schema(self._files[0]).names
            if name not in known:
                raise absent(name, self.where, known)
            found: list[Any] = tables.read(self._files, [name])[name].to_pylist()
        return found

    def name(self, position: int) -> str:
        """Return ``row N``."""
        return f"row {position}"

    def read(self, position: int) -> bytes:
        """Return the encoded image, from the row or from the file that the row names."""
        value: Any = self._images[position].as_py()
        if isinstance(value, dict):
            path = value.get("path")
            if value.get("bytes") is None and path:
                return self._files[0].parent.joinpath(path).read_bytes()
            value = value.get("bytes")
        if not value:
            raise Unreadable("no image in this row")
        return bytes(value)


def _holds_bytes(kind: Any) -> bool:
    import pyarrow.types as types

    if types.is_struct(kind):
        return any(field.name == "bytes" and _holds_bytes(field.type) for field in kind)
    return bool(types.is_binary(kind) or types.is_large_binary(kind))
