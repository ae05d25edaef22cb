"""Rows of GLUE, SICK and one's own: which columns, which label, and what is left out and told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from selftaught.data.text.labelled.example import Texts
from selftaught.data.text.labelled.rows import Wanted, of_form, read
from selftaught.errors import UserError

ONE, TWO, NUMBER = Wanted(1), Wanted(2), Wanted(2, number=True)
MNLI = "index\tpromptID\tpairID\tgenre\tsentence1\tsentence2\tlabel1\tgold_label\n0\t1\t1n\tx\tA b.\tC d.\tneutral\t"
PUBLISHED = [
    ("CoLA", ONE, 'gj04\t1\t\tThey "sank" it.\nks08\t0\t*\tThey caused.\n', ('They "sank" it.',), "1"),
    ("SST-2", ONE, "sentence\tlabel\nhide new secretions \t0\n", ("hide new secretions",), "0"),
    ("", ONE, "index\tsentence\n0\tuneasy mishmash .\n", ("uneasy mishmash .",), None),
    ("", ONE, "a fine film\t1\nnot so\t0\n", ("a fine film",), "1"),
    ("MRPC", TWO, "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n1\t7\t8\tA b.\tC d.\r\n", ("A b.", "C d."),
     "1"),
    ("QQP", TWO, "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t2\t3\tWhy?\tHow?\t0\n", ("Why?", "How?"), "0"),
    ("STS-B", NUMBER, "index\tsentence1\tsentence2\tscore\n0\tA plane.\tA jet.\t4.75\n", ("A plane.", "A jet."), 4.75),
    ("RTE", TWO, "index\tsentence1\tsentence2\tlabel\n0\tA b.\tC d.\tnot_entailment\n", ("A b.", "C d."),
     "not_entailment"),
    ("", TWO, "index\tsentence1\tsentence2\n0\tA b.\tC d.\n", ("A b.", "C d."), None),
    ("QNLI", TWO, "index\tquestion\tsentence\tlabel\n0\tWho?\tHe.\tentailment\n", ("Who?", "He."), "entailment"),
    ("MNLI", TWO, f"{MNLI}neutral\n", ("A b.", "C d."), "neutral"),
    ("MNLI", TWO, f"{MNLI}-\n", ("A b.", "C d."), None),
    ("SICK", TWO, "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n1\tA\tB\t3.3\tNEUTRAL\n",
     ("A", "B"), "NEUTRAL"),
    ("SICK", NUMBER, "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n1\tA\tB\t3.3\tNEUTRAL\n",
     ("A", "B"), 3.3),
]  # fmt: skip


def of(tmp_path: Path, content: str, wanted: Wanted, name: str = "train.tsv"):
    (tmp_path / name).write_bytes(content.encode())
    return read(tmp_path / name, wanted, name)


@pytest.mark.parametrize(("form", "wanted", "content", "texts", "answer"), PUBLISHED)
def test_published_forms(tmp_path, form, wanted, content, texts, answer):
    found = of(tmp_path, content, wanted)
    assert found.form == form and not found.skipped
    first = found.examples[0]
    assert isinstance(first, Texts) and (first.texts, first.answer) == (texts, answer)


def test_metrics_are_those_of_the_benchmark():
    assert {name: of_form(name, name == "STS-B").metrics[0] for name in ("CoLA", "MRPC", "STS-B", "RTE")} == {
        "CoLA": "Matthews", "MRPC": "F1", "STS-B": "Pearson", "RTE": "accuracy",
    }  # fmt: skip
    assert of_form("MRPC", False).alike and not of_form("RTE", False).alike and of_form("", False) is None


def test_what_is_wrong_with_a_row_is_told_with_its_line(tmp_path):
    content = (
        "index\tsentence1\tsentence2\tscore\n0\ta\tb\t1\n1\ta\tb\n2\ta\t \t1\n3\ta\tb\tnone\n4\ta\tb\tinf\n5\tc\td\t2\n"
    )
    found = of(tmp_path, content, NUMBER)
    assert [one.answer for one in found.examples] == [1.0, 2.0]
    assert [(one["path"], one["reason"]) for one in found.skipped] == [
        ("train.tsv, line 3", "3 cells where the first row has 4"),
        ("train.tsv, line 4", "an empty text"),
        ("train.tsv, line 5", "'none' is no number"),
        ("train.tsv, line 6", "'inf' is no number"),
    ]
    assert found.examples[1].where == "train.tsv, line 7"


def test_lines_of_text_can_be_asked_about(tmp_path):
    found = of(tmp_path, "a fine film\n\nnot so\n", ONE, "new.txt")
    assert [(one.texts, one.answer) for one in found.examples] == [(("a fine film",), None), (("not so",), None)]


def test_commas_may_be_quoted_and_tabs_are_not(tmp_path):
    own = Wanted(1, columns=("review",), label="stars")
    found = of(tmp_path, 'stars,review\n5,"good, ""very"" good\nindeed"\n1,bad\n', own, "own.csv")
    assert [(one.texts[0], one.answer) for one in found.examples] == [('good, "very" good\nindeed', "5"), ("bad", "1")]
    assert [one.where for one in found.examples] == ["own.csv, line 2", "own.csv, line 4"]
    found = of(tmp_path, 'review\tstars\n"open\t5\n', own)
    assert found.examples[0].texts == ('"open',)
    with pytest.raises(UserError, match=r"own\.csv, line 2: unexpected end of data: quote cells"):
        of(tmp_path, 'stars,review\n5,"good\n', own, "own.csv")


def test_columns_without_names_are_counted(tmp_path):
    found = of(tmp_path, "yes\tone two\tthree\nno\tfour\tfive\n", Wanted(2, columns=("2", "3"), label="1"))
    assert [(one.texts, one.answer) for one in found.examples] == [
        (("one two", "three"), "yes"), (("four", "five"), "no"),
    ]  # fmt: skip
    assert of(tmp_path, "text,label\nhello,3\n", ONE, "own.csv").examples[0].answer == "3"


@pytest.mark.parametrize(
    ("content", "wanted", "said"),
    [
        (b"", ONE, "train.tsv is empty"),
        (
            b"a\tb\tc\nd\te\tf\n",
            ONE,
            "train.tsv has no columns of a known form, but 'a', 'b', 'c': name them with --text",
        ),
        (b"a\tb\nc\td\n", Wanted(1, columns=("z",)), "train.tsv has no column 'z' for --text, but 'a', 'b'"),
        (b"a\tb\nc\td\n", Wanted(1, columns=("3",)), "train.tsv has no column '3' for --text"),
        (b"sentence\tlabel\nc\xe9\t1\n", ONE, "train.tsv, line 2, is not UTF-8"),
    ],
)
def test_files_that_cannot_serve_are_refused(tmp_path, content, wanted, said):
    (tmp_path / "train.tsv").write_bytes(content)
    with pytest.raises(UserError, match=re.escape(said)):
        read(tmp_path / "train.tsv", wanted, "train.tsv")


@pytest.mark.shared
def test_the_shared_files_are_read_whole(shared_data):
    text = shared_data / "text"
    for name, wanted, count in (
        ("cola/in_domain_train.tsv", ONE, 8551), ("sst2/train.tsv", ONE, 6920), ("sst2/dev.tsv", ONE, 872),
        ("mrpc/train.tsv", TWO, 3576), ("sick/SICK_train.txt", TWO, 4500), ("sick/SICK_train.txt", NUMBER, 4500),
    ):  # fmt: skip
        found = read(text / name, wanted, name)
        assert len(found.examples) + len(found.skipped) == count and len(found.skipped) <= 1, name
