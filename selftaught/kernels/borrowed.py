"""Arrays in hot code without their reference counts."""

from __future__ import annotations

from typing import Any

from numba import njit
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic
def borrowed(typing: Any, array: Any) -> Any:
    """The same array without a share in its memory, which whoever owns it must keep until this one and all its slices are done with.

    Every slice and reshape of an array that numba made counts its references up and down, two atomic additions of some
    20 cycles each; of a borrowed one there is nothing to count.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        made = cgutils.create_struct_proxy(signature.return_type)(context, builder, value=args[0])
        made.meminfo = cgutils.get_null_value(made.meminfo.type)
        return made._getvalue()

    return array(array), generate


@njit(cache=True, nogil=True)
def kept(owners: Any) -> None:
    """Does nothing, at the place up to which the owners of borrowed arrays must live.

    Numba frees an array after its last use.
    """
