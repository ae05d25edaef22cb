"""Read what `torch.save` wrote without running anything in it.

Checkpoints of other tools hold more than tensors: arguments, optimiser states, numbers of NumPy, whole objects. Nothing
of that is built here. Tensors become `Stored`, which reads its bytes when asked; dictionaries become dictionaries;
every other object becomes an `Inert`, a name with its state. No code of the file is imported or called, so its content
cannot do anything. Both formats are read: the zip archive, and the older sequence of pickles.
"""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, final

import torch
from torch import Tensor

MAGIC = 0x1950A86A20F9469CFC6C
"""The first object of the older format."""
DTYPES = {
    "Float": torch.float32, "Double": torch.float64, "Half": torch.float16, "BFloat16": torch.bfloat16,
    "Long": torch.int64, "Int": torch.int32, "Short": torch.int16, "Char": torch.int8, "Byte": torch.uint8,
    "Bool": torch.bool, "Untyped": torch.uint8,
}  # fmt: skip
"""By the first part of a storage's class, such as ``torch.FloatStorage``."""


class Unreadable(ValueError):
    """The file is not what `torch.save` writes, or is damaged."""


@final
@dataclass(frozen=True, slots=True)
class Storage:
    """Numbers in the file."""

    dtype: torch.dtype
    read: Callable[[], bytes]


@final
@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor in the file, not yet read."""

    storage: Storage
    dtype: torch.dtype
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def tensor(self) -> Tensor:
        """Read it. Raises Unreadable when the file is damaged."""
        if 0 in self.shape:
            return torch.empty(self.shape, dtype=self.dtype)
        try:
            numbers = torch.frombuffer(bytearray(self.storage.read()), dtype=self.dtype)
            return numbers.as_strided(self.shape, self.stride, self.offset).clone()
        except (RuntimeError, ValueError, TypeError, zipfile.BadZipFile, OSError, KeyError) as error:
            raise Unreadable(str(error)) from error


class Inert:
    """An object of the file that is not built: it keeps the state that it would have had, and does nothing."""

    state: Any = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Inert:
        """Accept and forget all arguments."""
        return object.__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, item: Any) -> None:
        """Forget an item."""

    def extend(self, items: Any) -> None:
        """Forget items."""

    add = append


@final
class Named(dict[Any, Any]):
    """A dictionary, ordered or with defaults, without the attributes that modules hang on it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(args[0] if args and isinstance(args[0], list | tuple | dict) else ())

    def __setstate__(self, state: Any) -> None:
        pass


@final
@dataclass(frozen=True, slots=True)
class _Call:
    """A function that a pickle may call."""

    what: Callable[..., Any]

    def __call__(self, *args: Any) -> Any:
        return self.what(*args)


@final
@dataclass(frozen=True, slots=True)
class _Kind:
    """The class of a storage."""

    dtype: torch.dtype


def _rebuilt(storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> Any:
    if not isinstance(storage, Storage):
        return Inert()
    dtype = next((value.dtype for value in rest if isinstance(value, _Kind)), storage.dtype)
    return Stored(storage, dtype, int(offset), tuple(map(int, size)), tuple(map(int, stride)))


def _of_type(function: Any, _type: Any, args: Any, _state: Any) -> Any:
    return function(*args) if isinstance(function, _Call) else Inert()


CALLS: dict[str, Callable[..., Any]] = {
    "_rebuild_tensor": _rebuilt,
    "_rebuild_tensor_v2": _rebuilt,
    "_rebuild_tensor_v3": _rebuilt,
    "_rebuild_parameter": lambda data, *rest: data,
    "_rebuild_parameter_with_state": lambda data, *rest: data,
    "_rebuild_from_type_v2": _of_type,
}
"""Functions of torch that make tensors."""


@final
class _Reader(pickle.Unpickler):
    """Builds dictionaries, lists, numbers, text and `Stored`; all else is inert."""

    def __init__(self, file: BinaryIO, storage: Callable[[torch.dtype, str, int], Storage]) -> None:
        super().__init__(file, encoding="latin1")
        self.storage = storage

    def find_class(self, module: str, name: str) -> Any:
        if module in ("torch._utils", "torch._tensor") and name in CALLS:
            return _Call(CALLS[name])
        if module == "collections" and name in ("OrderedDict", "defaultdict"):
            return Named
        if module.partition(".")[0] == "torch":
            if name.endswith("Storage") and name.removesuffix("Storage") in DTYPES:
                return _Kind(DTYPES[name.removesuffix("Storage")])
            if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
                return _Kind(getattr(torch, name))
        return type(name.rpartition(".")[2] or "Inert", (Inert,), {})

    def persistent_load(self, pid: Any) -> Any:
        if not (isinstance(pid, tuple) and len(pid) >= 5 and pid[0] == "storage" and isinstance(pid[1], _Kind)):
            return Inert()
        if len(pid) > 5 and pid[5] is not None:
            raise Unreadable("a view of a storage, which only the oldest versions of torch wrote")
        return self.storage(pid[1].dtype, str(pid[2]), int(pid[4]))


def read(path: Path) -> Any:
    """Return the content of a file of `torch.save`: `Named`, dict, list, `Stored`, `Inert` and plain values.

    Raises Unreadable.
    """
    try:
        return _archive(path) if zipfile.is_zipfile(path) else _sequence(path)
    except Unreadable:
        raise
    except Exception as error:  # a damaged pickle raises whatever its bytes happen to mean
        raise Unreadable(f"{type(error).__name__}: {error}") from error


def _archive(path: Path) -> Any:
    archive = zipfile.ZipFile(path)
    main = next((name for name in archive.namelist() if name.rpartition("/")[2] == "data.pkl"), None)
    if main is None:
        raise Unreadable("a zip archive without data.pkl")
    folder = main.removesuffix("data.pkl")
    if f"{folder}byteorder" in archive.namelist() and archive.read(f"{folder}byteorder") != b"little":
        raise Unreadable("written on a machine with another order of bytes")

    def storage(dtype: torch.dtype, key: str, count: int) -> Storage:
        return Storage(dtype, lambda: archive.read(f"{folder}data/{key}"))

    return _Reader(io.BytesIO(archive.read(main)), storage).load()


def _sequence(path: Path) -> Any:
    """The format before torch 1.6: magic, version, machine, content, keys of the storages, and their numbers."""
    kinds: dict[str, tuple[torch.dtype, int]] = {}
    places: dict[str, int] = {}

    def bytes_of(key: str) -> bytes:
        dtype, count = kinds[key]
        with path.open("rb") as again:
            again.seek(places[key])
            return again.read(count * dtype.itemsize)

    def storage(dtype: torch.dtype, key: str, count: int) -> Storage:
        kinds[key] = (dtype, count)
        return Storage(dtype, lambda: bytes_of(key))

    with path.open("rb") as file:
        if _Reader(file, storage).load() != MAGIC:
            raise Unreadable("not written by torch.save")
        for _ in range(2):
            _Reader(file, storage).load()
        content = _Reader(file, storage).load()
        for key in _Reader(file, storage).load():
            (count,) = struct.unpack("<q", file.read(8))
            places[key] = file.tell()
            file.seek(count * kinds[key][0].itemsize, io.SEEK_CUR)
    return content
