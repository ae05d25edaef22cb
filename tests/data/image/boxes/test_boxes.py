"""Boxes in COCO's JSON, Pascal VOC's XML and tables: what is read, and what of it is left out and told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from data.image.boxes import made

from selftaught.data.image.boxes.opening import open_boxes
from selftaught.data.image.boxes.picture import Box, Faults, Picture, check
from selftaught.errors import UserError


def picture(*boxes: Box) -> Picture:
    return Picture("a.png", lambda: b"", boxes)


def test_coco_gives_left_top_width_and_height(tmp_path: Path) -> None:
    made.coco(tmp_path / "train" / "_annotations.coco.json", 4)
    made.coco(tmp_path / "valid" / "_annotations.coco.json", 2, first=10)
    train, test = open_boxes(tmp_path, 60, 3)
    assert (len(train), len(test)) == (4, 2)
    assert train.classes == test.classes == ("cat", "dog")  # by their ids
    assert train.annotations[2].corners.tolist() == [[2, 5, 12, 25]] and train.annotations[2].classes.tolist() == [0]
    assert len(train.annotations[3].corners) == 0  # a negative
    assert "1 without boxes" in train.notes
    batch = train.fetch(np.array([2, 3]))
    assert [image.shape for image in batch["image"]] == [(40, 60, 3)] * 2
    assert batch["boxes"][0].tolist() == [[2, 5, 12, 25]] and batch["boxes"][1].shape == (0, 4)


def test_pictures_are_reduced_with_their_boxes(tmp_path: Path) -> None:
    made.coco(tmp_path / "train.json", 3)
    made.coco(tmp_path / "test.json", 3, first=50)
    train, _ = open_boxes(tmp_path, 30, 3)
    batch = train.fetch(np.array([1]))
    assert batch["image"][0].shape == (20, 30, 3) and batch["boxes"][0].tolist() == [[0.5, 2.5, 5.5, 12.5]]
    assert train.sizes[1].tolist() == [40, 60]
    assert np.array_equal(train.part(np.array([1])).fetch(np.array([0]))["boxes"][0], batch["boxes"][0])


def test_cocos_own_folders(tmp_path: Path) -> None:
    for part, count in (("train2017", 3), ("val2017", 2)):
        made.coco(tmp_path / part / "made.json", count, first=10 * count)
        (tmp_path / "annotations").mkdir(exist_ok=True)
        (tmp_path / part / "made.json").rename(tmp_path / "annotations" / f"instances_{part}.json")
    made.coco(tmp_path / "annotations" / "person_keypoints_train2017.json", 1)
    train, test = open_boxes(tmp_path, 60, 3)
    assert (len(train), len(test)) == (3, 2)
    assert any("instances_train2017.json" in note for note in train.notes)


def test_crowds_are_ignored(tmp_path: Path) -> None:
    crowd = {"category_id": 9, "bbox": [1, 1, 30, 30], "iscrowd": 1}
    made.coco(tmp_path / "train.json", 2, extra=(crowd,))
    made.coco(tmp_path / "test.json", 2, first=50)
    train, _ = open_boxes(tmp_path, 60, 3)
    assert train.annotations[0].ignored.tolist() == [False, True]


def test_voc_counts_pixels_from_one(tmp_path: Path) -> None:
    for i in range(6):
        (tmp_path / "JPEGImages").mkdir(exist_ok=True)
        (tmp_path / "JPEGImages" / f"{i}.png").write_bytes(made.jpeg(i))
        objects = [("dog", (1, 1, 10, 20)), ("cat", (5, 5, 60, 40))]
        made.voc(tmp_path / "Annotations" / f"{i}.xml", f"{i}.png", objects, difficult=int(i == 1))
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("0\n1\n2\n3\n")
    (lists / "val.txt").write_text("4 1\n5 -1\n")
    train, test = open_boxes(tmp_path, 60, 3)
    assert (len(train), len(test)) == (4, 2) and train.classes == ("cat", "dog")
    assert train.annotations[0].corners.tolist() == [[0, 0, 10, 20], [4, 4, 60, 40]]
    assert train.annotations[0].classes.tolist() == [1, 0]
    assert [one.ignored.all() for one in train.annotations] == [False, True, False, False]


def test_tables_have_corners_and_labels(tmp_path: Path) -> None:
    rows = [{"image": made.jpeg(i), "boxes": [[1, 2, 11, 22]] * (i % 3), "labels": [4] * (i % 3)} for i in range(10)]
    made.parquet(tmp_path / "set.parquet", rows)
    train, test = open_boxes(tmp_path / "set.parquet", 60, 3)
    assert (len(train), len(test)) == (8, 2) and train.classes == ("4",)
    assert any("split 80/20 by content" in note for note in train.notes)
    assert sum(len(one.corners) for source in (train, test) for one in source.annotations) == 9
    again, _ = open_boxes(str(tmp_path / "set.parquet"), 60, 3)
    assert again.fingerprint == train.fingerprint
    assert open_boxes(tmp_path / "set.parquet", 30, 3)[0].fingerprint != train.fingerprint


def test_hugging_faces_objects_are_read(tmp_path: Path) -> None:
    for first, part in enumerate(("train", "test")):
        objects = [{"bbox": [[1, 2, 10, 20]], "category": [i % 2]} for i in range(4)]
        rows = [{"image": made.jpeg(9 * first + i), "objects": one} for i, one in enumerate(objects)]
        made.parquet(tmp_path / f"{part}-00000-of-00001.parquet", rows)
    train, test = open_boxes(tmp_path, 60, 3)
    assert train.annotations[1].corners.tolist() == [[1, 2, 11, 22]] and train.annotations[1].classes.tolist() == [1]
    assert len(test) == 4


BAD = [
    ((5, 5, 3, 9), "cat", "reversed"),
    ((5, 5, 9, 3), "cat", "reversed"),
    ((5, 5, 5, 9), "cat", "empty"),
    ((60, 5, 70, 9), "cat", "outside the picture"),
    ((-9, 5, 0, 9), "cat", "outside the picture"),
    ((5, 41, 9, 50), "cat", "outside the picture"),
    ((5, 5, float("nan"), 9), "cat", "not finite"),
    ((5, 5, 9), "cat", "not four numbers"),
    (None, "cat", "not four numbers"),
    ((5, 5, 9, "x"), "cat", "not four numbers"),
    ((5, 5, 9, 9), None, "of an unknown class"),
    ((5, 5, 9, 9), "horse", "of an unknown class"),
]


@pytest.mark.parametrize(("corners", "label", "fault"), BAD)
def test_a_bad_box_is_left_out_and_counted(corners: object, label: str | None, fault: str) -> None:
    faults = Faults()
    good = Box((1, 2, 3, 4), "dog")
    found = check(picture(Box(corners, label, "bear"), good), made.SIZE, ("cat", "dog"), faults)  # type: ignore[arg-type]
    assert found.corners.tolist() == [[1, 2, 3, 4]] and found.classes.tolist() == [1]
    assert faults.counts == {fault: 1}
    (note,) = faults.notes()
    assert note.startswith(f"1 box left out: 1 {fault} (a.png: ")


def test_faults_are_told_together_with_examples() -> None:
    faults = Faults()
    boxes = [Box((9, 9, 1, 1), "cat")] * 4 + [Box((1, 1, 2, 2), None, 8)]
    check(picture(*boxes), made.SIZE, ("cat",), faults)
    assert faults.notes() == (
        "5 boxes left out: 4 reversed (a.png: 9 9 1 1; a.png: 9 9 1 1), 1 of an unknown class (a.png: 8)",
    )


def test_a_box_is_cut_at_the_border_and_rounding_is_not_told() -> None:
    faults = Faults()
    found = check(picture(Box((-0.5, 0, 60.5, 9), "cat"), Box((-5, 3, 9, 90), "cat")), made.SIZE, ("cat",), faults)
    assert found.corners.tolist() == [[0, 0, 60, 9], [0, 3, 9, 40]]
    assert faults.counts == {} and faults.notes() == ("1 box cut at the border of the picture",)


def test_missing_and_damaged_pictures_are_named(tmp_path: Path) -> None:
    made.coco(tmp_path / "train.json", 4)
    made.coco(tmp_path / "test.json", 4, first=50)
    (tmp_path / "1.png").unlink()
    (tmp_path / "2.png").write_bytes(made.jpeg(2)[:50])
    train, _ = open_boxes(tmp_path, 60, 3)
    assert len(train) == 2 and train.names(np.arange(2)) == ["0.png", "3.png"]
    assert [skip["path"] for skip in train.skipped] == ["1.png", "2.png"]
    assert "there is no such file beside train.json" in train.skipped[0]["reason"]
    for file in tmp_path.glob("*.png"):
        file.unlink()
    with pytest.raises(UserError, match=r"not one picture can be read: 0\.png: there is no such file .*, and 3 more"):
        open_boxes(tmp_path, 60, 3)


def test_annotations_of_pictures_that_are_not_named_are_counted(tmp_path: Path) -> None:
    made.coco(tmp_path / "train.json", 3, extra=({"image_id": 5, "category_id": 7, "bbox": [1, 1, 3, 3]},))
    made.coco(tmp_path / "test.json", 3, first=50)
    train, _ = open_boxes(tmp_path, 60, 3)
    assert "1 box left out: 1 of a picture that is not named (train.json: image_id 5)" in train.notes


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "it is not valid JSON"),
        ("[]", "need a list 'images'"),
        (json.dumps({"images": [], "annotations": [], "categories": []}), "none of its boxes has a class"),
        (json.dumps({"images": [{"id": 1}], "annotations": [], "categories": [{"id": 1, "name": "a"}]}), "lacks"),
        (json.dumps({"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}]}), "not one picture"),
    ],
)
def test_broken_json_is_one_sentence(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(UserError, match=said):
        open_boxes(tmp_path / "a.json", 60, 3)


def test_other_data_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no boxes in this folder: give COCO's JSON"):
        open_boxes(tmp_path, 60, 3)
    with pytest.raises(UserError, match="there is no such file or folder"):
        open_boxes(tmp_path / "gone", 60, 3)
    with pytest.raises(UserError, match="not from data of type list"):
        open_boxes([1], 60, 3)
    made.parquet(tmp_path / "a.parquet", [{"image": made.jpeg(0), "boxes": [[1, 1, 2, 2]]}])
    with pytest.raises(UserError, match="it has no column 'labels'"):
        open_boxes(tmp_path / "a.parquet", 60, 3)
    made.parquet(tmp_path / "b.parquet", [{"image": made.jpeg(0), "boxes": [[1, 1, 2, 2]], "labels": [1, 2]}])
    with pytest.raises(UserError, match="row 0: it has 1 boxes, but 2 labels"):
        open_boxes(tmp_path / "b.parquet", 60, 3)


def test_broken_xml_is_named(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(made.jpeg(0))
    (tmp_path / "1.png").write_bytes(made.jpeg(1))
    for i in range(2):
        made.voc(tmp_path / f"{i}.xml", f"{i}.png", [("cat", (1, 1, 5, 5))])
    (tmp_path / "2.xml").write_text("<annotation>")
    (tmp_path / "3.xml").write_text("<html/>")
    train, _ = open_boxes(tmp_path, 60, 3)
    assert [skip["path"] for skip in train.skipped] == ["2.xml", "3.xml"]
    assert "not valid XML" in train.skipped[0]["reason"] and "<html>" in train.skipped[1]["reason"]


def test_grey_pictures_become_colour_and_others_are_refused(tmp_path: Path) -> None:
    made.coco(tmp_path / "train.json", 3)
    made.coco(tmp_path / "test.json", 3, first=50)
    with pytest.raises(UserError, match="it has 3 channels, and the encoder takes 1"):
        open_boxes(tmp_path, 60, 1)


@pytest.mark.shared
def test_the_blood_cells(shared_data: Path) -> None:
    train, test = open_boxes(shared_data / "detection", 160, 3)
    assert (len(train), len(test)) == (205, 72)
    assert sum(len(one.corners) for one in train.annotations) == 2804
    assert sum(len(one.corners) for one in test.annotations) == 945
    assert train.classes == ("0", "1", "2") and train.sizes[0].tolist() == [480, 640]
    assert any("left aside: bccd-val.parquet" in note for note in train.notes)
