"""Columns of CoNLL: sentences, schemes of tags, and tags that break them."""

from __future__ import annotations

from collections import Counter

import pytest

from selftaught.data.text.labelled.conll import bio, read
from selftaught.errors import UserError

ENGLISH = """-DOCSTART- -X- O O

EU NNP I-NP I-ORG
rejects VBZ I-VP O
Jan NN I-NP I-PER
Ruth NN I-NP I-PER

Oslo NNP I-NP I-LOC
Rome NNP I-NP B-LOC
"""


def of(tmp_path, content, word=1, tag=-1, **how):
    (tmp_path / "eng.train").write_bytes(content.encode(how.get("encoding", "utf-8")))
    return read(tmp_path / "eng.train", word, tag, "eng.train", **how)


def test_sentences_of_the_older_scheme(tmp_path):
    found = of(tmp_path, ENGLISH)
    assert [(one.words, one.tags, one.where) for one in found.examples] == [
        (("EU", "rejects", "Jan", "Ruth"), ("B-ORG", "O", "B-PER", "I-PER"), "eng.train, line 3"),
        (("Oslo", "Rome"), ("B-LOC", "B-LOC"), "eng.train, line 8"),
    ]
    assert not found.notes  # I begins spans there


def test_tags_that_break_the_scheme_begin_spans_and_are_counted(tmp_path):
    found = of(tmp_path, "a B-PER\nb I-PER\nc I-LOC\nd O\ne I-LOC\nf I-LOC\n")
    assert found.examples[0].tags == ("B-PER", "I-PER", "B-LOC", "O", "B-LOC", "I-LOC")
    assert found.notes == ["2 tags break the scheme of eng.train (I-LOC after I-PER): each begins a span"]


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("B-A E-A S-A O S-B", "B-A I-A B-A O B-B"),
        ("B-A I-A L-A U-A B-A L-A", "B-A I-A I-A B-A B-A I-A"),
        ("B-A B-A I-B O", "B-A B-A B-B O"),
        ("B-A M-A E-A I-A", "B-A I-A I-A B-A"),
    ],
)
def test_other_schemes(given, made):
    assert " ".join(bio(given.split(), Counter())) == made


def test_columns_can_be_chosen(tmp_path):
    found = of(tmp_path, ENGLISH, word=2, tag=3)
    assert found.examples[0].words[:2] == ("NNP", "VBZ") and found.examples[0].tags[:2] == ("B-NP", "B-VP")


def test_a_line_without_its_columns_costs_its_sentence_and_is_told(tmp_path):
    found = of(tmp_path, "a X O\nb\n\nc X O\n", tag=3)
    assert [one.words for one in found.examples] == [("c",)]
    assert found.skipped == [{"path": "eng.train, line 1", "reason": "there is no column 3 among 1"}]


def test_what_is_no_tag_is_refused(tmp_path):
    with pytest.raises(
        UserError, match=r"eng\.train, line 2: 'NP' is no tag such as O, B-PER or I-PER: choose the column"
    ):
        of(tmp_path, "a O\nb NP\n")
    (tmp_path / "eng.train").write_bytes("Ñu O\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"eng\.train, line 1, is not UTF-8"):
        read(tmp_path / "eng.train", 1, -1, "eng.train")
    assert of(tmp_path, "Ñu O\n", encoding="latin-1").examples[0].words == ("Ñu",)


@pytest.mark.shared
def test_the_spanish_sentences_are_read_whole(shared_data, tmp_path):
    import zipfile

    with zipfile.ZipFile(shared_data / "text" / "conll2002.zip") as packed:
        packed.extract("conll2002/esp.testb", tmp_path)
    found = read(tmp_path / "conll2002" / "esp.testb", 1, -1, "esp.testb")
    begins = [tag for one in found.examples for tag in one.tags if tag[0] == "B"]
    assert len(found.examples) == 1517 and len(begins) == 3559 and not found.skipped
    assert found.notes == ["1 tags break the scheme of esp.testb (I-MISC after the beginning): each begins a span"]
