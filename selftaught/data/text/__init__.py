"""Text in files, folders, compressed files, tables of records and Python objects.

`open_text` finds the right reader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selftaught.data.text.opening import open_text


def __getattr__(name: str) -> Any:
    """Import `open_text` on first access, because listing data sets needs no reader."""
    if name != "open_text":
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from selftaught.data.text.opening import open_text

    return open_text


__all__ = ["open_text"]
