"""What `selftaught doctor` looks at. Nothing is changed, and nothing is sent anywhere."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

MIB = 1 << 20
FOR_DEVELOPERS = ("bench", "dev")
"""Extras that no part of the package needs."""
MALICIOUS = ("2.6.2", "2.6.3")
"""Versions of lightning that carried malicious code: GHSA-w37p-236h-pfx3."""
TORCHVISION = (
    "this torchvision was built for another torch, and breaks transformers and sentence-transformers too. Nothing "
    "here needs it, and encoders timm/NAME do with it as it is: "
    "pip uninstall torchvision, or install both from one place: pip install torch torchvision --index-url "
    "https://download.pytorch.org/whl/cpu"
)


@final
@dataclass(frozen=True)
class Check:
    """One finding. `state`: fine, note (nothing to do, or optional), broken."""

    name: str
    state: Literal["fine", "note", "broken"]
    found: str
    fix: str = ""


def every() -> list[Check]:
    """All checks, in the order in which they matter."""
    checks: list[Callable[[], Check]] = [
        python, torch_build, threads, gpu, kernels, torchvision, lightning, cache, room, extras,
    ]  # fmt: skip
    return [check() for check in checks]


def python() -> Check:
    """Which Python; the installer refuses those that are too old."""
    return Check("python", "fine", f"{platform.python_version()} on {platform.machine()}, {os.cpu_count()} CPUs")


def torch_build() -> Check:
    """Whether torch imports, and which build it is."""
    try:
        import torch
    except Exception as error:
        return Check(
            "torch", "broken", _first_line(error), "install the pinned build: pip install -c constraints.txt torch"
        )
    return Check(
        "torch", "fine", f"{torch.__version__} ({'CUDA ' + torch.version.cuda if torch.version.cuda else 'CPU'} build)"
    )


def threads() -> Check:
    """How many threads torch and numba would use."""
    try:
        import numba
        import torch

        torch_threads, numba_threads = torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS
    except Exception as error:
        return Check(
            "threads",
            "broken",
            _first_line(error),
            "reinstall numba and numpy: pip install -c constraints.txt numba numpy",
        )
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    found = f"torch {torch_threads}, numba {numba_threads}, of {usable} usable CPUs"
    if max(torch_threads, numba_threads) > usable:
        fix = f"more threads than CPUs are slower: set OMP_NUM_THREADS={usable} NUMBA_NUM_THREADS={usable}"
        return Check("threads", "note", found, fix)
    return Check("threads", "fine", found)


def gpu() -> Check:
    """CUDA devices that torch sees."""
    with suppress(Exception):
        import torch

        if torch.cuda.is_available():
            names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
            return Check("gpu", "fine", ", ".join(names))
    if shutil.which("nvidia-smi"):
        fix = "install a CUDA build of torch (pytorch.org/get-started)"
        return Check("gpu", "note", "there is a driver, but this torch sees no GPU", fix)
    return Check("gpu", "note", "none: training runs on the CPU")


def kernels() -> Check:
    """Where numba keeps compiled kernels: a folder that cannot be written costs up to a minute at every start."""
    import selftaught

    folder = Path(os.environ.get("NUMBA_CACHE_DIR") or Path(selftaught.__file__).parent / "kernels" / "__pycache__")
    if not os.access(_existing(folder), os.W_OK):
        fix = "set NUMBA_CACHE_DIR to a folder you can write, so that kernels compile only once"
        return Check("kernels", "note", f"{folder} cannot be written", fix)
    compiled = len(list(folder.rglob("*.nbi"))) if folder.exists() else 0
    return Check(
        "kernels",
        "fine",
        f"{compiled or 'none yet'} compiled in {folder}" + ("" if compiled else ": the first run does it"),
    )


def torchvision() -> Check:
    """Whether torchvision, which nothing here needs, imports: a broken one breaks other packages."""
    version = _version("torchvision")
    if version is None:
        return Check("torchvision", "fine", "not installed, and not needed")
    # In a process of its own: a failed import leaves operators half registered.
    tried = subprocess.run([sys.executable, "-c", "import torchvision"], capture_output=True, text=True, check=False)
    if tried.returncode == 0:
        return Check("torchvision", "fine", version)
    return Check(
        "torchvision",
        "broken",
        f"{version} does not import: {(tried.stderr.strip().splitlines() or ['?'])[-1]}",
        TORCHVISION,
    )


def lightning() -> Check:
    """Two versions of lightning carried malicious code."""
    for package in ("lightning", "pytorch-lightning"):
        version = _version(package)
        if version in MALICIOUS:
            fix = (
                f"pip uninstall {package}, change every password and key that this account could read; "
                "see GHSA-w37p-236h-pfx3"
            )
            return Check("lightning", "broken", f"{package} {version} carries malicious code", fix)
    return Check("lightning", "fine", _version("lightning") or "not installed, and not needed")


def cache() -> Check:
    """The folder of fetched and packed data."""
    from selftaught.data.cache import folder

    place = folder()
    if not os.access(_existing(place), os.W_OK):
        return Check("cache", "broken", f"{place} cannot be written", "set SELFTAUGHT_CACHE to a folder you can write")
    size = sum(f.stat().st_size for f in place.rglob("*") if f.is_file()) if place.exists() else 0
    return Check("cache", "fine", f"{place}, {size / MIB:,.0f} MiB")


def room() -> Check:
    """Free disk here, where runs go."""
    free = shutil.disk_usage(Path.cwd()).free / MIB
    found = f"{free:,.0f} MiB free in {Path.cwd()}"
    if free < 500:
        return Check("disk", "note", found, "make room: a run of a ResNet-50 keeps about 1 GB of checkpoints")
    return Check("disk", "fine", found)


def extras() -> Check:
    """Optional parts that are installed."""
    there = {extra: all(map(_version, needs)) for extra, needs in _optional().items()}
    absent = [extra for extra, here in there.items() if not here]
    found = ", ".join(extra for extra, here in there.items() if here) or "none"
    fix = f"optional: pip install 'selftaught[{','.join(absent)}]'" if absent else ""
    return Check("extras", "note" if absent else "fine", found, fix)


def _optional() -> dict[str, list[str]]:
    """The packages that each extra of the installed selftaught names."""
    needs: dict[str, list[str]] = {}
    for requirement in importlib.metadata.requires("selftaught") or []:
        named = re.match(r"([\w.-]+).*extra == '([\w-]+)'", requirement)
        if named and named[2] not in FOR_DEVELOPERS:
            needs.setdefault(named[2], []).append(named[1])
    return needs


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _existing(path: Path) -> Path:
    """`path`, or its nearest parent that exists."""
    return next(p for p in (path, *path.parents) if p.exists())


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
