"""What is decided once for all parts of labelled text, and which files are parts."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from pathlib import Path

import pytest

from selftaught.data.text import open_text
from selftaught.errors import UserError


def put(root: Path, **texts: str) -> Path:
    """train__pos__a="..." -> train/pos/a.txt."""
    for name, text in texts.items():
        path = root / f"{name.replace('__', '/')}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def lines(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def labels(data: object, split: str, **options: object) -> list[str]:
    corpus = open_text(data, split, **options)
    return [corpus.classes[label] if label >= 0 else "" for label in corpus.labels]


def test_folders_are_parts_whatever_stands_beside_them(tmp_path: Path) -> None:
    put(tmp_path / "acl", Train__pos__a="a good film", Train__neg__a="a bad film", Train__unsup__a="a film")
    put(tmp_path / "acl", TEST__pos__b="good", extra__c="more", README="about the files")
    train, test = open_text(tmp_path, "train"), open_text(tmp_path, "test")
    assert train.classes == test.classes == ("neg", "pos")
    assert labels(tmp_path, "train") == ["neg", "pos", ""] and labels(tmp_path, "test") == ["pos"]
    assert train.notes == (
        "train is acl/Train, test is acl/TEST",
        "left aside: acl/loose files (1), acl/extra (1)",
    )
    assert set(train.words) == {"a", "film", "good", "bad"}  # nothing of what was left aside


def test_a_flat_part_keeps_the_labels_of_the_other(tmp_path: Path) -> None:
    put(tmp_path, train__pos__a="a b", train__neg__a="c d", train__neg__b="e", val__x="f")
    assert labels(tmp_path, "all") == ["neg", "neg", "pos"]
    assert open_text(tmp_path, "all").notes == ("all of train", "left aside: val (1)")


def test_files_called_like_parts(tmp_path: Path) -> None:
    put(tmp_path, train="one two", valid="three", test="four", README="five")
    assert [open_text(tmp_path, split).text(0) for split in ("train", "test")] == ["one two", "four"]
    assert open_text(tmp_path, "train").notes == ("train is train.txt, test is test.txt", "left aside: valid.txt (1)")
    put(tmp_path, chapter="six")  # one document that is no part: then they are all documents
    assert len(open_text(tmp_path, "all")) == 5


def test_packed_files_called_like_parts(tmp_path: Path) -> None:
    for suffix, pack in ((".bz2", bz2.compress), (".xz", lzma.compress), (".gz", gzip.compress)):
        for kind, content in (("txt", "a {}"), ("jsonl", '{{"text": "a {}"}}')):
            root = tmp_path / (kind + suffix)
            root.mkdir()
            for part in ("train", "test"):
                (root / f"{part}.{kind}{suffix}").write_bytes(pack(content.format(part).encode()))
            train, test = open_text(root, "train"), open_text(root, "test")
            assert train.notes == (f"train is train.{kind}{suffix}, test is test.{kind}{suffix}",)
            assert (train.text(0), test.text(0)) == ("a train", "a test")


@pytest.mark.parametrize("form", ["jsonl", "parquet", "folders of parquet", "saved", "dictionary"])
def test_names_are_numbered_over_all_parts(tmp_path: Path, form: str) -> None:
    parts = {
        "train": [{"text": f"t{i}", "label": label} for i, label in enumerate(("dog", "cat", "eel"))],
        "test": [{"text": f"u{i}", "label": label} for i, label in enumerate(("eel", "dog"))],
        "unsupervised": [{"text": "v", "label": "x"}],
    }
    data: object = tmp_path
    if form == "jsonl":
        for part, rows in parts.items():
            lines(tmp_path / f"{part}.jsonl", rows)
    elif "parquet" in form:
        pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        for part, rows in parts.items():
            path = tmp_path / (f"{part}-00000.parquet" if form == "parquet" else f"default/{part}/0000.parquet")
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        datasets = pytest.importorskip("datasets")
        data = datasets.DatasetDict({part: datasets.Dataset.from_list(rows) for part, rows in parts.items()})
        if form == "saved":
            data.save_to_disk(tmp_path / "saved")
            data = tmp_path / "saved"
    assert labels(data, "train") == ["dog", "cat", "eel"] and labels(data, "test") == ["eel", "dog"]
    train, test = open_text(data, "train"), open_text(data, "test")
    assert train.classes == test.classes == ("cat", "dog", "eel")
    assert "unsupervised" in train.notes[-1] and train.notes[-1].startswith("left aside: ")


@pytest.mark.parametrize("value", [lambda i: [i % 2, 1], lambda i: i / 7, lambda i: f"id {i}", lambda i: 1 << 40 + i])
def test_labels_that_are_none_are_named_and_left_out(tmp_path: Path, value) -> None:
    rows = [{"text": f"word {i}", "label": value(i), "stars": i % 3} for i in range(24)]
    lines(tmp_path / "a.jsonl", rows)
    for data in (rows, tmp_path / "a.jsonl"):
        for _ in range(2):  # from the cache too
            corpus = open_text(data, "all")
            assert len(corpus) == 24 and not corpus.labelled and corpus.classes == ()
            assert [note for note in corpus.notes if " not used: " in note]
        assert [note for note in open_text(data, "train").notes if " not used: " in note]
        assert labels(data, "all", label_column="stars") == [str(i % 3) for i in range(24)]
        with pytest.raises(UserError, match="the column 'label': "):
            open_text(data, "all", label_column="label")


def test_a_column_of_plain_text_has_no_effect(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--label-column has no effect: these data have no columns"):
        open_text(put(tmp_path, a="one", b="two"), "all", label_column="label")


def test_the_column_that_has_no_classes_is_named() -> None:
    rows = [{"text": "a", "target": [1]}, {"text": "b", "target": [1, 2]}]
    assert open_text(rows, "all").notes[0].startswith("the column 'target' is not used: labels are lists")
    other = [{"text": row["text"], "y": row["target"]} for row in rows]  # not from the cache
    assert open_text(other, "all").notes[0].startswith("the column 'y' is not used")


def test_bad_records_of_a_part_are_skipped_with_its_labels_kept(tmp_path: Path) -> None:
    for part, names in (("train", "dog cat"), ("test", "cat")):
        lines(tmp_path / f"{part}.jsonl", [{"text": f"{part} {i}", "label": i} for i in names.split()])
    with (tmp_path / "train.jsonl").open("ab") as file:
        file.write(b'{"text": "\xff", "label": "eel"}\n{"text": null, "label": "eel"}\n{"text": "z", "label": "fox"}\n')
    assert labels(tmp_path, "train") == ["dog", "cat", "fox"] and labels(tmp_path, "test") == ["cat"]
    train, test = open_text(tmp_path, "train"), open_text(tmp_path, "test")
    assert train.classes == test.classes == ("cat", "dog", "fox")  # what was left out names no class
    assert [one["reason"].split(":")[0] for one in train.skipped] == ["line 3", "line 4"] and not test.skipped


def test_a_sample_of_many_classes_keeps_their_labels(tmp_path):
    lines = [json.dumps({"text": f"text {i}", "label": f"class {i % 30}"}) for i in range(90)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    few = open_text(tmp_path / "a.jsonl", "all", 30)
    assert sorted(few.labels.tolist()) == list(range(30))  # one of each: not ids, because each occurs three times
    ids = [json.dumps({"text": f"text {i}", "label": f"id {i}"}) for i in range(90)]
    (tmp_path / "b.jsonl").write_text("\n".join(ids))
    assert not open_text(tmp_path / "b.jsonl", "all", 30).labelled
