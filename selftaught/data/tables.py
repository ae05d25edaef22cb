"""Tables in Parquet and Arrow files: their columns, names of classes, and rows.

Arrow files are those that Hugging Face's `datasets` writes (`save_to_disk`, its cache), and Feather. Nothing here needs
that library, but all needs pyarrow, the extra [parquet].
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selftaught.data.layout import side_of_file
from selftaught.errors import UserError

PARQUET = frozenset((".parquet", ".pq"))
ARROW = frozenset((".arrow", ".feather"))
SUFFIXES = PARQUET | ARROW
STATE = "state.json"
"""Names the Arrow files of a folder that `save_to_disk` wrote; others there are remains of its cache."""


def is_table(path: Path) -> bool:
    """Return whether a file is a table by its name."""
    return path.suffix.lower() in SUFFIXES


@contextmanager
def readable(where: str) -> Iterator[None]:
    """Raises UserError in place of pyarrow's errors, and where pyarrow is missing."""
    try:
        import pyarrow
    except ImportError:
        raise UserError("reading Parquet needs pyarrow: pip install selftaught[parquet]") from None
    try:
        yield
    except (pyarrow.ArrowException, OSError) as error:
        said = (str(error).splitlines() or ["damaged"])[0][:200]
        kind = "Arrow" if Path(where).suffix.lower() in ARROW else "Parquet"
        raise UserError(f"{where}: cannot be read as {kind}: {said}") from None


def schema(path: Path) -> Any:
    """Return the names and types of the columns. Raises pyarrow's errors and OSError."""
    import pyarrow.parquet

    if path.suffix.lower() in ARROW:
        return _arrow(path).schema
    return pyarrow.parquet.read_schema(path)


def judged(path: Path, fits: Callable[[Any], bool]) -> bool:
    """Return what `fits` says of the schema; True if that cannot be read, so that reading tells what is wrong."""
    try:
        import pyarrow
    except ImportError:
        return True
    try:
        return fits(schema(path))
    except (pyarrow.ArrowException, OSError):
        return True


def read(files: Sequence[Path], columns: Sequence[str]) -> Any:
    """Return the columns of all files as one table. Raises pyarrow's errors and OSError."""
    import pyarrow
    import pyarrow.parquet

    parts = [
        _arrow(file).read_all().select(list(columns))
        if file.suffix.lower() in ARROW
        else pyarrow.parquet.ParquetFile(file).read(columns=list(columns))
        for file in files
    ]
    return pyarrow.concat_tables(parts, promote_options="permissive")


def rows(files: Sequence[Path]) -> int:
    """Return the number of rows of all files. Raises pyarrow's errors and OSError."""
    import pyarrow.parquet

    return sum(
        _arrow(file).read_all().num_rows
        if file.suffix.lower() in ARROW
        else pyarrow.parquet.read_metadata(file).num_rows
        for file in files
    )


def batches(path: Path, size: int, columns: Sequence[str]) -> Iterator[Any]:
    """Yield the rows of a file, at most `size` together. Raises pyarrow's errors and OSError."""
    import pyarrow.parquet

    if path.suffix.lower() in ARROW:
        yield from _arrow(path).read_all().select(list(columns)).to_batches(max_chunksize=size)
        return
    with pyarrow.parquet.ParquetFile(path) as file:
        yield from file.iter_batches(size, columns=list(columns))


def _arrow(path: Path) -> Any:
    import pyarrow

    mapped = pyarrow.memory_map(str(path))
    start = mapped.read(6)
    mapped.seek(0)
    return pyarrow.ipc.open_file(mapped) if start == b"ARROW1" else pyarrow.ipc.open_stream(mapped)


def class_names(metadata: Any, label: str | None) -> Sequence[str]:
    """Return the names of the classes that Hugging Face's metadata of a schema give for a column; () if none."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        names = features[label]["names"]
    except (KeyError, TypeError, ValueError):
        return ()
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else ()


def of_one_set(root: Path, files: Sequence[str]) -> list[str]:
    """Return the tables of a folder, given by their paths below `root`, without the remains of a cache.

    Raises UserError if several data sets are there: folders that have a training part each (Hugging Face's
    configurations).
    """
    kept, listed = [], dict[str, set[str] | None]()
    for file in files:
        folder, _, name = file.rpartition("/")
        if folder not in listed:
            listed[folder] = _listed(root / folder)
        only = listed[folder]
        if name.startswith("cache-") if only is None else name not in only:
            continue
        kept.append(file)
    owners = sorted({_above(file) for file in kept if side_of_file(file) == "train"})
    if len(owners) > 1:
        raise UserError(
            f"{root}: holds several data sets, each with a training part: name one of them, such as "
            f"{root / owners[0]} ({', '.join(owner or '.' for owner in owners)})"
        )
    return kept


def _listed(folder: Path) -> set[str] | None:
    try:
        state = json.loads((folder / STATE).read_text(encoding="utf-8"))
        return {os.path.basename(one["filename"]) for one in state["_data_files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _above(file: str) -> str:
    """Return the folder above the name that tells the part: "default" of default/train/0000.parquet."""
    names = file.split("/")
    while names and side_of_file(names[-1]) is None:
        names.pop()
    return "/".join(names[:-1])
