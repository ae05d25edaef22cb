"""Ask for memory before it is needed."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np import arrayobj
from numpy.typing import NDArray

_LINE = 16  # float32 numbers in 64 bytes


@intrinsic
def _touch(typing: Any, table: Any, row: Any, column: Any) -> Any:
    """LLVM's prefetch, for writing, of the line with table[row, column]."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = signature.args[0]
        array = arrayobj.make_array(kind)(context, builder, args[0])
        place = cgutils.get_item_pointer(
            context, builder, kind, array, [args[1], args[2]], wraparound=False, boundscheck=False
        )
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [byte, number, number, number]), "llvm.prefetch.p0"
        )
        builder.call(function, [builder.bitcast(place, byte), number(1), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(table, types.int64, types.int64), generate


@njit(cache=True, nogil=True, forceinline=True)
def prefetch(table: NDArray[np.float32], row: int, dim: int) -> None:
    """Begin to fetch the first `dim` numbers of a row of `table`, contiguous float32 [V, D], into the first cache.

    Changes nothing.

    Rows drawn at random are in no near cache, and a core that stumbles on them waits; asked for one step ahead, they
    are there.
    """
    for column in range(0, dim, _LINE):
        _touch(table, row, column)
