from pathlib import Path

import numpy as np
import pytest

from selftaught.parts.read_only import read_only


def test_memory_and_files_look_alike(tmp_path: Path) -> None:
    array = np.arange(5, dtype=np.int32)
    array.tofile(tmp_path / "a.bin")
    for each in (array, np.memmap(tmp_path / "a.bin", np.int32, "r")):
        view = read_only(each)
        assert type(view) is np.ndarray and not view.flags.writeable and np.shares_memory(view, each)
        with pytest.raises(ValueError, match="read-only"):
            view[0] = 1
    assert array.flags.writeable
