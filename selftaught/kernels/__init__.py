"""Compiled loops: arrays in, arrays out. No torch, no classes."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
import warnings
from functools import cache
from pathlib import Path

from numba import config, get_num_threads


def _keep() -> None:
    """Give numba a folder for compiled code where it would find none, and refuse to work without one.

    It keeps the code in the package's own ``__pycache__``, else in the user's cache. A read-only installation of a user
    without a home has neither.
    """
    own = Path(__file__).parent / "__pycache__"
    shared = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # stays "~" where there is no home
    if any(_writable(place) for place in (config.CACHE_DIR, str(own), shared) if place):
        return
    place = tempfile.mkdtemp(prefix="selftaught-kernels-")
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    # in the environment too: processes that this one starts need not compile again
    config.CACHE_DIR = os.environ["NUMBA_CACHE_DIR"] = place
    warnings.warn(
        f"compiled code cannot be kept, because neither {own} nor a home folder can be written: each start compiles it "
        "again, which can take a minute; set NUMBA_CACHE_DIR to a folder you can write",
        stacklevel=2,
    )


def _writable(place: str) -> bool:
    if not os.path.isabs(place):
        return False
    try:
        Path(place).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=place).close()
    except OSError:
        return False
    return True


@cache
def start_threads() -> None:
    """Start numba's threads; call it before a loop that runs in parallel, at least the first.

    Who starts them gets their number as its own number of OpenMP threads, for torch as well: with OMP_NUM_THREADS=1
    torch would compute with all cores from there on. So a thread starts them that ends with it.
    """
    starter = threading.Thread(target=get_num_threads)
    starter.start()
    starter.join()


_keep()
