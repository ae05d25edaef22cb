"""Text as users have it: files, folders, compressed or not, tables of records, Python objects. `open_text` finds the right one."""

from selftaught.data.text.opening import open_text

__all__ = ["open_text"]
