"""What users have: image sources from folders, files, arrays and public data sets. `open_source` finds the right one.

Importing this costs numpy only: torch, Pillow and optional packages are loaded by what needs them.
"""

from selftaught.data.opening import open_source

__all__ = ["open_source"]
