"""What is decided once for all parts of a data set, in every format of parts: the classes and the channels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hostile_folder import encoded, noise

from selftaught.data.image import open_images
from selftaught.errors import UserError

TRAIN, TEST = ["dog", "cat", "eel", "dog"], ["eel", "dog"]
GREY, COLOUR = noise(8, 8, 1, seed=1)[..., None], noise(8, 8, seed=2)


def pictures(count: int, start: int, grey: bool = False) -> list[bytes]:
    return [encoded(noise(8, 8, 1 if grey else 3, seed=start + i), "PNG") for i in range(count)]


def folders(path: Path, train, test, names=None) -> Path:
    for part, labels, start in (("Training", train, 0), ("Testing", test, 50)):
        for i, (data, label) in enumerate(zip(pictures(len(labels), start), labels, strict=True)):
            (path / part / str(label)).mkdir(parents=True, exist_ok=True)
            (path / part / str(label) / f"{i}.png").write_bytes(data)
    return path


def table(path: Path, labels, start: int, grey: bool = False) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"image": pictures(len(labels), start, grey), "label": labels}), path)


def shards(path: Path, train, test) -> Path:
    table(path / "data/train-00000-of-00002.parquet", train[:2], 0)
    table(path / "data/train-00001-of-00002.parquet", train[2:], 2)
    table(path / "data/test-00000-of-00001.parquet", test, 50)
    return path


def converted(path: Path, train, test) -> Path:
    table(path / "default/train/0000.parquet", train, 0)
    table(path / "default/test/0000.parquet", test, 50)
    return path


def made(datasets, labels, start: int, grey: bool = False, names=None):
    from PIL import Image

    features = {"image": datasets.Image(), "label": datasets.Value("string" if isinstance(labels[0], str) else "int64")}
    if names:
        features["label"] = datasets.ClassLabel(names=names)
    images = [Image.fromarray(noise(8, 8, 1 if grey else 3, seed=start + i)) for i in range(len(labels))]
    return datasets.Dataset.from_dict({"image": images, "label": labels}, features=datasets.Features(features))


def dictionary(path: Path, train, test):
    datasets = pytest.importorskip("datasets")
    return datasets.DatasetDict(train=made(datasets, train, 0), test=made(datasets, test, 50))


def saved(path: Path, train, test) -> Path:
    dictionary(path, train, test).save_to_disk(path / "saved")
    return path / "saved"


def archive(path: Path, train, test) -> Path:
    x = {f"x_{part}": np.zeros((len(y), 8, 8), np.uint8) for part, y in (("train", train), ("test", test))}
    np.savez(path / "a.npz", **x, y_train=np.array(train), y_test=np.array(test))
    return path / "a.npz"


FORMATS = [folders, shards, converted, dictionary, saved, archive]


@pytest.mark.parametrize("form", FORMATS)
def test_names_are_numbered_over_all_parts(tmp_path, form):
    data = form(tmp_path, TRAIN, TEST)
    train, test, both = (open_images(data, split) for split in ("train", "test", "all"))
    assert train.classes == test.classes == both.classes == ("cat", "dog", "eel")
    said = [[one.classes[label] for label in one.labels] for one in (train, test, both)]
    assert sorted(said[0]) == sorted(TRAIN) and sorted(said[1]) == sorted(TEST)
    assert said[2] == said[0] + said[1]
    assert both.fetch(np.arange(6))["label"].tolist() == both.labels.tolist()


@pytest.mark.parametrize("form", [shards, converted, dictionary, saved, archive])
def test_integers_are_kept_over_all_parts(tmp_path, form):
    data = form(tmp_path, [2, 0, 4, 2], [0, 2])
    assert open_images(data, "train").labels.tolist() == [2, 0, 4, 2]
    assert open_images(data, "test").labels.tolist() == [0, 2]
    assert open_images(data, "test").classes == ("0", "1", "2", "3", "4")


def test_integers_with_lists_of_names(tmp_path):
    datasets = pytest.importorskip("datasets")
    alike = datasets.DatasetDict(
        train=made(datasets, [0, 2, 1], 0, names=["z", "y", "x"]), test=made(datasets, [2], 9, names=["z", "y", "x"])
    )
    assert open_images(alike, "test").classes == ("z", "y", "x") and open_images(alike, "test").labels.tolist() == [2]
    apart = {"train": made(datasets, [0, 1], 0, names=["cat", "dog"]), "test": made(datasets, [0], 9, names=["dog"])}
    for part, one in apart.items():
        one.save_to_disk(tmp_path / part)
    (tmp_path / "train/cache-0123.arrow").write_bytes(b"what map() left")
    train, test = open_images(tmp_path, "train"), open_images(tmp_path, "test")
    assert train.classes == test.classes == ("cat", "dog")
    assert (train.labels.tolist(), test.labels.tolist()) == ([0, 1], [1])


def test_one_saved_data_set(tmp_path):
    datasets = pytest.importorskip("datasets")
    whole = made(datasets, [0, 1, 1], 0, names=["cat", "dog"])
    whole.select([2, 0]).save_to_disk(tmp_path / "rows")
    source = open_images(tmp_path / "rows", "all")
    assert source.classes == ("cat", "dog") and source.labels.tolist() == [1, 0]
    np.testing.assert_array_equal(source.fetch(np.array([0]))["image"][0], noise(8, 8, seed=2))


def test_idx_parts_have_one_list_of_classes(tmp_path):
    from idx_writer import to_idx

    for name, labels in (("train", [0, 3]), ("t10k", [1])):
        (tmp_path / f"{name}-images-idx3-ubyte").write_bytes(to_idx(np.zeros((len(labels), 4, 4), np.uint8)))
        (tmp_path / f"{name}-labels-idx1-ubyte").write_bytes(to_idx(np.array(labels, np.uint8)))
    assert open_images(tmp_path, "train").classes == open_images(tmp_path, "test").classes == ("0", "1", "2", "3")


def grey_folders(path: Path) -> Path:
    for name, pixels in {"train/a/0": GREY, "train/b/1": COLOUR, "test/a/0": GREY + 1, "test/b/0": GREY + 2}.items():
        (path / name).parent.mkdir(parents=True)
        (path / f"{name}.png").write_bytes(encoded(pixels.squeeze(), "PNG"))
    return path


def grey_tables(path: Path) -> Path:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    for name, images in {"train": [GREY, COLOUR], "test": [GREY + 1, GREY + 2]}.items():
        rows = {"image": [encoded(pixels.squeeze(), "PNG") for pixels in images], "label": [0, 1]}
        pq.write_table(pa.table(rows), path / f"{name}.parquet")
    return path


def grey_dictionary(path: Path):
    datasets = pytest.importorskip("datasets")
    colour = datasets.concatenate_datasets([made(datasets, [0], 1, grey=True), made(datasets, [1], 2)])
    return datasets.DatasetDict(train=colour, test=made(datasets, [0, 1], 3, grey=True))


def grey_archive(path: Path) -> Path:
    colour = np.stack([np.repeat(GREY, 3, 2), COLOUR])
    grey = np.stack([GREY + 1, GREY + 2])
    np.savez(path / "a.npz", x_train=colour, y_train=[0, 1], x_test=grey, y_test=[0, 1])
    return path / "a.npz"


@pytest.mark.parametrize("form", [grey_folders, grey_tables, grey_dictionary, grey_archive])
def test_channels_are_those_of_all_parts(tmp_path, form):
    data = form(tmp_path)
    train, test, both = (open_images(data, split) for split in ("train", "test", "all"))
    assert {one.traits["channels"] for one in (train, test, both)} == {3}
    images = both.fetch(np.arange(4))["image"]
    np.testing.assert_array_equal(images[0], np.repeat(GREY, 3, 2))
    np.testing.assert_array_equal(images[1], COLOUR)
    np.testing.assert_array_equal(images[2], test.fetch(np.array([0]))["image"][0])
    assert (images[2] == images[2][..., :1]).all() and images[2].std() > 0
    assert test.labels.tolist() == [0, 1] and test.digests.shape == (2, 32)


def test_a_grey_training_part_beside_colour(tmp_path):
    for name, pixels in {"train/a/0": GREY, "train/b/1": GREY + 1, "test/a/0": COLOUR}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.png").write_bytes(encoded(pixels.squeeze(), "PNG"))
    train = open_images(tmp_path, "train")
    assert train.traits["channels"] == 3
    np.testing.assert_array_equal(train.fetch(np.array([1, 0]))["image"][1], np.repeat(GREY, 3, 2))
    (tmp_path / "test/a/0.png").write_bytes(b"nothing of it can be read")
    assert open_images(tmp_path, "train").traits["channels"] == 1


def test_all_grey_stays_grey_and_other_channels_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=np.zeros((2, 8, 8), np.uint8), x_test=np.zeros((2, 8, 8), np.uint8))
    assert open_images(tmp_path / "a.npz", "all").traits["channels"] == 1
    np.savez(tmp_path / "a.npz", x_train=np.zeros((2, 8, 8, 4), np.uint8), x_test=np.zeros((2, 8, 8), np.uint8))
    with pytest.raises(UserError, match="parts with 1 and 4 channels cannot be joined"):
        open_images(tmp_path / "a.npz", "all")


@pytest.mark.parametrize("form", [shards, converted])
def test_a_third_part_is_left_aside_and_counted(tmp_path, form):
    table(form(tmp_path, TRAIN, TEST) / "data/unsupervised-0.parquet", ["x"] * 3, 80)
    train, test = open_images(tmp_path, "train"), open_images(tmp_path, "test")
    assert (len(train), len(test)) == (4, 2) and train.classes == ("cat", "dog", "eel")
    assert train.notes[-1] == "left aside: data/unsupervised-0.parquet (3)"


def test_other_parts_of_dictionaries_and_archives_are_left_aside(tmp_path):
    datasets = pytest.importorskip("datasets")
    parts = dictionary(tmp_path, TRAIN, TEST)
    parts["unsupervised"] = made(datasets, ["x"] * 5, 80)
    assert open_images(parts, "train").notes == ("train is train, test is test", "left aside: unsupervised (5)")
    assert len(open_images(parts, "all")) == 6
    del parts["test"]
    assert len(open_images(parts, "all")) == 4
    x = {f"x_{part}": np.zeros((n, 4, 4), np.uint8) for part, n in (("train", 4), ("test", 3), ("val", 2))}
    y = {f"y_{part}": [0] * n for part, n in (("train", 4), ("val", 2))}
    np.savez(tmp_path / "a.npz", **x, **y)
    assert len(open_images(tmp_path / "a.npz", "test")) == 2  # the one with labels
    assert open_images(tmp_path / "a.npz", "train").notes[-1] == "left aside: x_test (3)"


def test_two_data_sets_in_one_folder_are_refused(tmp_path):
    converted(tmp_path, TRAIN, TEST)
    table(tmp_path / "other/train/0000.parquet", TRAIN, 0)
    with pytest.raises(UserError, match=r"holds several data sets.*name one of them.*\(default, other\)"):
        open_images(tmp_path)
    assert len(open_images(tmp_path / "other", "all")) == 4


def test_folders_tell_what_was_left_aside(tmp_path):
    folders(tmp_path / "pets", TRAIN, TEST)
    for name in ("annotations/0.png", "extra/deep/1.png", "__MACOSX/2.png", "loose.png"):
        (tmp_path / "pets" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pets" / name).write_bytes(pictures(1, 99)[0])
    (tmp_path / "pets/.hidden").mkdir()
    (tmp_path / "pets/.hidden/3.png").write_bytes(pictures(1, 99)[0])
    train = open_images(tmp_path / "pets", "train")
    assert train.notes == (
        "train is Training, test is Testing",
        "left aside: __MACOSX (1), loose files (1), annotations (1), extra (1)",
    )
    assert len(open_images(tmp_path, "all")) == 6  # through the wrapper
    assert open_images(tmp_path, "train").notes[0] == "train is pets/Training, test is pets/Testing"


def test_labels_that_are_none_are_named_and_left_out(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    n = 24
    columns = {
        "several": [[i % 2, 1] for i in range(n)],
        "ragged": [[1] * (i % 3) for i in range(n)],
        "fractions": [i / 7 for i in range(n)],
        "ids": [f"sample {i}" for i in range(n)],
        "masks": [b"png"] * n,
        "empty": [None] * n,
        "mixed": [{"a": 1}] * n,
    }
    for name, values in columns.items():
        part = {"image": pictures(n, 0), "label": values, "kind": [i % 2 for i in range(n)]}
        pq.write_table(pa.table(part), tmp_path / f"{name}.parquet")
        if name == "masks":  # two columns of bytes: the usual name tells
            continue
        source = open_images(tmp_path / f"{name}.parquet", "all")
        assert len(source) == n and not source.labelled
        told = [note for note in source.notes if note.startswith("the column 'label' is not used: ")]
        assert len(told) == (name != "empty")
        if told:
            with pytest.raises(UserError, match=rf"{name}.parquet: the column 'label': "):
                open_images(tmp_path / f"{name}.parquet", "all", label_column="label")
        asked = open_images(tmp_path / f"{name}.parquet", "all", label_column="kind")
        assert asked.labels.tolist() == part["kind"] and asked.classes == ("0", "1")
    with pytest.raises(UserError, match=r"no column 'kinds' for --label-column: its columns are image, label, kind"):
        open_images(tmp_path / "ids.parquet", label_column="kinds")


def test_the_column_of_images_can_be_named(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = {"left": pictures(3, 0), "right": pictures(3, 10), "n": [1, 2, 3]}
    pq.write_table(pa.table(rows), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"cannot tell which column \(left, right, n\) has images.*--image-column"):
        open_images(tmp_path / "a.parquet")
    right = open_images(tmp_path / "a.parquet", "all", image_column="right")
    np.testing.assert_array_equal(right.fetch(np.array([1]))["image"][0], noise(8, 8, seed=11))
    left = open_images(tmp_path / "a.parquet", "all", image_column="left")
    np.testing.assert_array_equal(left.fetch(np.array([1]))["image"][0], noise(8, 8, seed=1))
    with pytest.raises(UserError, match="the column 'n' has no images: those that can have images are left, right"):
        open_images(tmp_path / "a.parquet", image_column="n")


def test_columns_where_there_are_none_have_no_effect(tmp_path):
    folders(tmp_path, TRAIN, TEST)
    for data in (tmp_path, archive(tmp_path, TRAIN, TEST), [np.zeros((4, 4, 3), np.uint8)] * 3):
        for option in ("image_column", "label_column"):
            with pytest.raises(UserError, match=f"--{option.replace('_', '-')} has no effect: these data have no col"):
                open_images(data, **{option: "x"})


def test_pictures_beside_tables_and_tables_beside_pictures(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    shards(tmp_path / "hub", TRAIN, TEST)
    (tmp_path / "hub/preview.png").write_bytes(pictures(1, 9)[0])
    assert len(open_images(tmp_path / "hub", "all")) == 6
    folders(tmp_path / "pets", TRAIN, TEST)
    pq.write_table(pa.table({"file": ["0.png"], "hash": [b"0"]}), tmp_path / "pets/index.parquet")
    pq.write_table(pa.table({"file": ["0.png"] * 9, "caption": ["text"] * 9}), tmp_path / "pets/captions.parquet")
    assert len(open_images(tmp_path / "pets", "all")) == 6


def test_labels_of_arrays_and_pairs_that_are_none(tmp_path):
    images = np.zeros((24, 4, 4), np.uint8)
    images[:, 0, 0] = range(24)
    np.savez(tmp_path / "a.npz", images=images, labels=np.linspace(0, 1, 24))
    np.save(tmp_path / "x.npy", images)
    np.save(tmp_path / "y.npy", np.zeros((24, 4, 4)))
    pairs = [(image, 0.5) for image in images]
    for data in (tmp_path / "a.npz", tmp_path / "x.npy", pairs):
        source = open_images(data, "all")
        assert len(source) == 24 and not source.labelled
        assert source.notes[0].startswith("the labels are not used: ")
    with pytest.raises(UserError, match="labels are lists of different lengths"):
        open_images(images, "all", labels=[[0]] * 23 + [[0, 1]])


@pytest.mark.parametrize("form", [grey_folders, grey_tables, grey_dictionary, grey_archive])
def test_a_sample_of_both_parts_has_the_channels_of_both(tmp_path, form):
    data = form(tmp_path)
    two = open_images(data, "all", 2)
    assert len(two) == 2 and two.traits["channels"] in (1, 3)
    three = open_images(data, "all", 3)
    assert {image.shape[2] for image in three.fetch(np.arange(3))["image"]} == {three.traits["channels"]}


def test_names_of_folders_tell_their_part(tmp_path):
    folders(tmp_path, TRAIN, TEST)
    assert open_images(tmp_path, "all").names(np.array([0, 5])) == ["Training/cat/1.png", "Testing/eel/0.png"]
    grouped = open_images(tmp_path, "train", groups="Training/(.*)/")
    assert len(set(grouped.groups.tolist())) == 3
