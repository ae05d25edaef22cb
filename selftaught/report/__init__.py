"""The report of a run: one offline HTML page with its configuration, learning curves, results and a map of samples."""

from selftaught.report.html import write

__all__ = ["write"]
