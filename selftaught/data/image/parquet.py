"""Parquet files with encoded images: bytes, or Hugging Face's struct of bytes and path.

Needs the extra [parquet].
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

from selftaught.data import cache
from selftaught.data.columns import label_column
from selftaught.data.groups import absent
from selftaught.data.image.columns import image_column
from selftaught.data.image.decode import Unreadable
from selftaught.data.image.items import Items
from selftaught.data.labels import as_labels
from selftaught.errors import UserError
from selftaught.source import digest_of

IN_MEMORY = 1 << 30  # bytes; larger data is copied to the cache once as one Arrow file, which allows access to any row


def sides(folder: Path) -> dict[str, list[Path]]:
    """Return the .parquet files in `folder` or its ``data/`` as "train" and "test" by file name, or all as "all".

    Empty if there are none.
    """
    files = sorted(folder.glob("*.parquet")) or sorted(folder.glob("data/*.parquet"))
    train = [file for file in files if file.name.startswith("train")]
    test = [file for file in files if file.name.startswith(("test", "valid", "val"))]
    if train and test and len(train) + len(test) == len(files):
        return {"train": train, "test": [file for file in test if file.name.startswith("test")] or test}
    return {"all": files} if files else {}


def holds_images(path: Path) -> bool:
    """Return whether a column of a Parquet file has encoded images, judging by its schema."""
    try:
        import pyarrow.parquet
    except ImportError:
        return True  # unknown; reading the file gives the error message
    try:
        return any(_holds_bytes(field.type) for field in pyarrow.parquet.read_schema(path))
    except (pyarrow.ArrowException, OSError):
        return True


@final
class ParquetItems(Items):
    """The rows of `files`, in order. `classes` names the labels if the files do not."""

    def __init__(self, files: Sequence[Path], classes: Sequence[str] = ()) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError:
            raise UserError("reading Parquet needs pyarrow: pip install selftaught[parquet]") from None
        self._files = files
        self.where = str(files[0] if len(files) == 1 else files[0].parent)
        stamps = [(os.path.realpath(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        self.key = f"parquet {stamps}"
        try:
            schema = pyarrow.parquet.read_schema(files[0])
            fitting = [field.name for field in schema if _holds_bytes(field.type)]
            self._column = image_column(schema.names, fitting, self.where)
            label = label_column(schema.names)
            self._images = self._read([self._column], sum(size for _, size, _ in stamps))[self._column]
            known = (
                None
                if label is None
                else pyarrow.parquet.read_table(list(map(str, files)), columns=[label])[label].to_pylist()
            )
        except (pyarrow.ArrowException, OSError) as error:
            raise UserError(f"{self.where}: cannot be read as Parquet: {str(error).splitlines()[0][:200]}") from None
        if len(self._images) == 0:
            raise UserError(f"{self.where}: it has no rows, but at least one image is needed")
        if known is not None and not any(isinstance(one, str) for one in known):
            known = [-1 if one is None else one for one in known]
        names = classes or _class_names(schema.metadata or {}, label)
        self.labels, self.classes = as_labels(known, len(self._images), self.where, names)

    def _read(self, columns: list[str], size: int) -> Any:
        import pyarrow.parquet

        if size <= IN_MEMORY:
            return pyarrow.parquet.read_table(list(map(str, self._files)), columns=columns)
        path = cache.folder() / "rows" / f"{digest_of(self.key)}.arrow"
        try:
            return pyarrow.ipc.open_file(pyarrow.memory_map(str(path))).read_all()
        except (pyarrow.ArrowException, OSError):  # absent or truncated
            with cache.replacing(path) as file:
                self._copy(file, columns)
            return pyarrow.ipc.open_file(pyarrow.memory_map(str(path))).read_all()

    def _copy(self, file: Any, columns: list[str]) -> None:
        import pyarrow.parquet

        writer = None
        for name in self._files:
            for batch in pyarrow.parquet.ParquetFile(name).iter_batches(256, columns=columns):
                writer = writer or pyarrow.ipc.new_file(file, batch.schema)
                writer.write_batch(batch)
        if writer is not None:
            writer.close()

    def __len__(self) -> int:
        return len(self._images)

    def column(self, name: str) -> Sequence[Any]:
        """Return a column of the files. Raises UserError if there is none of this name."""
        import pyarrow
        import pyarrow.parquet

        try:
            known = pyarrow.parquet.read_schema(self._files[0]).names
            if name not in known:
                raise absent(name, self.where, known)
            found: list[Any] = pyarrow.parquet.read_table(list(map(str, self._files)), columns=[name])[name].to_pylist()
        except (pyarrow.ArrowException, OSError) as error:
            raise UserError(f"{self.where}: cannot be read as Parquet: {str(error).splitlines()[0][:200]}") from None
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


def _class_names(metadata: dict[bytes, bytes], label: str | None) -> Sequence[str]:
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        names = features[label]["names"]
    except (KeyError, TypeError, ValueError):
        return ()
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else ()
