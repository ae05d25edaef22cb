"""The line that `pretrain` and `probe` begin with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from selftaught.data import open_source
from selftaught.data.hidden import hide
from selftaught.data.told import division, no_classes, opening
from selftaught.errors import UserError

IMAGES = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1)


def test_counts_classes_and_parts() -> None:
    labels = ["a", "b", None, "c", "d", "e", "f", "a", "b", "c"]
    whole = open_source(IMAGES, "all", labels=labels)
    assert opening(IMAGES, whole) == "10 images, 6 classes (a, b, c, d, e, ...), 1 without a label"
    train, test = (open_source(IMAGES, split, labels=[0] * 10) for split in ("train", "test"))
    both = "8 training and 2 test images, 1 class (0); train and test are split 80/20 by content"
    assert opening(IMAGES, train, test) == both
    assert opening(IMAGES, hide(train, "1/class", 0)).startswith("8 images, 1 class (0)")
    assert opening(IMAGES, open_source(IMAGES, "all")) == "10 images, no labels"
    assert opening(["a b"], open_source(["a b"], "all")) == "1 documents, no labels"


def test_parts_and_what_is_left_aside() -> None:
    called = {"train": "Training", "test": "Testing"}
    assert division("train", called, {}) == ("train is Training, test is Testing",)
    assert division("all", called, {}) == ("all of Training and Testing",)
    assert division("test", {"train": "", "test": ""}, {}) == ("train and test are its own",)
    assert division("train", {"all": "pets"}, {}) == ("train and test are split 80/20 by content, from pets",)
    aside = {f"folder {i}": 1000 for i in range(7)}
    assert division("all", {"all": ""}, aside)[0].endswith("folder 4 (1,000) and 2 more")
    assert division("all", {"all": ""}, {"x": None}) == ("left aside: x",)


def test_a_folder_with_the_name_of_a_data_set_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    digits = open_source("digits", "all")
    assert "./digits" not in opening("digits", digits)
    Path("digits").mkdir()
    told = "digits is the data set of the catalog, and the folder here is ./digits"
    assert opening("digits", digits).endswith(told)
    assert told not in opening("./digits", digits) and told not in opening(Path("digits"), digits)
    np.save("digits/images.npy", IMAGES)
    Path("digits").rename("other")
    Path("digits").write_text("")
    assert opening("digits", digits).endswith("and the file here is ./digits")


def test_a_path_is_never_the_name_of_a_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError):
        open_source(Path("digits"), "all")


def test_why_there_are_no_labels_is_told_again(tmp_path: Path) -> None:
    rows = [{"text": "a", "label": 0.5}, {"text": "b", "label": 0.1}]
    why = " (the column 'label' is not used: labels must be integers or names, not fractions)"
    source = open_source(rows, "all")
    assert no_classes(source) == why
    with pytest.raises(UserError, match=r"has none \(the column 'label' is not used: .*\): omit labels"):
        hide(source, "1/class", 0)
    assert no_classes(open_source(IMAGES, "all")) == ""
