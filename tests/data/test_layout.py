"""Which folders are parts and which are classes, told by names alone."""

from __future__ import annotations

import pytest

from selftaught.data.layout import arrange, named, side, side_of_file


def files(**folders: int) -> list[str]:
    """train__cat=2 -> train/cat/0.png and train/cat/1.png; loose=1 -> 0.png."""
    found = []
    for name, count in folders.items():
        below = "" if name == "loose" else (name if name.startswith("__") else name.replace("__", "/")) + "/"
        found += [f"{below}{i}.png" for i in range(count)]
    return sorted(found)


def said(paths: list[str], root: str = "") -> tuple[dict[str, str], dict[str, int], str]:
    """Each part as the initials of its classes (- = none), what is left aside, and why there are no classes."""
    found = arrange(paths, root)
    for rows in found.parts.values():
        assert rows == sorted(set(rows))
    used = sum(map(len, found.parts.values())) + sum(found.aside.values())
    assert used == len(paths)  # every file is in a part or counted
    owners = {part: "".join((found.owners[row] or "-")[0] for row in rows) for part, rows in found.parts.items()}
    return owners, found.aside, found.why


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("train", "train"), ("Training", "train"), ("TRAIN", "train"), ("trn", "train"), ("train2017", "train"),
        ("seg_train", "train"), ("Training Set", "train"), ("TrainImages", "train"), ("trainA", "train"),
        ("test", "test"), ("Testing", "test"), ("test_images", "test"), ("eval", "test"), ("Evaluation", "test"),
        ("val", "val"), ("valid", "val"), ("VALIDATION", "val"), ("dev", "val"), ("val-split", "val"),
        ("test tube", None), ("testtube", None), ("trainers", None), ("train_and_test", None), ("cat", None),
        ("1", None), ("devices", None), ("птицы", None),
    ],
)  # fmt: skip
def test_names_of_parts(name: str, part: str | None) -> None:
    assert side(name) == part


@pytest.mark.parametrize("train", ["train", "Training", "TRN", "train_images"])
@pytest.mark.parametrize("test", ["test", "Testing", "VAL", "validation", "dev", "eval"])
def test_any_name_and_capitals(train: str, test: str) -> None:
    paths = files(**{f"{train}__cat": 2, f"{train}__dog": 1, f"{test}__dog": 1})
    assert said(paths) == ({"train": "ccd", "test": "d"}, {}, "")
    assert arrange(paths).called == {"train": train, "test": test}


@pytest.mark.parametrize(
    ("beside", "aside"),
    [
        ({"annotations": 3}, {"annotations": 3}),
        ({"__MACOSX": 2}, {"__MACOSX": 2}),
        ({"unlabeled": 4, "extra__cat": 1}, {"unlabeled": 4, "extra": 1}),
        ({"val__cat": 2}, {"val": 2}),
        ({"loose": 1}, {"loose files": 1}),
        ({"anything else": 1}, {"anything else": 1}),
    ],
)
def test_what_stands_beside_the_parts_is_left_aside(beside: dict[str, int], aside: dict[str, int]) -> None:
    paths = files(train__cat=2, train__dog=2, test__cat=1, test__dog=1, **beside)
    assert said(paths) == ({"train": "ccdd", "test": "cd"}, aside, "")


def test_a_wrapper_is_looked_into() -> None:
    assert said(files(pets__cat=2, pets__dog=1)) == ({"all": "ccd"}, {}, "")
    assert said(files(a__b__c__cat=2, a__b__c__dog=1)) == ({"all": "ccd"}, {}, "")
    wrapped = files(data__Training__cat=2, data__Training__dog=1, data__Testing__cat=1, data__extra=1, loose=1)
    assert said(wrapped) == ({"train": "ccd", "test": "c"}, {"data/extra": 1, "data/loose files": 1}, "")
    assert arrange(wrapped).called == {"train": "data/Training", "test": "data/Testing"}
    inside = files(train__images__cat=2, train__images__dog=1, test__images__dog=1)
    assert said(inside) == ({"train": "ccd", "test": "d"}, {}, "")


def test_an_archive_unpacked_into_itself() -> None:
    paths = files(cells__a=2, cells__b=1, cells__cells__a=2, cells__cells__b=1)
    assert said(paths) == ({"all": "aab"}, {"cells/cells": 3}, "")
    assert said(files(a__b=1, b=1)) == ({"all": "ab"}, {}, "")  # no copy of all others


def test_one_part_alone() -> None:
    assert said(files(train__cat=2, train__dog=1)) == ({"all": "ccd"}, {}, "")
    assert said(files(train__cat=2, train__dog=1, unlabeled=3)) == ({"all": "ccd"}, {"unlabeled": 3}, "")
    assert said(files(Testing__cat=2, Testing__dog=1)) == ({"all": "ccd"}, {}, "")
    assert said(files(train__cat=2, train__dog=1, others=3)) == ({"all": "ccd"}, {"others": 3}, "")
    assert said(files(train__cat=2, train__dog=1, holdout__cat=1)) == ({"train": "ccd", "test": "c"}, {}, "")
    # a class of CIFAR-100 is called train
    assert said(files(train__old=2, train__new=1, bus__old=1))[0] == {"all": "bttt"}
    assert said(files(train=2, bus=2, car=1)) == ({"all": "bbctt"}, {}, "")


def test_validation_without_training_is_trained_on() -> None:
    assert said(files(val__cat=2, val__dog=1, test__cat=1)) == ({"train": "ccd", "test": "c"}, {}, "")


def test_a_part_without_labels_does_not_judge() -> None:
    train = {"train__cat": 2, "train__dog": 1}
    assert said(files(**train, val=4)) == ({"all": "ccd"}, {"val": 4}, "")
    assert said(files(**train, test=4, val__cat=1)) == ({"train": "ccd", "test": "c"}, {"test": 4}, "")
    assert said(files(train=3, test=2)) == ({"train": "---", "test": "--"}, {}, "they lie in one folder")
    assert said(files(train=3, test__cat=1, test__dog=1)) == ({"train": "---", "test": "cd"}, {}, "")


def test_classes_that_a_part_lacks() -> None:
    assert said(files(train__cat=1, train__dog=1, test__cat=2)) == ({"train": "cd", "test": "cc"}, {}, "")
    assert said(files(train__cat=1, train__dog=1, test__emu=2)) == ({"all": "cd"}, {"test": 2}, "")
    assert said(files(train__cat=1, train__dog=1, test__emu=2, test__cat=1)) == ({"train": "cd", "test": "cee"}, {}, "")


def test_loose_files_have_no_class() -> None:
    assert said(files(cat=3, dog=2, loose=1)) == ({"all": "-cccdd"}, {}, "")
    assert said(files(cat=1, dog=1, loose=5)) == ({"all": "-------"}, {}, "most lie outside of folders")
    assert said(files(pets__cat=3, pets__dog=2, loose=1)) == ({"all": "-cccdd"}, {}, "")


def test_files_without_folders_that_tell() -> None:
    assert said(files(loose=3)) == ({"all": "---"}, {}, "they lie in one folder")
    assert said(files(only=3)) == ({"all": "---"}, {}, "they lie in one folder")
    assert said(files(cat__deep__er=1, dog=2)) == ({"all": "cdd"}, {}, "")


def test_parts_inside_of_classes() -> None:
    paths = files(bottle__train__good=2, bottle__test__broken=1, bottle__ground_truth=1, nut__train=1, nut__test=1)
    owners, aside, _ = said(paths)
    assert (owners, aside) == ({"train": "bbn", "test": "bn"}, {"bottle/ground_truth": 1})
    assert arrange(paths).called == {"train": "*/train", "test": "*/test"}


@pytest.mark.parametrize("name", ["annotations", "labels", "masks", "SegmentationClass", "ground_truth", "xml"])
def test_annotations_beside_images(name: str) -> None:
    assert said(files(**{"images__cat": 1, "images__dog": 1, name: 2})) == ({"all": "cd"}, {name: 2}, "")
    assert set(said(files(**{"no_mask": 1, name: 1}))[0]["all"]) == {"n", name[0]}  # as classes they stay classes


def test_cameras_and_dates_name_no_classes() -> None:
    camera = "the folders are a camera's"
    assert said(files(DCIM__100CANON=2, DCIM__101CANON=1)) == ({"all": "---"}, {}, camera)
    assert said(files(DCIM__Camera=2, DCIM__Screenshots=1)) == ({"all": "---"}, {}, camera)
    assert said(files(Camera=2, Screenshots=1), "DCIM") == ({"all": "---"}, {}, camera)
    assert said(files(**{"100MSDCF": 2, "101MSDCF": 1})) == ({"all": "---"}, {}, camera)
    assert said(files(**{"2023-05-01": 2, "2023-05-02": 1})) == ({"all": "---"}, {}, "the folders are dates")
    assert said(files(**{"0": 1, "1": 1, "2019": 1}))[0] == {"all": "012"}


def test_unlabelled_beside_classes() -> None:
    found = said(files(train__pos=1, train__neg=1, train__unsup=2, test__pos=1, test__neg=1))
    assert found == ({"train": "np--", "test": "np"}, {}, "")
    assert said(files(cat=1, dog=1, unlabeled=2)) == ({"all": "cd--"}, {}, "")


def test_remains_of_systems_at_any_depth() -> None:
    paths = [*files(cat=2, dog=1), "cat/@eaDir/0.png/thumb.jpg", "dog/@eaDir/1.png"]
    assert said(paths) == ({"all": "ccd"}, {"cat/@eaDir": 1, "dog/@eaDir": 1}, "")


@pytest.mark.parametrize(
    ("file", "part"),
    [
        ("train-00000-of-00002.parquet", "train"), ("a-test.arrow", "test"), ("default/train/0000.parquet", "train"),
        ("default/partial-validation/0000.parquet", "val"), ("my_dev.jsonl", "val"), ("a/0000.parquet", None),
        ("train/test-0.parquet", "test"), ("train_test.parquet", None), ("constraints.jsonl", None),
    ],
)  # fmt: skip
def test_parts_of_tables(file: str, part: str | None) -> None:
    assert side_of_file(file) == part


def test_a_third_part_is_left_aside() -> None:
    labelled = {"train-0": True, "train-1": True, "test-0": False, "validation-0": True, "unsupervised-0": False}

    def known(names: list[str]) -> bool:
        return labelled[names[0]]

    parts, left = named(list(labelled), known)
    assert parts == {"train": ["train-0", "train-1"], "test": ["validation-0"]}
    assert left == ["test-0", "unsupervised-0"]
    assert named(["train-0", "extra"], known) == ({"all": ["train-0"]}, ["extra"])
    assert named(["a", "b"], known) == ({"all": ["a", "b"]}, [])
    assert named(["train-0", "test-0"], known) == ({"all": ["train-0"]}, ["test-0"])
