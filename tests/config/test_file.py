"""A YAML file of settings: what is wrong in it is named with file, line and key."""

from __future__ import annotations

import pytest

from selftaught.config import read
from selftaught.errors import UserError


def written(tmp_path, text):
    path = tmp_path / "run.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_sections_become_dotted_keys_with_their_lines(tmp_path):
    layer = read(
        written(
            tmp_path,
            "encoder: conv\nmethod:\n  name: simclr\n  temperature: 0.1\nrecipe: {lr: 0.5, betas: [0.9, 0.95]}\n",
        )
    )
    assert layer.values == {
        "encoder.name": "conv",
        "method.name": "simclr",
        "method.temperature": 0.1,
        "recipe.lr": 0.5,
        "recipe.betas": [0.9, 0.95],
    }
    assert layer.where["method.temperature"].endswith("run.yaml, line 4")


def test_an_empty_file_says_nothing(tmp_path):
    assert read(written(tmp_path, "# nothing yet\n")).values == {}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("recipe:\n  lr: [1, 2\n", "line 3", "not YAML"),
        ("recipe:\n\tlr: 1\n", "line 2", "not YAML"),
        ("- a\n- b\n", "line 1", "key: value"),
        ("just words\n", "line 1", "key: value"),
        ("recipe:\n  lr: 1\n  lr: 2\n", "line 3", "recipe.lr is given twice"),
        ("method: simclr\nmethod: {name: moco}\n", "line 2", "method.name is given twice"),
        ("recipe:\n  lr: !!python/object/apply:os.system ['true']\n", "line 2", "recipe.lr is not a plain value"),
    ],
)
def test_what_cannot_be_read_names_file_and_line(tmp_path, text, line, words):
    with pytest.raises(UserError) as caught:
        read(written(tmp_path, text))
    sentence = str(caught.value)
    assert "run.yaml" in sentence
    assert line in sentence
    assert words in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(("content", "words"), [(None, "No such file"), (b"\xff\xfe\x00", "UTF-8")])
def test_an_unreadable_file_is_named(tmp_path, content, words):
    path = tmp_path / "run.yaml" if content is None else written(tmp_path, content)
    with pytest.raises(UserError, match=r"run\.yaml") as caught:
        read(path)
    assert words in str(caught.value)


def test_a_folder_is_not_a_file(tmp_path):
    with pytest.raises(UserError, match="Is a directory"):
        read(tmp_path)
