"""Which folders and files are the parts of a data set, and which are its classes: one rule for every kind of sample.

The rule is stated for users in docs/data.md. Only names and counts of files decide; no file is opened.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

Side = Literal["train", "test", "val"]
Rows = list[int]
"""Positions in the list of files."""
Above = tuple[str, ...]
"""The names of a folder and of those that it is in, below the root."""
LOOSE = "loose files"
"""Files beside folders, in what is left aside."""

WORDS: Mapping[Side, Sequence[str]] = {
    "train": ("train", "training", "trn", "trainset", "trainingset"),
    "test": ("test", "testing", "tst", "testset", "testingset", "eval", "evaluation", "holdout", "heldout"),
    "val": ("val", "valid", "validation", "valset", "validationset", "dev", "devel", "development"),
}
SIDES: Mapping[str, Side] = {word: side for side, words in WORDS.items() for word in words}
"""What each word says in the name of a folder or file."""
JUDGING: tuple[Side, ...] = ("test", "val")
"""The parts to judge by, the better one first."""
CONTENT = frozenset(
    (
        *("data", "dataset", "datasets", "docs", "documents", "files", "full", "samples", "text", "texts", "txt"),
        *("image", "images", "img", "imgs", "jpeg", "jpegimages", "jpegs", "jpg", "jpgs", "png", "pngs", "rgb"),
        *("photo", "photos", "pic", "pics", "picture", "pictures"),
    )
)
"""Words that say only that samples are there: such a folder is no class beside annotations."""
NEUTRAL = CONTENT | {
    "a",
    "all",
    "b",
    "dir",
    "folder",
    "of",
    "part",
    "partial",
    "seg",
    "set",
    "sets",
    "split",
    "splits",
    "the",
}
"""Words that a part may have in its name besides its own."""
NOTES = re.compile(
    r"(annot|bbox|bounding|depths?\b|gt\b|ground.?truth|json|labels?\b|landmark|mask|meta(data)?\b|segment|trimap|xml)",
    re.IGNORECASE,
)
"""The start of the names of folders that hold notes about samples."""
ASIDE = re.compile(r"(additional|extra|pred|sample|submission|un.?label|unsup|unused)", re.IGNORECASE)
"""The start of the names of folders that a training part stands beside."""
UNKNOWN = re.compile(r"(un.?label+ed|unsup|unsupervised|no.?label|without.?label)s?", re.IGNORECASE)
"""Folders beside classes whose samples have no class."""
DEBRIS = frozenset(("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found", "__pycache__"))
"""What archives and file systems leave behind."""
CAMERA = re.compile(r"DCIM|[1-9]\d\d[A-Z0-9_]{5}")
"""Folders of cameras (DCF: 100CANON, 101MSDCF), which number pictures and name nothing."""
DATES = re.compile(r"(19|20)\d\d([-_. ]?(0[1-9]|1[0-2]))([-_. ]?[0-3]\d)?")
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def side(name: str) -> Side | None:
    """Return the part that a folder is by its name, or None: "Training", "test_images" and "val2017" are parts.

    "test tube" is none.
    """
    found = [word.lower() for word in WORD.findall(name)]
    sides = {SIDES[word] for word in found if word in SIDES}
    return sides.pop() if len(sides) == 1 and all(word in SIDES or word in NEUTRAL for word in found) else None


def side_of_file(path: str) -> Side | None:
    """Return the part of a table (train-00000-of-00002.parquet, default/test/0000.parquet), or None.

    Any word of its name can tell, else the folder that it is in, and so on.
    """
    for name in reversed(path.split("/")):
        sides = {SIDES[word] for word in map(str.lower, WORD.findall(name)) if word in SIDES}
        if len(sides) == 1:
            return sides.pop()
    return None


@final
@dataclass(frozen=True)
class Layout:
    """What the names of the files of a data set say.

    Args:
        parts: The positions of the files of "train" and "test", or of "all", increasing.
        called: What each part is called in the data set; "" = it has no name.
        owners: The class of each file, None = unknown.
        aside: How many files are in each folder that is not used.
        why: Why there are no classes, "" if there are.
    """

    parts: dict[str, Rows]
    called: dict[str, str]
    owners: list[str | None]
    aside: dict[str, int]
    why: str = ""


def arrange(paths: Sequence[str], root: str = "", labelled: Collection[int] = ()) -> Layout:
    """Return the layout of files, given by their paths below the root ("/" between names); `root` is its own name.

    `labelled` are the positions of files whose class is known otherwise.
    """
    tree = _Tree([tuple(path.split("/")[:-1]) for path in paths], root, frozenset(labelled))
    rows, above, loose = tree.clean(), Above(), Rows()
    while True:
        inside, here = tree.look(rows, above)
        groups = grouped(inside, side)
        if divided(groups):
            tree.leave((*above, LOOSE), [*loose, *here])
            return tree.divided(groups, inside, above)
        only = tree.wrapper(inside, len(here), above)
        if only is None:
            break
        tree.leave_others(inside, above, only)
        rows, above, loose = inside[only], (*above, only), [*loose, *here]
    within = tree.within(inside, above)
    if within is not None:
        tree.leave((*above, LOOSE), [*loose, *here])
        return within
    owned, why = tree.classes(rows, above)
    return tree.result({"all": sorted([*rows, *loose])}, {"all": "/".join(above)}, owned, why)


def grouped(names: Iterable[str], part: Callable[[str], Side | None]) -> dict[Side, list[str]]:
    """Return the names that `part` takes for the same side; names that it takes for none are left out."""
    found: dict[Side, list[str]] = {}
    for name in names:
        if (one := part(name)) is not None:
            found.setdefault(one, []).append(name)
    return found


def divided(groups: Mapping[Side, object]) -> bool:
    """Return whether there is a part to train on and one to judge by. Without "train", "val" is trained on."""
    return len(groups) > 1


def chosen(groups: Mapping[Side, Any], labelled: Callable[[Any], bool]) -> dict[str, Side]:
    """Return which side serves as "train" and which as "test"; "all" where none can judge what was trained.

    The test part is the first of "test" and "val" that has labels, if the training part has.
    """
    train: Side = "train" if "train" in groups else "val" if "val" in groups else "test"
    others: list[Side] = [one for one in JUDGING if one in groups and one != train]
    if labelled(groups[train]):
        others = [one for one in others if labelled(groups[one])]
    return {"train": train, "test": others[0]} if others else {"all": train}


def named(
    names: Sequence[str], labelled: Callable[[list[str]], bool], asked: bool = False
) -> tuple[dict[str, list[str]], list[str]]:
    """Return (the names of "train" and "test", or of "all"; the names left aside), for tables and parts in memory.

    Names that tell of no part are left aside beside a training part; without one, or if the user `asked` for each of
    the names and nothing can judge, all names are "all".
    """
    groups = grouped(names, side_of_file)
    if (asked or "train" not in groups) and not divided(groups):
        return {"all": list(names)}, []
    used = {part: groups[one] for part, one in chosen(groups, labelled).items()}
    taken = {name for part in used.values() for name in part}
    return used, [name for name in names if name not in taken]


@final
class _Tree:
    """The folders of all files, and what has been left aside of them."""

    def __init__(self, folders: Sequence[Above], root: str, labelled: frozenset[int]) -> None:
        self._folders, self._root, self._labelled = folders, root, labelled
        self._aside: dict[str, int] = {}
        self._left = set[int]()

    def look(self, rows: Iterable[int], above: Above) -> tuple[dict[str, Rows], Rows]:
        """Return (the files of each folder inside `above`, by name; the files that are in none of them)."""
        depth, inside, loose = len(above), dict[str, Rows](), Rows()
        for row in rows:
            folders = self._folders[row]
            if len(folders) > depth:
                inside.setdefault(folders[depth], []).append(row)
            else:
                loose.append(row)
        return inside, loose

    def clean(self) -> Rows:
        """Return the files that are no remains of archives and file systems; these are left aside."""
        kept = list[int]()
        for row, folders in enumerate(self._folders):
            if DEBRIS.isdisjoint(folders):
                kept.append(row)
            else:
                at = next(i for i, name in enumerate(folders) if name in DEBRIS)
                self.leave(folders[: at + 1], [row])
        return kept

    def leave(self, folder: Above, rows: Rows) -> None:
        """Leave the files of a folder aside."""
        if rows:
            name = "/".join(folder)
            self._aside[name] = self._aside.get(name, 0) + len(rows)
            self._left.update(rows)

    def leave_others(self, inside: Mapping[str, Rows], above: Above, *used: str) -> None:
        """Leave all folders but those used aside."""
        for name, rows in inside.items():
            if name not in used:
                self.leave((*above, name), rows)

    def wrapper(self, inside: Mapping[str, Rows], loose: int, above: Above) -> str | None:
        """Return the folder that holds the whole data set, if there is one: what stands beside it is not needed."""
        if not inside or loose > sum(map(len, inside.values())):
            return None
        if len(inside) == 1:
            return next(iter(inside))
        parts = [name for name in inside if side(name)]
        if len(parts) == 1:
            within = self.look(inside[parts[0]], (*above, parts[0]))[0]
            depth = len(above) + 1 if len(within) > 1 else 0  # beside classes, what has none is no class
            others = [name for name in inside if name not in parts]
            if all(ASIDE.match(name) or NOTES.match(name) or self.flat(inside[name], depth) for name in others):
                return parts[0]
        content = [name for name in inside if all(word.lower() in CONTENT for word in WORD.findall(name) or [name])]
        if len(content) == 1 and all(NOTES.match(name) for name in inside if name not in content):
            return content[0]
        return None

    def flat(self, rows: Rows, depth: int) -> bool:
        """Return whether all files lie in folders of this depth."""
        return all(len(self._folders[row]) == depth for row in rows)

    def without_copies(self, inside: dict[str, Rows], above: Above) -> dict[str, Rows]:
        """Return the folders without those that hold all others once more (an archive unpacked into itself)."""
        kept = {}
        for name, rows in inside.items():
            own = {folder for row in rows for folder in self._folders[row][len(above) + 1 :][:1]}
            if len(own) >= len(inside) - 1 > 1 and inside.keys() - {name} <= own:
                self.leave((*above, name), rows)
            else:
                kept[name] = rows
        return kept

    def classes(self, rows: Rows, above: Above, known: Collection[str] = ()) -> tuple[dict[int, str], str]:
        """Return (the class of each file that has one, why there are none): of the first folders that are no wrappers.

        A folder called like one of the `known` classes is no wrapper.
        """
        while True:
            inside, loose = self.look(rows, above)
            if not inside:
                return {}, "they lie in one folder"
            if len(loose) > sum(map(len, inside.values())):
                return {}, "most lie outside of folders"
            only = None if inside.keys() & set(known) else self.wrapper(inside, len(loose), above)
            if only is None:
                break
            self.leave_others(inside, above, only)
            rows, above = inside[only], (*above, only)
        inside = self.without_copies(inside, above)
        if all(CAMERA.fullmatch(name) for name in inside) or "DCIM" in (self._root, *above):
            return {}, "the folders are a camera's"
        if all(DATES.fullmatch(name) for name in inside):
            return {}, "the folders are dates"
        return {row: name for name in inside if not UNKNOWN.fullmatch(name) for row in inside[name]}, ""

    def divided(self, groups: Mapping[Side, list[str]], inside: Mapping[str, Rows], above: Above) -> Layout:
        """Return the layout of folders that are parts; the classes of all parts are decided together."""
        found = {name: self.classes(inside[name], (*above, name)) for names in groups.values() for name in names}
        known = {owner for owned, _ in found.values() for owner in owned.values()}
        for name, (owned, _) in found.items():
            if known and not owned:
                found[name] = self.classes(inside[name], (*above, name), known)
        sides = chosen(
            groups, lambda names: any(found[name][0] or not self._labelled.isdisjoint(inside[name]) for name in names)
        )
        used = {part: groups[one] for part, one in sides.items()}
        self.leave_others(inside, above, *(name for names in used.values() for name in names))
        return self.result(
            {part: sorted(row for name in names for row in inside[name]) for part, names in used.items()},
            {part: " and ".join("/".join((*above, name)) for name in names) for part, names in used.items()},
            {row: owner for owned, _ in found.values() for row, owner in owned.items()},
            next(why for _, why in found.values()),
        )

    def within(self, inside: Mapping[str, Rows], above: Above) -> Layout | None:
        """Return the layout of classes that have the parts inside them (cat/train, cat/test, dog/train, ...)."""
        parts: dict[str, Rows] = {}
        called: dict[str, str] = {}
        looked = {name: self.look(rows, (*above, name))[0] for name, rows in inside.items()}
        groups = {name: grouped(folders, side) for name, folders in looked.items()}
        if len(inside) < 2 or not all("train" in found and divided(found) for found in groups.values()):
            return None
        for name, found in groups.items():
            sides = chosen(found, bool)
            for part, one in sides.items():
                for folder in found[one]:
                    parts.setdefault(part, []).extend(looked[name][folder])
                    called[part] = "/".join((*above, "*", folder))
            self.leave_others(
                looked[name], (*above, name), *(folder for one in sides.values() for folder in found[one])
            )
        owned = {row: name for name, rows in inside.items() for row in rows}
        return self.result({part: sorted(rows) for part, rows in parts.items()}, called, owned, "")

    def result(self, parts: dict[str, Rows], called: dict[str, str], owned: Mapping[int, str], why: str) -> Layout:
        """Return the layout without what was left aside."""
        used = {part: [row for row in rows if row not in self._left] for part, rows in parts.items()}
        owners = [owned.get(row) for row in range(len(self._folders))]
        return Layout(used, called, owners, self._aside, "" if owned else why)
