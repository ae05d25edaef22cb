"""Questions about passages in SQuAD's JSON, 1.1 and 2.0."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from selftaught.data.text.labelled.example import Question, Read
from selftaught.data.text.labelled.rows import text_of
from selftaught.errors import UserError

ENDINGS = ((".json",),)


def read(path: Path, name: str) -> Read:
    """Return the questions of a file.

    An answer that does not stand where the file says is looked for in the passage: the nearest place counts. One that
    does not occur at all can be compared with, but not be learned. Both are counted in the notes.

    Raises UserError if it is not SQuAD's JSON.
    """
    try:
        whole = json.loads(text_of(path, name))
        articles = whole["data"]
        passages = [passage for article in articles for passage in article["paragraphs"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UserError(
            f'{name} is not SQuAD\'s JSON: {{"data": [{{"paragraphs": [{{"context": ..., "qas": [...]}}]}}]}}'
        ) from None
    found, moved, absent = Read([]), 0, 0
    for number, passage in enumerate(passages, 1):
        try:
            context, asked = _text(passage["context"]), [_question(one) for one in passage["qas"]]
        except (KeyError, TypeError) as error:
            why = f"{error} is missing" if isinstance(error, KeyError) else "a text is no string, or a place no number"
            found.skipped.append({"path": f"{name}, paragraph {number}", "reason": why})
            continue
        for question, answers, where in asked:
            placed = None if answers is None else tuple((text, _place(context, text, at)) for text, at in answers)
            for (_, at), (_, wanted) in zip(placed or (), answers or (), strict=True):
                moved, absent = moved + (0 <= at != wanted), absent + (at < 0)
            found.examples.append(Question(question, context, placed, where))
    if moved:
        found.notes.append(f"{moved:,} answers stand elsewhere than {name} says: the nearest place counts")
    if absent:
        found.notes.append(f"{absent:,} answers in {name} do not occur in their passage: they are not learned")
    return found


def _place(context: str, text: str, at: int) -> int:
    """Return where an answer stands, nearest to `at`; -1 = nowhere."""
    if text and context[at : at + len(text)] == text:
        return at
    places, begin = list[int](), context.find(text) if text else -1
    while begin >= 0:
        places.append(begin)
        begin = context.find(text, begin + 1)
    return min(places, key=lambda place: abs(place - at), default=-1)


def _question(entry: Any) -> tuple[str, tuple[tuple[str, int], ...] | None, str]:
    """Return the question, its answers with their places, and its id. Raises KeyError and TypeError."""
    if entry.get("is_impossible"):
        return _text(entry["question"]), (), str(entry["id"])
    if "answers" not in entry:
        return _text(entry["question"]), None, str(entry["id"])
    answers = dict.fromkeys((_text(one["text"]), int(one["answer_start"])) for one in entry["answers"])
    return _text(entry["question"]), tuple(answers), str(entry["id"])


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
