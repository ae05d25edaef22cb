"""Texts with those that are written for them: translations in lines, ATOMIC's tuples, dialogues, one's own files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from selftaught.data.text.files import PACKED, suffix_of
from selftaught.data.text.labelled.example import Example, Paired, Read
from selftaught.data.text.labelled.rows import cells, text_of
from selftaught.errors import UserError

ENDINGS = ((".jsonl", ".ndjson"), (".tsv",), (".csv",), (".yml", ".yaml"), (".txt",))
ATOMIC, DIALOGUE = "ATOMIC", "dialogue"
"""Names of published forms."""
MARK = " @@ "
"""Stands between the head and the relation where ATOMIC's tails are in one row."""
RELATIONS = {
    "AtLocation": "is found at", "CapableOf": "can", "Causes": "causes", "Desires": "desires", "HasProperty": "is",
    "HasSubEvent": "includes", "HinderedBy": "can be hindered by", "MadeUpOf": "is made of",
    "NotDesires": "does not desire", "ObjectUse": "is used to", "isAfter": "happens after",
    "isBefore": "happens before", "isFilledBy": "can be filled by", "oEffect": "as a result, others",
    "oReact": "as a result, others feel", "oWant": "as a result, others want", "xAttr": "PersonX is seen as",
    "xEffect": "as a result, PersonX", "xIntent": "because PersonX wanted", "xNeed": "but before, PersonX needed",
    "xReact": "as a result, PersonX feels", "xReason": "because", "xWant": "as a result, PersonX wants",
}  # fmt: skip
"""ATOMIC's relations in words, which an encoder may know; their names it never read."""
Row = tuple[str, tuple[str, ...], str, str]
"""A source, its targets, its group, and where it stands."""


def endings(source: str | None) -> tuple[tuple[str, ...], ...]:
    """Return the endings of files that are read; first those of the source's lines, if it is named ("en")."""
    return ENDINGS if source is None else ((f".{source.lower()}",), *ENDINGS)


def read(path: Path, source: str | None, target: str | None, turns: int, name: str) -> Read:
    """Return the pairs of a file.

    - A file that ends in `source` (train.en, train.en.gz) has a text a line; the file beside it that ends in `target`
      has what is written for each.
    - .tsv without quotes and .csv: the columns `source` and `target`. ATOMIC's have no header: "head @@ relation" and
      "tail| tail", or a head, a relation and a tail.
    - .jsonl: the fields `source` and `target`, a text or a list of texts, also inside "translation".
    - .yml: dialogues, lists of turns under "conversations". Each turn is written for the `turns` before it.
    - .txt: sources alone, a line each.

    Rows of tables, records and dialogues with the same source are one sample with several targets. What has no source
    or an empty target is skipped and told. Raises UserError if the file cannot be read or is of no known form.
    """
    ending, found = suffix_of(path), Read([])
    if source is not None and ending == f".{source.lower()}":
        found.examples += _lines(path, ending, target, name, found)
        return found
    if ending in ENDINGS[0]:
        rows: Iterable[Row] = _records(path, source or "source", target or "target", name, found)
    elif ending in ENDINGS[3]:
        found.form = DIALOGUE
        rows = _dialogues(path, turns, name, found)
    elif ending == ".txt":
        rows = [
            (line.strip(), (), "", f"{name}, line {number}")
            for number, line in enumerate(text_of(path, name).split("\n"), 1)
            if line.strip()
        ]
    else:
        rows = _table(path, source, target, name, found)
    found.examples += _merged(rows)
    return found


def _merged(rows: Iterable[Row]) -> list[Example]:
    """Return rows as examples, those with the same source as one. Sources without targets stay as they are."""
    made, place = list[Paired](), dict[str, int]()
    for source, targets, group, where in rows:
        if targets and source in place:
            old = made[place[source]]
            made[place[source]] = old._replace(targets=tuple(dict.fromkeys([*old.targets, *targets])))
            continue
        if targets:
            place[source] = len(made)
        made.append(Paired(source, targets, group, where))
    return list(made)


def _lines(path: Path, ending: str, target: str | None, name: str, found: Read) -> Iterator[Paired]:
    sources = _split(text_of(path, name))
    other = next((one for one in _others(path, ending, target) if one.is_file()), None)
    if other is None:
        if target is not None:
            wanted = next(iter(_others(path, ending, target))).name
            found.skipped.append({"path": name, "reason": f"there is no {wanted} beside it"})
        targets = None
    else:
        beside = (Path(name).parent / other.name).as_posix()
        found.used.append(beside)
        targets = _split(text_of(other, beside))
        if len(targets) != len(sources):
            raise UserError(
                f"{name} has {len(sources):,} lines and {beside} {len(targets):,}: the same line of both must belong "
                "together"
            )
    for number, text in enumerate(sources):
        said = None if targets is None else targets[number].strip()
        where = f"{name}, line {number + 1}"
        if not text.strip() or said == "":
            found.skipped.append({"path": where, "reason": "an empty text"})
            continue
        yield Paired(text.strip(), () if said is None else (said,), "", where)


def _others(path: Path, ending: str, target: str | None) -> Iterator[Path]:
    """Yield where the other side of a file of lines may be, packed in the same way or in another."""
    packed = path.suffix if path.suffix.lower() in PACKED else ""
    stem = path.name.removesuffix(packed)[: -len(ending)]
    for more in dict.fromkeys([packed, "", *PACKED]) if target is not None else ():
        yield path.with_name(f"{stem}.{target}{more}")


def _split(text: str) -> list[str]:
    """Return the lines of a text; the end of the last one begins no other."""
    lines = text.replace("\r\n", "\n").split("\n")
    return lines[:-1] if lines and not lines[-1] else lines


def _table(path: Path, source: str | None, target: str | None, name: str, found: Read) -> Iterator[Row]:
    lines = list(cells(path, name))
    if not lines:
        raise UserError(f"{name} is empty: give a file with a row for each pair")
    first = lines[0][1]
    if source is None and target is None and (MARK in first[0] or (len(first) == 3 and first[1] in RELATIONS)):
        found.form = ATOMIC
        yield from _tuples(lines, name, found)
        return
    if source is None and len(first) == 1 and first[0] != "source":
        for line, row in lines:
            yield row[0].strip(), (), "", f"{name}, line {line}"
        return
    wanted = (source or "source", target or "target")
    counted = all(one.isdecimal() for one in wanted) and not set(wanted) <= set(first)
    missing = [one for one in wanted if not (1 <= int(one) <= len(first) if counted else one in first)]
    if missing and not (missing == [wanted[1]] and target is None):  # what is only asked has no targets
        there = ", ".join(repr(cell[:30]) for cell in first[:8])
        raise UserError(
            f"{name} has no column '{missing[0]}', but {there}: name the columns with --source and --target (numbers "
            "from 1 if the file does not name its columns)"
        )
    at = [None if one in missing else int(one) - 1 if counted else first.index(one) for one in wanted]
    for line, row in lines if counted else lines[1:]:
        where = f"{name}, line {line}"
        if len(row) != len(first):
            reason = f"{len(row)} cells where the first row has {len(first)}"
            found.skipped.append({"path": where, "reason": reason})
            continue
        texts = [row[column].strip() for column in at if column is not None]
        if all(texts):
            yield texts[0], tuple(texts[1:]), "", where
        else:
            found.skipped.append({"path": where, "reason": "an empty text"})


def _tuples(lines: Sequence[tuple[int, list[str]]], name: str, found: Read) -> Iterator[Row]:
    """Yield ATOMIC's tuples: the head and the relation in words, with their tails."""
    for line, row in lines:
        where = f"{name}, line {line}"
        head, _, relation = row[0].partition(MARK) if len(row) < 3 else (row[0], "", row[1])
        tails = row[1].split("|") if len(row) == 2 else row[2:3]
        kept = tuple(dict.fromkeys(tail.strip() for tail in tails if tail.strip()))
        if len(row) > 3 or not head.strip() or not relation.strip() or (len(row) > 1 and not kept):
            reason = "a tuple is 'head @@ relation' and its tails, or a head, a relation and a tail"
            found.skipped.append({"path": where, "reason": reason})
            continue
        said = RELATIONS.get(relation.strip(), relation.strip())
        yield f"{head.strip()} {said}", kept, head.strip(), where


def _records(path: Path, source: str, target: str, name: str, found: Read) -> Iterator[Row]:
    seen = list[str]()
    for number, line in enumerate(text_of(path, name).split("\n"), 1):
        if not line.strip():
            continue
        where, reason = f"{name}, line {number}", ""
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record, reason = None, "not valid JSON"
        if isinstance(record, Mapping):
            record = record["translation"] if isinstance(record.get("translation"), Mapping) else record
            seen = seen or [str(key) for key in record]
            asked, given = record.get(source), record.get(target, [])
            targets = [given] if isinstance(given, str) else given
            if not isinstance(asked, str) or not asked.strip():
                reason = f"no text '{source}'"
            elif not isinstance(targets, list) or not all(isinstance(one, str) and one.strip() for one in targets):
                reason = f"'{target}' is no text and no list of texts"
            else:
                yield asked.strip(), tuple(dict.fromkeys(one.strip() for one in targets)), "", where
        else:
            reason = reason or "no JSON object"
        if reason:
            found.skipped.append({"path": where, "reason": reason})
    if seen and source not in seen:
        raise UserError(
            f"{name} has no field '{source}', but {', '.join(map(repr, seen[:8]))}: name the fields with --source and "
            "--target"
        )


def _dialogues(path: Path, turns: int, name: str, found: Read) -> Iterator[Row]:
    loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # texts alone: no numbers, and no booleans of "yes"
    try:
        whole = loader(text_of(path, name)).get_single_data()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}," if mark is not None else ""
        raise UserError(f"{name}{where} is not valid YAML: {getattr(error, 'problem', None) or error}") from None
    said = whole.get("conversations") if isinstance(whole, Mapping) else None
    if not isinstance(said, list):
        raise UserError(f"{name} has no list 'conversations' of lists of turns")
    for number, dialogue in enumerate(said, 1):
        where = f"{name}, conversation {number}"
        if not isinstance(dialogue, list) or not all(isinstance(turn, str) and turn.strip() for turn in dialogue):
            found.skipped.append({"path": where, "reason": "no list of turns, each a text"})
            continue
        for place in range(1, len(dialogue)):
            before = "\n".join(_one_line(turn) for turn in dialogue[max(0, place - turns) : place])
            yield before, (_one_line(dialogue[place]),), _one_line(dialogue[0]), f"{where}, turn {place + 1}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def sides(path: Path) -> list[str]:
    """Return the endings of files that have texts in lines, train.de and train.en.gz, if these are all that is there.

    Such files have a name in common, and more than one ending that is no other form's.
    """
    names = [one.name for one in sorted(path.iterdir()) if one.is_file()] if path.is_dir() else []
    known = {one for group in ENDINGS for one in group}
    found: dict[str, set[str]] = {}
    for name in names:
        ending = suffix_of(Path(name))
        if ending in known:
            return []
        found.setdefault(name[: name.lower().rfind(ending)] if ending else name, set()).add(ending.removeprefix("."))
    two = sorted({ending for some in found.values() if len(some) > 1 for ending in some})
    return two[:2] if len(two) > 1 else []
