"""Images in folders, files, arrays and tables. `open_images` finds the right reader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selftaught.data.image.opening import open_images


def __getattr__(name: str) -> Any:
    """Import `open_images` on first access, because listing data sets needs no reader."""
    if name != "open_images":
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from selftaught.data.image.opening import open_images

    return open_images


__all__ = ["open_images"]
