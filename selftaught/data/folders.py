"""How folders and files are named: paths as text, and which names stand for the training and the test part."""

from __future__ import annotations

import os

TRAIN = ("train", "training")
TEST = ("test", "testing", "val", "valid", "validation")


def shown(path: str) -> str:
    """`path` as text that any file and terminal can take: bytes that are not UTF-8 are written as \\xNN."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
