"""Arrays without reference counting, for hot code."""

from __future__ import annotations

from typing import Any

from numba import njit
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic
def borrowed(typing: Any, array: Any) -> Any:
    """Return the same array without ownership of its memory.

    The owner must live until this array and all its slices are no longer used. Every slice and reshape of an array that
    numba owns increments and decrements its reference count: two atomic additions of about 20 cycles each. A borrowed
    array has no reference count.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        made = cgutils.create_struct_proxy(signature.return_type)(context, builder, value=args[0])
        made.meminfo = cgutils.get_null_value(made.meminfo.type)
        return made._getvalue()

    return array(array), generate


@njit(cache=True, nogil=True)
def kept(owners: Any) -> None:
    """Do nothing. Marks the point up to which the owners of borrowed arrays must live.

    numba frees an array after its last use.
    """
