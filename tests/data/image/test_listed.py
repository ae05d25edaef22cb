"""Tables that list images: a file of paths, and labels.csv or metadata.csv beside the images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hostile_folder import encoded, noise

from selftaught.data import open_source
from selftaught.data.image.kind import Image
from selftaught.errors import UserError


def pictures(root: Path, *paths: str) -> Path:
    for i, path in enumerate(paths):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(encoded(noise(8, 8, seed=i), "PNG"))
    return root


def opened(data, split="all"):
    source = open_source(data, split, kind="image")
    names = [source.classes[label] if label >= 0 else None for label in source.labels]
    return source, names


@pytest.mark.parametrize(
    ("name", "text", "labels"),
    [
        ("l.txt", "p/1.png\n\n# a note\np/0.png\n", [None, None]),
        ("l.txt", "p/1.png dog\np/0.png cat\n", ["dog", "cat"]),
        ("l.lst", "p/1.png\tdog\np/0.png\tbig cat\n", ["dog", "big cat"]),
        ("l.csv", "p/1.png,dog\np/0.png,cat\n", ["dog", "cat"]),
        ("l.csv", "\ufefffile_name,label\r\np/1.png,dog\r\np/0.png,\r\n", ["dog", None]),
        ("l.csv", 'label;width;path\n"dog";8;"p/1.png"\ncat;8;p/0.png\n', ["dog", "cat"]),
        ("l.csv", "image,breed\np/1.png,10\np/0.png,9\n", ["10", "9"]),
        ("l.csv", "a,file_name,b\n1,p/1.png,2\n1,p/0.png,2\n", [None, None]),
        ("l.tsv", "path\tclass\np/1.png\tdog, or wolf\np/0.png\tcat\n", ["dog, or wolf", "cat"]),
    ],
)
def test_a_file_of_paths(tmp_path, monkeypatch, name, text, labels):
    pictures(tmp_path, "p/0.png", "p/1.png")
    (tmp_path / name).write_text(text, "utf-8", newline="")
    monkeypatch.chdir(tmp_path / "p")  # paths are relative to the file, not to where one is
    assert Image.accepts(tmp_path / name)
    source, found = opened(tmp_path / name)
    assert found == labels
    np.testing.assert_array_equal(source.fetch(np.arange(2))["image"], [noise(8, 8, seed=1), noise(8, 8, seed=0)])
    if "10" in labels:
        assert source.classes == ("9", "10")


def test_spaces_and_absolute_paths(tmp_path):
    pictures(tmp_path, "with a space.png", "b/c.png")
    (tmp_path / "l.txt").write_text(f"with a space.png 3\n{tmp_path / 'b/c.png'} 4\nwith a space.png\n")
    assert opened(tmp_path / "l.txt")[1] == ["3", "4", None]


def test_what_a_list_lacks_is_skipped_and_named_with_its_line(tmp_path):
    pictures(tmp_path, "a.png")
    (tmp_path / "b.png").write_bytes(b"no image")
    (tmp_path / "l.csv").write_text("file_name,label\na.png,1\ngone.png,1\nb.png,0\n")
    source, _ = opened(tmp_path / "l.csv")
    assert len(source) == 1
    assert [one["path"] for one in source.skipped] == ["gone.png", "b.png"]
    assert "l.csv, line 3: cannot be read: No such file" in source.skipped[0]["reason"]


@pytest.mark.parametrize(
    ("name", "data", "match"),
    [
        ("l.csv", b"file_name,label\na.png,1\nb.png,1,2\n", r"l\.csv, line 3: 3 columns, but there are 2 above it"),
        ("l.csv", b'file_name,label\n"a.png,1\n', r"l\.csv, line 2: it cannot be read as a table"),
        ("l.txt", b"a.png\n\xff\xfe.png\n", r"l\.txt: it is not text in UTF-8"),
        ("l.txt", b"\n\n", r"l\.txt: it lists no image"),
        ("l.txt", b"once upon a time\n", r"none of its 1 images can be read \(once upon a time: .*l\.txt, line 1"),
    ],
)
def test_broken_tables_name_file_and_line(tmp_path, name, data, match):
    (tmp_path / name).write_bytes(data)
    assert not Image.accepts(tmp_path / name)
    with pytest.raises(UserError, match=match):
        opened(tmp_path / name)


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ("metadata.csv", "file_name,label\na/0.png,cat\na/1.png,dog\nb/2.png,cat\nb/3.png,dog\n"),
        (
            "metadata.jsonl",
            "".join(
                f'{{"file_name": "{f}", "label": "{c}"}}\n'
                for f, c in zip(("a/0.png", "a/1.png", "b/2.png", "b/3.png"), ("cat", "dog") * 2, strict=True)
            ),
        ),
        ("labels.csv", "id,breed\n0,cat\n1,dog\n2,cat\n3,dog\n"),
        ("labels.csv", "label,image\ncat,0.png\ndog,1.png\ncat,2.png\ndog,3.png\n"),
    ],
)
def test_a_table_beside_images_labels_them(tmp_path, table, text):
    pictures(tmp_path, "a/0.png", "a/1.png", "b/2.png", "b/3.png")
    (tmp_path / table).write_text(text)
    source, names = opened(tmp_path)
    assert names == ["cat", "dog", "cat", "dog"]
    assert source.skipped == []
    assert source.notes == (f"4 labels from {table}",)


def test_rows_without_images_and_images_without_rows_are_counted_and_named(tmp_path):
    pictures(tmp_path, "a.png", "b.png", "c.png", "d.png", "e.png")
    (tmp_path / "labels.csv").write_text("file,label\na.png,1\ngone.png,1\nb.png,0\n")
    source, names = opened(tmp_path)
    assert names == ["1", "0", None, None, None]
    assert [one["path"] for one in source.skipped] == ["gone.png"]
    assert source.skipped[0]["reason"].endswith("labels.csv, line 3: no such image")
    assert source.notes == (
        "2 labels from labels.csv, 1 rows without an image (gone.png), 3 images without a row (c.png, d.png, e.png)",
    )


@pytest.mark.parametrize(
    ("line", "match"),
    [('{"file_name": "a.png"', r"metadata\.jsonl, line 2: it is not JSON"), ("3", r"line 2: it names no image")],
)
def test_broken_lines_of_json_are_named(tmp_path, line, match):
    pictures(tmp_path, "a.png")
    (tmp_path / "metadata.jsonl").write_text(f'{{"file_name": "a.png"}}\n{line}\n')
    with pytest.raises(UserError, match=match):
        opened(tmp_path)


def test_each_split_has_a_table_or_the_one_above_both(tmp_path):
    for where in ("inside", "above"):
        root = pictures(tmp_path / where, "train/0.png", "train/1.png", "test/2.png", "test/3.png")
        if where == "above":
            rows = "train/0.png,a\ntrain/1.png,c\ntest/2.png,b\ntest/3.png,c\n"
            (root / "metadata.csv").write_text("file_name,label\n" + rows)
        else:
            (root / "train/metadata.csv").write_text("file_name,label\n0.png,a\n1.png,c\n")
            (root / "test/metadata.csv").write_text("file_name,label\n2.png,b\n3.png,c\n")
        train, test = open_source(root, "train"), open_source(root, "test")
        assert train.classes == test.classes == ("a", "b", "c")
        assert (train.labels.tolist(), test.labels.tolist()) == ([0, 2], [1, 2])
        assert train.skipped == test.skipped == []


def test_a_table_of_something_else_changes_nothing(tmp_path):
    pictures(tmp_path, "x/0.png", "y/1.png")
    (tmp_path / "labels.csv").write_text("word,count\nthe,3\nof,2\n")
    assert opened(tmp_path)[1] == ["x", "y"]


def test_the_test_part_is_one_with_labels_in_its_table(tmp_path):
    pictures(tmp_path, "train/0.png", "train/1.png", "test/2.png", "validation/3.png", "extra/4.png")
    (tmp_path / "train/metadata.csv").write_text("file_name,label\n0.png,10\n1.png,9\n")
    (tmp_path / "validation/metadata.csv").write_text("file_name,label\n3.png,10\n")
    train, test = open_source(tmp_path, "train"), open_source(tmp_path, "test")
    assert train.classes == test.classes == ("9", "10")
    assert (train.labels.tolist(), test.labels.tolist()) == ([1, 0], [1])
    assert train.notes == (
        "train is train, test is validation", "left aside: extra (1), test (1)",
        "1 labels from validation/metadata.csv", "2 labels from train/metadata.csv",
    )  # fmt: skip


def test_a_table_in_one_of_the_classes_changes_nothing(tmp_path):
    pictures(tmp_path, "x/0.png", "y/1.png")
    (tmp_path / "x/labels.csv").write_text("file,label\n0.png,z\n")
    assert opened(tmp_path)[1] == ["x", "y"]


def test_columns_can_be_named_and_ids_are_no_labels(tmp_path):
    pictures(tmp_path, *(f"{i:02}.png" for i in range(24)))
    rows = "".join(f"{i:02}.png,sample {i},{i % 2},{23 - i:02}.png\n" for i in range(24))
    (tmp_path / "l.csv").write_text("file_name,label,Kind,other\n" + rows)
    source = open_source(tmp_path / "l.csv", "all")
    assert source.notes == ("the labels are not used: hardly any value occurs twice (ids?)",) and not source.labelled
    asked = open_source(tmp_path / "l.csv", "all", label_column="Kind", image_column="other")
    assert asked.labels.tolist() == [i % 2 for i in range(24)]
    np.testing.assert_array_equal(asked.fetch(np.array([0]))["image"][0], noise(8, 8, seed=23))
    with pytest.raises(UserError, match=r"l.csv: the column 'label': hardly any value occurs twice"):
        open_source(tmp_path / "l.csv", "all", label_column="label")
    with pytest.raises(UserError, match=r"no column 'race' for --label-column: its columns are file_name, label, Kind"):
        open_source(tmp_path / "l.csv", "all", label_column="race")
    (tmp_path / "l.csv").replace(tmp_path / "labels.csv")
    assert open_source(tmp_path, "all", label_column="Kind").labels.tolist() == asked.labels.tolist()
    (tmp_path / "l.txt").write_text("00.png 1\n")
    with pytest.raises(UserError, match="--label-column has no effect"):
        open_source(tmp_path / "l.txt", kind="image", label_column="label")


@pytest.mark.parametrize(("name", "lines"), [
    ("l.csv", "file_name,label,film\np/0.png,x,a\np/1.png,y,a\np/2.png,x,b\np/3.png,y,\n"),
    ("l.tsv", "film\tfile_name\na\tp/0.png\na\tp/1.png\nb\tp/2.png\n\tp/3.png\n"),
    ("p/metadata.csv", "file_name,film\n3.png,\n0.png,a\n1.png,a\n2.png,b\n"),
    ("p/metadata.jsonl", "".join(f'{{"file_name": "{i}.png", "film": "{film}"}}\n' for i, film in enumerate("aab"))),
])  # fmt: skip
def test_groups_are_a_column_of_the_table(tmp_path, name, lines):
    pictures(tmp_path, *(f"p/{i}.png" for i in range(4)))
    (tmp_path / name).write_text(lines)
    data = tmp_path / name if name.startswith("l") else tmp_path / "p"
    groups = open_source(data, "all", kind="image", groups="film").groups.tolist()
    assert groups[0] == groups[1] and len(set(groups)) == 3  # an image without a group is one of its own
    # a pattern of the paths is still one
    assert len(set(open_source(data, "all", kind="image", groups="([01]|[23])[.]").groups.tolist())) == 4
    with pytest.raises(UserError, match="groups 'movie' matches no part of"):
        open_source(data, "all", kind="image", groups="movie")
