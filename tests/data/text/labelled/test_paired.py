"""Pairs of texts as they are published: lines of two files, ATOMIC's tuples, dialogues, and one's own."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

from selftaught.data.text.labelled import paired
from selftaught.data.text.labelled.opening import open_asked, open_labelled
from selftaught.errors import UserError


def read(path, source=None, target=None, turns=1):
    return paired.read(path, source, target, turns, path.name)


def pairs(found):
    return [(one.source, one.targets) for one in found.examples]


def lines(folder, name, *texts):
    (folder / name).write_text("".join(f"{text}\n" for text in texts))
    return folder / name


def test_lines_of_two_files_belong_together(tmp_path):
    lines(tmp_path, "train.en", "a man", "", "a man", "two")
    with gzip.open(tmp_path / "train.de.gz", "wt") as file:
        file.write("ein Mann\r\nx\r\nder Mann\r\nzwei")
    found = read(tmp_path / "train.en", "en", "de")
    # lines are samples as they stand: published tests have so many
    assert pairs(found) == [("a man", ("ein Mann",)), ("a man", ("der Mann",)), ("two", ("zwei",))]
    assert found.skipped == [{"path": "train.en, line 2", "reason": "an empty text"}] and found.used == ["train.de.gz"]
    assert pairs(read(tmp_path / "train.de.gz", "de", "en"))[0] == ("ein Mann", ("a man",))
    lines(tmp_path, "train.de", "one")
    with pytest.raises(UserError, match=r"train\.en has 4 lines and train\.de 1: the same line"):
        read(tmp_path / "train.en", "en", "de")


def test_parts_are_told_by_the_names_of_the_sources(tmp_path):
    for part in ("train", "val", "test_2016_flickr"):
        for language in ("en", "de"):
            lines(tmp_path, f"{part}.{language}", *(f"{language} {part} {i}" for i in range(3)))
    assert paired.sides(tmp_path) == ["de", "en"]
    train, test, form = open_labelled(
        tmp_path, paired.endings("en"), lambda path, name: paired.read(path, "en", "de", 1, name), "pairs"
    )
    assert len(train) == len(test) == 3 and form == ""
    assert train.fetch(np.array([1]))["example"][0][:2] == ("en train 1", ("de train 1",))
    assert "train is train.en, test is test_2016_flickr.en" in train.notes and "left aside: val.en" in train.notes
    (tmp_path / "train.de").unlink()
    with pytest.raises(
        UserError, match=r"train\.en: no pairs with labels \(train\.en: there is no train\.de beside it"
    ):
        open_labelled(
            tmp_path, paired.endings("en"), lambda path, name: paired.read(path, "en", "de", 1, name), "pairs"
        )


def test_heads_of_atomic_have_several_tails_and_stay_together(tmp_path):
    tuples = lines(
        tmp_path, "test.tsv", "X eats @@ xNeed\tto cook| none| to cook", "X eats @@ xWant\tto rest", "X eats @@ odd\ty",
        "X eats\tx", "X sings @@ xNeed\t| ",
    )  # fmt: skip
    found = read(tuples)
    assert found.form == "ATOMIC" and [one["path"] for one in found.skipped] == ["test.tsv, line 4", "test.tsv, line 5"]
    assert pairs(found) == [
        ("X eats but before, PersonX needed", ("to cook", "none")),
        ("X eats as a result, PersonX wants", ("to rest",)),
        ("X eats odd", ("y",)),
    ]
    assert {one.group for one in found.examples} == {"X eats"}
    published = lines(tmp_path, "train.tsv", "X eats\txNeed\tto cook", "X eats\txNeed\tto buy", "Y\tisAfter\tX eats")
    assert pairs(read(published)) == [
        ("X eats but before, PersonX needed", ("to cook", "to buy")), ("Y happens after", ("X eats",))
    ]  # fmt: skip
    assert pairs(read(lines(tmp_path, "new.tsv", "X eats @@ xNeed"))) == [("X eats but before, PersonX needed", ())]
    assert set(paired.RELATIONS) >= {"xIntent", "oReact", "HinderedBy"} and len(set(paired.RELATIONS.values())) == 23


def test_a_split_keeps_a_head_on_one_side(tmp_path):
    rows = [f"head {i} @@ {relation}\ttail {i}" for i in range(20) for relation in ("xNeed", "xWant", "xAttr")]
    train, test, _ = open_labelled(
        lines(tmp_path, "all.tsv", *rows),
        paired.ENDINGS,
        lambda path, name: paired.read(path, None, None, 1, name),
        "pairs",
    )
    heads = [{one.group for one in source.fetch(np.arange(len(source)))["example"]} for source in (train, test)]
    assert len(heads[1]) == 4 and heads[0].isdisjoint(heads[1]) and len(test) == 12


def test_replies_follow_the_turns_before_them(tmp_path):
    (tmp_path / "talk.yml").write_text(
        "categories:\n- x\nconversations:\n- - Are you there?\n  - yes\n  - Good, \n    then.\n- - Are you there?\n"
        "  - 'No'\n- - [1]\n- lonely\n"
    )
    found = read(tmp_path / "talk.yml")
    assert found.form == "dialogue" and len(found.skipped) == 2
    assert pairs(found) == [("Are you there?", ("yes", "No")), ("yes", ("Good, then.",))]
    assert pairs(read(tmp_path / "talk.yml", turns=2))[1] == ("Are you there?\nyes", ("Good, then.",))
    (tmp_path / "bad.yml").write_text("a: [1\nb: 2\n")
    with pytest.raises(UserError, match=r"bad\.yml, line 2, is not valid YAML"):
        read(tmp_path / "bad.yml")
    (tmp_path / "other.yml").write_text("turns: []")
    with pytest.raises(UserError, match="has no list 'conversations' of lists of turns"):
        read(tmp_path / "other.yml")


def test_ones_own_columns_and_fields(tmp_path):
    table = lines(tmp_path, "a.tsv", "id\tquestion\tanswer", "1\tWho?\tAnn", "2\tWho?\tBob", "3\tWho", "4\t \tx")
    found = read(table, "question", "answer")
    assert pairs(found) == [("Who?", ("Ann", "Bob"))] and len(found.skipped) == 2
    assert pairs(read(lines(tmp_path, "b.tsv", "Who?\tAnn", "Why?\tx"), "2", "1")) == [
        ("Ann", ("Who?",)),
        ("x", ("Why?",)),
    ]
    (tmp_path / "c.csv").write_text('source,target\n"a, b","c\nd"\n')
    assert pairs(read(tmp_path / "c.csv")) == [("a, b", ("c\nd",))]
    records = [
        {"source": "a", "target": ["b", "c"]}, {"translation": {"source": "d", "target": "e"}}, {"source": "f"},
        {"source": "", "target": "g"}, {"source": "h", "target": 3}, [1],
    ]  # fmt: skip
    found = read(lines(tmp_path, "d.jsonl", *map(json.dumps, records), "{"))
    assert pairs(found) == [("a", ("b", "c")), ("d", ("e",)), ("f", ())]
    assert [one["reason"] for one in found.skipped] == [
        "no text 'source'", "'target' is no text and no list of texts", "no JSON object", "not valid JSON"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.tsv", "id\tq\n1\t2\n", "a.tsv has no column 'source', but 'id', 'q': name the columns with --source"),
        ("a.tsv", "", "a.tsv is empty"),
        ("a.jsonl", '{"en": "x"}\n', "a.jsonl has no field 'source', but 'en': name the fields with --source"),
    ],
)
def test_other_files_are_refused(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError) as error:
        read(tmp_path / name)
    assert said in str(error.value)


def test_sources_alone_are_asked_about_one_by_one(tmp_path):
    for name, texts in (("x.txt", ["a", "", "a"]), ("x.tsv", ["a", "a"]), ("y.tsv", ["source", "a", "a"])):
        path = lines(tmp_path, name, *texts)
        source = open_asked(
            path, paired.ENDINGS, lambda path, name: paired.read(path, None, None, 1, name), "texts", ()
        )
        assert [one.source for one in source.examples] == ["a", "a"]
