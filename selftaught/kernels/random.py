"""Random numbers as a pure function of their use, from the counter-based generator Philox4x64-10.

Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3". The bits are those of `numpy.random.Philox`, whose
counter is incremented before the first block: ``Philox(key=[k0, k1], counter=[c0 - 1, c1, c2, c3])`` begins with
``block(k0, k1, c0, ...)``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, prange, types, uint64
from numba.extending import intrinsic
from numpy.typing import NDArray

from selftaught.kernels import start_threads

Word = np.uint64
Ints = NDArray[np.int64]

_MULTIPLIER = (np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157))
_WEYL = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B))
_DROP = np.uint64(11)  # a double's 53 bits are the upper ones of 64


@intrinsic
def _high(typing: Any, a: Any, b: Any) -> Any:
    """Return the upper 64 bits of the 128-bit product of two uint64: one instruction, which numba does not expose."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(builder.zext(args[0], wide), builder.zext(args[1], wide))
        return builder.trunc(builder.lshr(product, wide(64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), generate


@njit(cache=True, nogil=True)
def block(k0: Word, k1: Word, c0: Word, c1: Word, c2: Word, c3: Word) -> tuple[Word, Word, Word, Word]:
    """Return four uint64 for one key (two words) and one counter (four words), all uint64."""
    for _ in range(10):
        high0, low0 = _high(_MULTIPLIER[0], c0), _MULTIPLIER[0] * c0
        high1, low1 = _high(_MULTIPLIER[1], c2), _MULTIPLIER[1] * c2
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0 = uint64(k0 + _WEYL[0])
        k1 = uint64(k1 + _WEYL[1])
    return c0, c1, c2, c3


@njit(cache=True, nogil=True, parallel=True)
def _uniforms(seed: int, stream: int, index: Ints, epoch: int, draw: Ints, out: NDArray[Any]) -> None:
    n = out.shape[2]
    for b in prange(out.shape[0]):
        for v in range(out.shape[1]):
            for first in range(0, n, 4):
                bits = block(
                    uint64(seed),
                    uint64(stream),
                    uint64(first // 4 + 1),
                    uint64(index[b]),
                    uint64(epoch),
                    uint64(draw[v]),
                )
                for i in range(min(4, n - first)):
                    out[b, v, first + i] = np.float64(bits[i] >> _DROP) * 2.0**-53


def uniforms(
    seed: int,
    stream: int,
    index: NDArray[np.int64],
    epoch: int,
    draw: NDArray[np.int64],
    n: int,
    dtype: type[Any] = np.float64,
) -> NDArray[Any]:
    """Return uniform numbers in [0, 1): [B, V, n].

    Element [b, v] is what ``np.random.Generator(np.random.Philox(key=[seed, stream], counter=[0, index[b], epoch,
    draw[v]])) .random(n)`` returns. It does not depend on the rest of the batch.

    Args:
        seed: The run's seed, in [0, 2^63).
        stream: Identifies the use of the numbers. Kinds of views that must not share numbers use different streams.
        index: Indices of the samples in the data set, int64 [B], at least 0.
        epoch: At least 0.
        draw: One number for each view, int64 [V], at least 0. Views with equal numbers get equal random numbers.
        n: Number of random numbers for each sample and view.
        dtype: float64, or float32 for the same numbers rounded (so that 1 can occur) in half the memory.
    """
    start_threads()
    out = np.empty((len(index), len(draw), n), dtype)
    _uniforms(seed, stream, np.ascontiguousarray(index, np.int64), epoch, draw, out)
    return out
