"""``(x, y)``, pairs of them and dicts of parts, as libraries hand data over."""

from __future__ import annotations

import numpy as np
import pytest
from hostile_folder import noise
from PIL import Image as Picture

import selftaught
from selftaught.data import open_source
from selftaught.errors import UserError

X = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 3), dtype=np.uint8)
Y = np.arange(10) % 3
PICTURES = [Picture.fromarray(image) for image in X]


@pytest.mark.parametrize("images", [X, X.transpose(0, 3, 1, 2), list(X), PICTURES, [*X[:9], X[9, :7]]])
@pytest.mark.parametrize("labels", [Y, Y.tolist(), [f"class {y}" for y in Y], np.eye(3)[Y], Y[:, None]])
def test_images_and_labels(images, labels):
    if np.ndim(labels) == 2 and not hasattr(images, "__array__") and np.shape(labels)[1] == 3:
        pytest.skip("rows of one-hot labels go with arrays")
    source = open_source((images, labels), "all")
    assert source.labels.tolist() == Y.tolist()
    for found, image in zip(source.fetch(np.arange(9))["image"], X, strict=False):
        np.testing.assert_array_equal(found, image)


@pytest.mark.parametrize(
    "data",
    [
        ((X[:6], Y[:6]), (X[6:], Y[6:])),
        {"train": (X[:6], Y[:6]), "test": (X[6:], Y[6:])},
        {"Train": (PICTURES[:6], Y[:6]), "validation": (PICTURES[6:], Y[6:])},
        {"x_train": X[:6], "y_train": Y[:6].tolist(), "x_test": X[6:], "y_test": Y[6:].tolist()},
        {"x_train": X[:6], "y_train": Y[:6], "x_test": X[6:], "y_test": Y[6:]},
    ],
)
def test_parts(data):
    for part, rows in (("train", slice(0, 6)), ("test", slice(6, 10)), ("all", slice(0, 10))):
        source = open_source(data, part)
        assert source.labels.tolist() == Y[rows].tolist()
        np.testing.assert_array_equal(source.fetch(np.arange(len(source)))["image"], X[rows])


def test_names_of_all_parts_are_numbered_alike_and_the_range_is_that_of_training():
    wide = X.astype(np.uint16) * 16
    data = {"train": (wide[:6], list("abcabc")), "test": (wide[6:] // 2, list("bcbc"))}
    test = open_source(data, "test")
    assert (test.classes, test.labels.tolist()) == (("a", "b", "c"), [1, 2, 1, 2])
    assert test.traits["reading"] == open_source(data, "train").traits["reading"]
    assert test.fetch(np.arange(4))["image"].max() < 135


def test_a_part_without_labels_and_one_part_alone():
    assert open_source({"train": X[:6], "test": X[6:]}, "test").labelled is False
    assert len(open_source({"train": (X, Y)}, "all")) == 10


@pytest.mark.parametrize("data", [(X[0], X[1]), (X[0], X[1], X[2]), [X[0], X[1]], (X[0], noise(8, 9, 1))])
def test_two_images_are_no_pair(data):
    assert len(open_source(data, "all")) == len(data) if data[1].ndim == 3 else True


@pytest.mark.parametrize(
    ("data", "labels", "match"),
    [
        ({"left": X, "right": None}, None, "a dict with the keys left, right cannot be read as images: name its parts"),
        ({"train": "folder", "test": X}, None, "train: data of type str is no part of a data set"),
        ((X, Y), Y, "the data have labels of their own"),
    ],
)
def test_what_is_no_data_set(data, labels, match):
    with pytest.raises(UserError, match=match):
        open_source(data, "all", kind="image", labels=labels)


def test_pretrain_and_probe_take_them(tmp_path):
    few = {"steps": 2, "batch_size": 4, "encoder": {"name": "conv", "width": 4}, "progress": False}
    run = selftaught.pretrain("simclr", (X, Y), out=tmp_path / "run", **few)
    assert run.config.data["split"] == "train"
    assert run.embed((X, Y)).shape == (10, run.encoder.dim)
    found = run.probe({"train": (X[:6], Y[:6]), "test": (X[6:], Y[6:])})
    assert found["protocol"]["test"] == 4


@pytest.mark.parametrize("images", [X, PICTURES])
def test_parts_by_name_and_what_is_left_aside(images):
    data = {"Training": (images[:6], Y[:6]), "test": images[6:8], "dev": (images[8:], Y[8:]), "extra": images[:3]}
    train, test = open_source(data, "train"), open_source(data, "test")
    assert (len(train), test.labels.tolist()) == (6, Y[8:].tolist())  # the test part has no labels
    assert train.notes == ("train is Training, test is dev", "left aside: test (2), extra (3)")


@pytest.mark.parametrize("images", [X, PICTURES])
def test_what_is_no_class_is_noted_but_refused_if_it_was_given_as_labels(images):
    source = open_source((images, Y / 7), "all")
    assert source.notes == ("the labels are not used: labels must be integers or names, not fractions",)
    with pytest.raises(UserError, match="labels must be integers or names, not fractions"):
        open_source(images, "all", labels=Y / 7)
    assert open_source([*images, *images[:4]] * 2, "all", labels=list(range(28)), kind="image").labels[27] == 27
