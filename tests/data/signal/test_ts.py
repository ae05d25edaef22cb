from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from selftaught.data import open_source
from selftaught.data.signal import ts
from selftaught.errors import UserError

HEAD = "# a comment\n@problemName Two\n@timeStamps false\n@univariate false\n@classLabel true up down\n@data\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_channels_classes_and_unequal_lengths_are_read(tmp_path: Path) -> None:
    part = ts.read(write(tmp_path / "a.ts", HEAD + "1,2,3:4,5,6:up\n\n7,8:9,1e1:down\n"))
    assert [one.tolist() for one in part.series] == [[[1, 2, 3], [4, 5, 6]], [[7, 8], [9, 10]]]
    assert part.given.values == ["up", "down"] and list(part.given.names) == ["up", "down"]
    assert list(part.names or ()) == ["a.ts, line 7", "a.ts, line 9"]


def test_a_file_without_classes_has_no_labels(tmp_path: Path) -> None:
    part = ts.read(write(tmp_path / "a.ts", "@classLabel false\n@data\n1,2:3,4\n"))
    assert part.given.values is None and part.series[0].shape == (2, 2)


def test_numbers_to_predict_are_no_classes(tmp_path: Path) -> None:
    part = ts.read(write(tmp_path / "a.ts", "@targetLabel true\n@data\n1,2:0.25\n3,4:0.5\n"))
    assert part.given.values is None and part.series[0].tolist() == [[1, 2]]
    assert part.notes == ("no classes, because @targetLabel names numbers to predict",)


def test_what_is_wrong_in_a_line_is_skipped_with_its_reason(tmp_path: Path) -> None:
    lines = ["1,2:3,4:up", "1,x:3,4:up", "1,2:3:up", "1,2:3,4:left", "1,?:3,4:up", "5,6:7,8:down", "1,2:3,4"]
    write(tmp_path / "a.ts", HEAD + "\n".join(lines))
    source = open_source(tmp_path / "a.ts", "all")
    assert source.samples == "signals" and source.labels.tolist() == [0, 1] and source.classes == ("up", "down")
    reasons = {one["path"].rpartition(" ")[2]: one["reason"] for one in source.skipped}
    assert reasons == {
        "8": "'x' is not a number",
        "9": "its channels have 2 and 1 samples",
        "10": "'left' is none of the classes that @classLabel lists",
        "11": "sample 1 is missing (NaN)",
        "13": "'3,4' is none of the classes that @classLabel lists",
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1,2,3\n", "line 1: not a .ts file of time series: a tag such as @data is missing"),
        ("@problemName a\n", "or cut: there is no @data in it"),
        ("@data\n", "there is no series after @data"),
        ("@timeStamps true\n@data\n(0,1):up\n", "numbers with times .* are not read: write them at equal steps"),
    ],
)
def test_other_files_are_refused_in_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        ts.read(write(tmp_path / "a.ts", text))


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "film.ts").write_bytes(b"\x47\x40\xff\x80" * 100)
    with pytest.raises(UserError, match="byte 2 is not UTF-8"):
        open_source(tmp_path / "film.ts", "all", kind="signal")


def test_both_parts_of_a_set_are_found_by_either_name(tmp_path: Path) -> None:
    write(tmp_path / "Two_TRAIN.ts", HEAD + "1,2:3,4:up\n5,6:7,8:down\n")
    write(tmp_path / "Two_TEST.ts", HEAD.replace("up down", "down up") + "1,2,3:3,4,5:down\n")
    write(tmp_path / "Other_TRAIN.ts", HEAD + "1,2:3,4:up\n")
    for name in ("Two_TRAIN.ts", "Two_TEST.ts"):
        train, test = (open_source(tmp_path / name, split) for split in ("train", "test"))
        assert (len(train), len(test)) == (2, 1)
        assert train.classes == test.classes == ("down", "up")  # the files list them in other orders
        assert train.labels.tolist() == [1, 0] and test.labels.tolist() == [0]
        assert "train is Two_TRAIN.ts, test is Two_TEST.ts" in train.notes
    with pytest.raises(
        UserError, match=r"holds several data sets: name one file of one of them, such as .*Other_TRAIN"
    ):
        open_source(tmp_path, "train")
    assert np.allclose(open_source(tmp_path / "Two_TEST.ts", "all").fetch([2])["signal"][0], [[1, 2, 3], [3, 4, 5]])
