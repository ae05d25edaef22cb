"""The run folder: all files of a training run, written so that a crash at any moment loses nothing.

::

    RUN/config.yaml          the resolved configuration            RUN/summary.json      the results
    RUN/env.json             versions, threads, command            RUN/metrics.jsonl     one line per logged step
    RUN/encoder.safetensors  the encoder                           RUN/skipped.jsonl     what could not be read
    RUN/method.safetensors   the whole method with its heads       RUN/report.html       the report
    RUN/classes.json         the names of the classes, if any      RUN/finetune.jsonl    one line per fine-tuning
    RUN/examples.json        held-out samples with what a fine-tuned run says of them
    RUN/checkpoints/step-N/  see `checkpoint`                      RUN/lock              held by the writing process
    RUN/banks/NAME/          state outside the checkpoints, and the journal that restores it to any of them
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import json
import os
import platform
import shlex
import signal
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, final

import yaml

from selftaught.errors import UserError
from selftaught.parts.packed import Parts, differs


def write_atomically(path: Path, data: bytes | Parts | Iterator[bytes]) -> None:
    """Write `data` so that `path` has either all of it or its previous content, whatever happens.

    Tensors (`Parts`) are read back and compared before they get their name, so that a run with the file can be opened.

    Raises UserError if the disk is full, the folder cannot be written, or it holds something else than was written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        write_synced(temporary, data)
        if isinstance(data, list) and (wrong := differs(temporary, data)) is not None:
            raise UserError(f"{path} was written, but not as it should be ({wrong}): check the disk, then resume")
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as e:
        raise UserError(f"cannot write {path}: {e.strerror}; the previous file is intact") from e
    finally:
        with suppress(OSError):
            temporary.unlink()


def check_writable(path: Path) -> None:
    """Raises UserError if `path` cannot be written later. Call it before the work whose result goes there."""
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder")
    if not path.absolute().parent.is_dir():
        raise UserError(f"{path} cannot be written: there is no folder {path.parent}")
    try:
        with tempfile.TemporaryFile(dir=path.absolute().parent):
            pass
    except OSError as e:
        raise UserError(f"cannot write {path}: {e.strerror}") from e


def write_synced(path: Path, data: bytes | Iterable[bytes | memoryview]) -> None:
    """Write `data`, or its pieces in order, and sync it to the disk."""
    with path.open("wb") as f:
        f.writelines([data] if isinstance(data, bytes) else data)
        f.flush()
        os.fsync(f.fileno())


def sync_folder(path: Path) -> None:
    """Make renames inside `path` survive a power cut."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def to_json(value: Any, indent: int | None = 2) -> bytes:
    """Return strict JSON (no NaN: a non-finite number becomes null) with a final newline."""
    return (json.dumps(_finite(value), indent=indent, allow_nan=False) + "\n").encode()


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if hasattr(value, "item"):  # a NumPy or torch scalar
        return _finite(value.item())
    return value


@final
class RunFolder:
    """One run on disk. Make one with `create` or `open`, and write to it only inside `lock()`."""

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self.path = path
        self.config = config
        self._lock_fd: int | None = None

    @classmethod
    def create(cls, path: str | Path, config: dict[str, Any]) -> RunFolder:
        """Create a new run at `path`. Raises UserError if something already exists there."""
        path = Path(path)
        if path.is_dir() and (path / "config.yaml").exists():
            raise UserError(
                f"the run {path} already exists: continue it with 'selftaught resume {path}', or choose another --out"
            )
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise UserError(f"{path} exists and is not an empty folder: choose another --out")
        try:
            (path / "checkpoints").mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise UserError(f"cannot create the run folder {path}: {e.strerror}") from e
        run = cls(path, config)
        run.write_json("env.json", environment())
        run.write_config(config)  # written last, so that a folder with a config.yaml is complete
        return run

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """Open the run at `path`. Raises UserError if there is none or its config.yaml is damaged."""
        path = Path(path)
        try:
            text = (path / "config.yaml").read_text()
        except OSError as e:
            raise UserError(f"{path} is not a run folder: it has no readable config.yaml ({e.strerror})") from e
        try:
            config = yaml.safe_load(text)
        except yaml.YAMLError as e:
            raise UserError(f"{path / 'config.yaml'} is not readable YAML: {' '.join(str(e).split())}") from e
        if not isinstance(config, dict):
            raise UserError(f"{path / 'config.yaml'} does not contain a configuration")
        return cls(path, config)

    def write_config(self, config: dict[str, Any]) -> None:
        """Replace config.yaml (fit records the number of steps for --minutes there)."""
        self.config = config
        write_atomically(self.path / "config.yaml", yaml.safe_dump(config, sort_keys=False).encode())

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the run for writing; re-entrant for one RunFolder. Raises UserError if another process has the lock.

        The lock belongs to the kernel, so it is released when its process ends, however it ends.
        """
        if self._lock_fd is not None:
            yield
            return
        try:
            fd = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as e:
            raise UserError(f"the run {self.path} cannot be written: {e.strerror}") from e
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as e:
                holder = os.pread(fd, 32, 0).decode(errors="replace").strip() or "unknown"
                raise UserError(
                    f"the run {self.path} is in use by another process (pid {holder}): wait for it, or stop it"
                ) from e
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
            self._lock_fd = fd
            yield
        finally:
            self._lock_fd = None
            os.close(fd)

    def log(self, line: Mapping[str, Any]) -> None:
        """Append one line to metrics.jsonl."""
        with (self.path / "metrics.jsonl").open("ab") as f:
            f.write(to_json(line, indent=None))

    def metrics(self) -> list[dict[str, Any]]:
        """Return all complete lines of metrics.jsonl; a last line that was cut by a crash is skipped."""
        try:
            lines = (self.path / "metrics.jsonl").read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines]

    def metrics_size(self) -> int:
        """Sync metrics.jsonl and return its size in bytes, which a checkpoint stores for `truncate_metrics`."""
        try:
            with (self.path / "metrics.jsonl").open("ab") as f:
                os.fsync(f.fileno())
                return f.tell()
        except OSError as e:
            raise UserError(f"cannot write {self.path / 'metrics.jsonl'}: {e.strerror}") from e

    def truncate_metrics(self, size: int) -> None:
        """Remove the lines after `size` bytes, whose steps will be made again."""
        path = self.path / "metrics.jsonl"
        if path.exists() and path.stat().st_size > size:
            os.truncate(path, size)

    def write_json(self, name: str, value: Any) -> None:
        """Write RUN/name atomically."""
        write_atomically(self.path / name, to_json(value))

    def read_json(self, name: str) -> Any:
        """Return RUN/name, or None if it does not exist. Raises UserError if it is damaged."""
        try:
            return json.loads((self.path / name).read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as e:
            raise UserError(f"{self.path / name} cannot be read: {e}") from e

    @property
    def resolved(self) -> dict[str, Any]:
        """What the machine, the ranks and the data made of the settings; empty before training and for older runs."""
        return dict(self.config.get("resolved") or {})

    @property
    def summary(self) -> dict[str, Any]:
        """The content of summary.json, empty if it does not exist."""
        return dict(self.read_json("summary.json") or {})

    def update_summary(self, **parts: Any) -> None:
        """Replace the named parts of summary.json and keep the others."""
        self.write_json("summary.json", {**self.summary, **parts})


def environment() -> dict[str, Any]:
    """Return what is needed to repeat a run: versions, machine, command. It is stored only in the run folder."""
    variables = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "WORLD_SIZE", "CUDA_VISIBLE_DEVICES")
    packages = ("selftaught", "torch", "numpy", "numba", "safetensors", "pillow", "simplejpeg")
    versions = {}
    for package in packages:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    program = Path(sys.argv[0]).name
    started = ["python", "-m", "selftaught"] if program == "__main__.py" else [program]
    return {
        "command": shlex.join([*started, *sys.argv[1:]]),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "packages": versions,
        "environment": {k: os.environ[k] for k in variables if k in os.environ},
    }


@final
class Interrupts:
    """Turns SIGTERM and Ctrl-C into a flag, so that the current step can be finished and saved.

    A second Ctrl-C stops at once.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():  # only the main thread can set handlers
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
