"""Which files of labelled text are which parts, how labels are numbered, and what is said."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest

from selftaught.data.text.labelled import conll, rows, squad
from selftaught.data.text.labelled.opening import open_asked, open_labelled
from selftaught.errors import UserError

READ = lambda path, name: rows.read(path, rows.Wanted(1), name)  # noqa: E731


def write(folder, **parts):
    """Write files of sentences: each text is its label and its number."""
    for name, labels in parts.items():
        lines = [f"{name} sentence {i} {label}\t{label}" for i, label in enumerate(labels)]
        (folder / f"{name}.tsv").write_text("\n".join(["sentence\tlabel", *lines]) + "\n")
    return folder


def opened(data):
    return open_labelled(data, rows.ENDINGS, READ, "sentences")


def test_parts_are_told_by_names_and_labels_numbered_alike(tmp_path):
    train, test, form = opened(write(tmp_path, train=["b", "a", "b"], test=["c", "b"], dev=["a"]))
    assert form == "SST-2" and train.classes == test.classes == ("a", "b", "c")
    assert train.labels.tolist() == [1, 0, 1] and test.labels.tolist() == [2, 1]
    assert "train is train.tsv, test is test.tsv" in train.notes and "left aside: dev.tsv" in train.notes
    assert "1 test sentences of classes unseen in training (c) count as wrong" in test.notes
    batch = train.fetch(np.array([2]))
    assert batch["example"][0].texts == ("train sentence 2 b",) and batch["label"].tolist() == [1]
    assert test.names(np.array([1])) == ["test.tsv, line 3"]


def test_a_test_part_without_labels_does_not_judge(tmp_path):
    write(tmp_path, train=["0", "1"], dev=["1"])
    (tmp_path / "test.tsv").write_text("index\tsentence\n0\thidden\n")
    _, test, _ = opened(tmp_path)
    assert "train is train.tsv, test is dev.tsv" in test.notes and len(test) == 1


def test_what_the_tests_share_with_the_training_is_left_out(tmp_path):
    write(tmp_path, train=["0", "1"])
    (tmp_path / "test.tsv").write_text("sentence\tlabel\ntrain sentence 0 0\t1\nnew\t0\n\nshort\n")
    _, test, _ = opened(tmp_path)
    assert test.names(np.arange(len(test))) == ["test.tsv, line 3"]
    assert "1 test sentences that are in training too left out (--repeated keeps them)" in test.notes
    _, whole, _ = open_labelled(tmp_path, rows.ENDINGS, READ, "sentences", repeated=True)
    assert len(whole) == 2 and not any("left out" in note for note in whole.notes)
    assert [one["path"] for one in test.skipped] == ["test.tsv, line 5"]


def test_what_lies_beside_published_files_is_left_aside(tmp_path):
    """As the usual script leaves GLUE: the originals in a folder and beside, lists of ids, texts without a part."""
    write(tmp_path, train=["0", "1"], dev=["1"])
    (tmp_path / "original").mkdir()
    write(tmp_path / "original", train=["1"] * 9, dev=["0"])
    (tmp_path / "msr_paraphrase_train.txt").write_text("sentence\tlabel\ndev sentence 0 1\t1\n")
    (tmp_path / "dev_ids.tsv").write_text("1\t2\tx\n3\t4\ty\n")
    (tmp_path / "diagnostic.tsv").write_text("index\tsentence\n0\tx\n")
    train, test, _ = opened(tmp_path)
    assert (len(train), len(test)) == (2, 1)
    assert any(note.startswith("left aside: ") and "original" in note and "msr" in note for note in train.notes)
    assert [one["path"] for one in train.skipped] == ["dev_ids.tsv"]


def test_one_file_is_split_by_content(tmp_path):
    train, test, _ = opened(write(tmp_path, all=["0", "1"] * 10) / "all.tsv")
    assert (len(train), len(test)) == (16, 4) and test.labels.sum() == 2
    assert any("80/20 by content" in note for note in train.notes)
    assert set(train.names(np.arange(16))).isdisjoint(test.names(np.arange(4)))


def test_passages_stay_whole(tmp_path):
    answers = [{"text": "Passage", "answer_start": 0}]
    paragraphs = [
        {
            "context": f"Passage {p}.",
            "qas": [{"id": f"{p}-{q}", "question": f"{q}?", "answers": answers} for q in range(4)],
        }
        for p in range(10)
    ]
    (tmp_path / "all.json").write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))
    train, test, _ = open_labelled(tmp_path, squad.ENDINGS, squad.read, "questions")
    of = [{name.split("-")[0] for name in one.names(np.arange(len(one)))} for one in (train, test)]
    assert (len(train), len(test)) == (32, 8) and not of[0] & of[1]


def test_a_pattern_names_files_and_their_own_words_name_parts(tmp_path):
    for name, word in (("esp.train", "a"), ("esp.testa", "b"), ("esp.testb", "c"), ("ned.train", "d")):
        (tmp_path / name).write_text(f"{word} O\nx B-LOC\n")
    reading = partial(lambda path, name: conll.read(path, 1, -1, name))
    train, test, _ = open_labelled(tmp_path / "esp.*", conll.ENDINGS, reading, "sentences")
    assert (train.examples[0].words[0], test.examples[0].words[0]) == ("a", "c")
    assert "train is esp.train, test is esp.testb" in train.notes


def test_samples_without_labels_are_asked_but_not_learned(tmp_path):
    (tmp_path / "train.tsv").write_text("sentence\tlabel\na\t1\nb\t\nc\t0\nd\tother\n")
    train, _, _ = opened(write(tmp_path, test=["1"]))
    assert len(train) == 3 and "1 without a label left out" in train.notes
    asked = open_asked(tmp_path / "train.tsv", rows.ENDINGS, READ, "sentences", ("0", "1"))
    assert len(asked) == 4 and asked.labels.tolist() == [1, -1, 0, -1]


def test_content_and_labels_are_in_the_fingerprint(tmp_path):
    prints = set()
    for labels in (["0", "1"], ["1", "0"], ["0", "1", "1"]):
        prints.add(opened(write(tmp_path, train=labels, test=["0"]))[0].fingerprint)
    assert len(prints) == 3


def test_data_that_cannot_serve_are_refused(tmp_path):
    with pytest.raises(UserError, match="there is no such file or folder: name a file"):
        opened(tmp_path / "gone")
    with pytest.raises(UserError, match="there are no files of labelled text in this folder"):
        opened(tmp_path)
    with pytest.raises(UserError, match="not from standard input: name a file"):
        opened("-")
    with pytest.raises(UserError, match="not from data of type list"):
        opened([1])
    (tmp_path / "train.tsv").write_text("sentence\tlabel\nx\t\n")
    with pytest.raises(UserError, match=r"train.tsv: no sentences with labels: name labelled data"):
        opened(tmp_path)
    (tmp_path / "train.tsv").write_text("sentence\tlabel\nx\n")
    with pytest.raises(UserError, match=r"\(train.tsv, line 2: 1 cells where the first row has 2\)"):
        open_asked(tmp_path, rows.ENDINGS, READ, "sentences", ())
    write(tmp_path, train=["0", "1"])
    (tmp_path / "test.tsv").write_bytes((tmp_path / "train.tsv").read_bytes())
    with pytest.raises(UserError, match="every test sample also occurs in the training data"):
        opened(tmp_path)
