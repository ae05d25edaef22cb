"""Which files of a folder are the two eyes of a pair, and which have its disparity. Only names decide.

left/ and right/, at any depth, with disparity/ beside them
KITTI: image_2/ and image_3/ with disp_occ_0/, or image_02/data/ and image_03/data/ of a recording; grey ones, too
Middlebury and ETH3D: a folder for each pair with im0.png and im1.png, disp0.pfm (or disp0GT.pfm) and calib.txt
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple, final

from selftaught.data.folders import LOOKED_AT, shown
from selftaught.data.image.names import is_named
from selftaught.data.stereo.truth import SUFFIXES
from selftaught.source import Skipped

EYES = (
    ("left", "right"),
    ("image_2", "image_3"),
    ("image_02", "image_03"),
    ("colored_0", "colored_1"),
    ("image_0", "image_1"),
    ("image_00", "image_01"),
)
"""Names of the folders of the two eyes. Where there are several, the first is used: the colour pictures of KITTI."""
TRUTH = ("disparity", "disparities", "disp", "disp_occ_0", "disp_occ", "disp_noc_0", "disp_noc")
"""Names of the folders of disparities beside them, the better ones first."""
FILES = ("im0", "im1")
"""Names of the two pictures that lie in a folder of their own."""
BESIDE = ("disp0", "disp0GT", "disparity")
EYE = "\0"
"""Stands for the eye where the paths of both pictures are the same; no path has it."""
CALIBRATION = "calib.txt"
OFFSET = re.compile(r"^doffs\s*=\s*([-+.\deE]+)\s*$", re.MULTILINE)


class Files(NamedTuple):
    """The files of a pair, by their paths below the root; "" = no disparity."""

    left: str
    right: str
    disparity: str
    scene: str
    """The path of the pair without the folder of the eye, by which parts are told."""
    form: str
    """The name of the left folder, or of the left picture."""


@final
@dataclass(frozen=True)
class Found:
    """The pairs of a folder, sorted; what has no partner; and how many pictures of other eyes are left aside."""

    pairs: Sequence[Files]
    skipped: Sequence[Skipped]
    aside: Mapping[str, int]


def find(root: Path) -> Found:
    """Return the pairs below a folder."""
    files = sorted(_walk(root), key=os.fsencode)
    used, aside = _eyes(files)
    lefts, rights, others = dict[str, str](), dict[str, str](), dict[str, str]()
    places = dict[str, Place]()
    for path in files:
        if (place := _place(path, used)) is not None:
            (rights if place.eye else lefts).setdefault(place.key, path)
            places[place.key] = place
        else:
            others.setdefault(path.rpartition(".")[0], path)
    skipped: list[Skipped] = []
    for one, other, side in ((lefts, rights, "right"), (rights, lefts, "left")):
        lonely = [path for key, path in one.items() if key not in other]
        skipped += [{"path": shown(path), "reason": f"there is no {side} picture of it"} for path in lonely]
    both = [key for key in lefts if key in rights]
    pairs = [
        Files(lefts[key], rights[key], _truth(places[key], others), places[key].scene, places[key].form) for key in both
    ]
    return Found(pairs, skipped, aside)


def looks_like(root: Path) -> bool:
    """Return whether the first files of a folder have a pair, or one of two eyes."""
    files = list(islice(_walk(root), LOOKED_AT))
    eyes = {place.eye for path in files if (place := _place(path, EYES)) is not None}
    return eyes == {0, 1}


def offset(root: Path, pair: Files) -> float:
    """Return by how many pixels the principal points of both eyes differ; NaN if it is not known.

    Depth is focal length times baseline over disparity plus this. KITTI's pictures are rectified to 0.
    """
    if pair.form != FILES[0]:
        return 0.0 if pair.form != EYES[0][0] else float("nan")
    try:
        text = (root / pair.left).with_name(CALIBRATION).read_text("utf-8", errors="replace")
        return float(OFFSET.search(text)[1])  # type: ignore[index]
    except (OSError, ValueError, TypeError):
        return float("nan")


def _walk(root: Path) -> Iterable[str]:
    """Yield pictures and files of disparities below a folder, without hidden ones; "/" between names."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = os.path.relpath(folder, root).replace(os.sep, "/")
        for name in sorted(names):
            if not name.startswith(".") and (is_named(name) or name.lower().endswith(SUFFIXES)):
                yield name if below == "." else f"{below}/{name}"


def _eyes(files: Sequence[str]) -> tuple[Sequence[tuple[str, str]], dict[str, int]]:
    """Return the names of folders that are used, and how many pictures are in those of other eyes."""
    places = {eyes: [_place(path, (eyes,)) for path in files] for eyes in EYES}
    counts = {eyes: sum(one is not None and one.form == eyes[0] for one in found) for eyes, found in places.items()}
    there = [eyes for eyes, count in counts.items() if count]
    return there[:1], {" and ".join(eyes): counts[eyes] for eyes in there[1:]}


class Place(NamedTuple):
    """What the path of a picture says: what both of a pair have in common, its eye (0 = left), and see `Files`."""

    key: str
    eye: int
    form: str
    scene: str


def _place(path: str, eyes: Iterable[tuple[str, str]]) -> Place | None:
    *folders, name = path.split("/")
    stem = name.rpartition(".")[0]
    if not is_named(name):
        return None
    if stem in FILES:
        return Place("/".join((*folders, EYE)), FILES.index(stem), FILES[0], "/".join(folders) or stem)
    for depth in range(len(folders) - 1, -1, -1):
        for pair in eyes:
            if folders[depth].lower() in pair:
                above, below = folders[:depth], (*folders[depth + 1 :], stem)
                key, scene = "/".join((*above, EYE, *below)), "/".join((*above, *below))
                return Place(key, pair.index(folders[depth].lower()), pair[0], scene)
    return None


def _truth(place: Place, others: Mapping[str, str]) -> str:
    """Return the file with the disparity of a pair, "" if there is none."""
    names = BESIDE if place.form == FILES[0] else TRUTH
    return next((others[path] for name in names if (path := place.key.replace(EYE, name)) in others), "")
