"""Text as users have it: files, folders, compressed or not, tables of records, Python objects.

`open_text` finds the right one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selftaught.data.text.opening import open_text


def __getattr__(name: str) -> Any:
    """`open_text`, imported when it is first asked for: listing data sets needs no reader."""
    if name != "open_text":
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from selftaught.data.text.opening import open_text

    return open_text


__all__ = ["open_text"]
