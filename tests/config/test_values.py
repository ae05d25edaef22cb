"""Values of the right type pass, those of the wrong type are one sentence that names the key."""

from __future__ import annotations

from typing import Literal

import pytest

from selftaught.config.values import convert, runtime_types, spoken
from selftaught.errors import UserError

GOOD = [
    (3, int, 3),
    (3.0, int, 3),
    (1e5, int, 100000),
    (3, float, 3.0),
    ("1e-3", float, 0.001),
    ("2.5E+2", float, 250.0),
    (True, bool, True),
    ("x", str, "x"),
    (None, int | None, None),
    (4, float | None, 4.0),
    (4, int | float, 4),
    (0.5, int | float, 0.5),
    ([0.9, 0.99], tuple[float, float], (0.9, 0.99)),
    ([0.1, 0.2, 0.3], tuple[float, ...], (0.1, 0.2, 0.3)),
    ((1, 2), list[int], [1, 2]),
    ("a", Literal["a", "b"], "a"),
    ("a", Literal["a"] | None, "a"),
    ([], tuple[float, ...], ()),
]
BAD = [
    ("3", int),
    (3.5, int),
    (True, int),
    (True, float),
    ("3", float),
    ("nan", float),
    (1, bool),
    ("yes", bool),
    (3, str),
    (None, int),
    ([0.9], tuple[float, float]),
    (0.9, tuple[float, ...]),
    (["a"], tuple[float, ...]),
    ("c", Literal["a", "b"]),
    ("x", int | None),
    ({"a": 1}, float),
    ([1], int),
]


@pytest.mark.parametrize(("value", "kind", "wanted"), GOOD)
def test_good_values_become_the_type(value, kind, wanted):
    got = convert(value, kind, "key")
    assert got == wanted
    assert type(got) is type(wanted)


@pytest.mark.parametrize(("value", "kind"), BAD)
def test_bad_values_are_one_sentence_with_place_and_key(value, kind):
    with pytest.raises(UserError) as caught:
        convert(value, kind, "lr", "run.yaml, line 7")
    sentence = str(caught.value)
    assert sentence.startswith("run.yaml, line 7: lr must be ")
    assert sentence.endswith(f", not {value!r}")
    assert "\n" not in sentence


def test_types_are_read_from_source_text():
    got = runtime_types({"a": "float | None", "b": "Literal['x', 'y']", "c": "tuple[float, ...]"})
    assert got == {"a": float | None, "b": Literal["x", "y"], "c": tuple[float, ...]}


def test_types_are_said_in_words():
    assert spoken(int | None) == "a whole number"
    assert spoken(Literal["sgd", "adamw"]) == "one of sgd, adamw"
    assert spoken(tuple[float, float]) == "a list of 2 values, each a number"
