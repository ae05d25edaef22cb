"""A run as one offline HTML page: what was run, how it learned, how it is judged, and its samples on a map."""

from selftaught.report.html import write

__all__ = ["write"]
