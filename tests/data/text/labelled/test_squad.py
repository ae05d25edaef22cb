"""SQuAD's JSON: questions, answers, and answers that stand elsewhere or nowhere."""

from __future__ import annotations

import json

import pytest

from selftaught.data.text.labelled.squad import read
from selftaught.errors import UserError

CONTEXT = "Ada met Bob in May. Bob left in June."


def of(tmp_path, *asked, context=CONTEXT):
    whole = {"version": "x", "data": [{"title": "t", "paragraphs": [{"context": context, "qas": list(asked)}]}]}
    (tmp_path / "dev.json").write_text(json.dumps(whole))
    return read(tmp_path / "dev.json", "dev.json")


def one(text, start, **more):
    return {"id": "q1", "question": "Who?", "answers": [{"text": text, "answer_start": start}]} | more


def test_answers_stand_where_the_file_says(tmp_path):
    found = of(tmp_path, one("Bob", 8), {"id": "q2", "question": "Why?", "is_impossible": True, "answers": []},
               {"id": "q3", "question": "When?"})  # fmt: skip
    assert [(q.answers, q.where) for q in found.examples] == [((("Bob", 8),), "q1"), ((), "q2"), (None, "q3")]
    assert found.examples[0].passage == CONTEXT and not found.notes


def test_answers_that_stand_elsewhere_or_nowhere_are_counted(tmp_path):
    found = of(tmp_path, one("Bob", 18), one("bob", 8), one("", 3))
    assert [q.answers for q in found.examples] == [(("Bob", 20),), (("bob", -1),), (("", -1),)]
    assert found.notes == [
        "1 answers stand elsewhere than dev.json says: the nearest place counts",
        "2 answers in dev.json do not occur in their passage: they are not learned",
    ]


def test_what_is_no_squad_is_told(tmp_path):
    (tmp_path / "dev.json").write_text('{"data": [1]}')
    with pytest.raises(UserError, match=r"dev\.json is not SQuAD's JSON"):
        read(tmp_path / "dev.json", "dev.json")
    found = of(tmp_path, {"id": "q1", "answers": []}, one("Bob", "x"))
    assert not found.examples and found.skipped == [
        {"path": "dev.json, paragraph 1", "reason": "'question' is missing"}
    ]


@pytest.mark.shared
def test_xquad_is_read_whole(shared_data):
    found = read(shared_data / "text" / "xquad" / "xquad.en.json", "xquad")
    assert len(found.examples) == 1190 and len({q.passage for q in found.examples}) == 240 and not found.notes
