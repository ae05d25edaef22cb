"""Extract plain text from pages: normalise characters and remove tags.

This uses neither Python's Unicode tables nor its HTML parser, which differ between versions, so that the same page
gives the same bytes everywhere.
"""

from __future__ import annotations

import html
import re

ONE_FORM = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u00b4`", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033", '"'),
        **dict.fromkeys("\u2010\u2011", "-"),
        **dict.fromkeys("\u00ad\u200b\u200e\u200f\u2060\ufeff", ""),
        "\u2026": "...",
    }
)
"""Variants of apostrophes and hyphens count as the same character. (The zero-width non-joiner stays, because Persian
spelling uses it.)
"""
DASH = re.compile(r"\s-{2,}\s|(?<=\S)-{2,}")  # not the two hyphens of a command-line --option
BAD = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffd]")
SPACE = re.compile(r"\s+")

HIDDEN = re.compile(r"<!--.*?-->|<(head|script|style|pre|title)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
BREAK = re.compile(r"</?(?:p|div|h[1-6]|li|ul|ol|dl|dt|dd|blockquote|table|tr|td|th|hr|body)\b[^>]*>", re.IGNORECASE)
LINE = re.compile(r"<br\b[^>]*>", re.IGNORECASE)
TAG = re.compile(r"<[^>]*>")


def tidy(text: str) -> str:
    """Return one line of text with normalised quotes, apostrophes, hyphens and dashes, without control characters."""
    text = DASH.sub(" - ", BAD.sub(" ", text.translate(ONE_FORM)))
    return SPACE.sub(" ", text).strip()


def paragraphs(page: str) -> list[str]:
    """Return the paragraphs of an HTML page as clean text, without head, scripts, comments and listings (``<pre>``)."""
    page = BREAK.sub("\0", HIDDEN.sub(" ", page))
    found = (tidy(html.unescape(TAG.sub("", LINE.sub(" ", part)))) for part in page.split("\0"))
    return [part for part in found if part]
