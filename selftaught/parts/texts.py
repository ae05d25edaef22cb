"""Many texts as two arrays, for files whose header is limited in size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def joined(texts: Sequence[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the UTF-8 of all texts, concatenated, uint8, and where each ends, int64 [N].

    Halves of surrogate pairs are kept (Python's "surrogatepass"), so that `parted` returns the same texts.

    >>> data, ends = joined(["at", "é"])
    >>> data.tobytes(), ends.tolist()
    (b'at\\xc3\\xa9', [2, 4])
    """
    parts = [text.encode("utf-8", "surrogatepass") for text in texts]
    data = np.frombuffer(bytearray(b"".join(parts)), np.uint8)  # torch wants arrays that can be written to
    return data, np.cumsum([len(part) for part in parts], dtype=np.int64)


def parted(data: NDArray[np.uint8], ends: NDArray[np.int64]) -> list[str]:
    """Return the texts that `joined` made these arrays from. Raises ValueError if they do not fit each other.

    >>> parted(*joined(["at", "", "é"]))
    ['at', '', 'é']
    """
    starts = np.concatenate([np.zeros(1, np.int64), ends])
    if (np.diff(starts) < 0).any() or int(starts[-1]) != len(data):
        raise ValueError("the ends of the texts do not fit their bytes")
    whole = data.tobytes()
    return [
        whole[begin:end].decode("utf-8", "surrogatepass")
        for begin, end in zip(starts[:-1].tolist(), ends.tolist(), strict=True)
    ]
