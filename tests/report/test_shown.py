"""Pictures, curves, sounds and tables as a page holds them, and what there is to look at in a batch."""

from __future__ import annotations

import base64
import io
import wave
from typing import Any

import numpy as np
import torch
from report import made

from selftaught.parts.shown import Curves, Pictures, Sounds, Table
from selftaught.report.shown import POINTS, ROW_BYTES, chart, packed, shown, sound, thinned


def played(uri: str) -> tuple[int, np.ndarray]:
    head, _, text = uri.partition(",")
    assert head == "data:audio/wav;base64"
    with wave.open(io.BytesIO(base64.b64decode(text))) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), "<i2")


def test_a_sound_is_a_wav_file() -> None:
    points = np.array([0, 0.5, -0.5, 1, -1, 7, -7, np.nan], np.float32)
    told = sound(points, 16000, 100)
    rate, heard = played(told["uri"])
    assert rate == 16000
    assert heard.tolist() == [0, 16384, -16384, 32767, -32767, 32767, -32767, 0]
    assert told["seconds"] == told["of"] == 8 / 16000


def test_long_sounds_are_cut_so_that_a_row_stays_small() -> None:
    row = packed(Sounds("long_ones", [np.zeros(1_000_000)] * 10, 44_100))
    assert (row["type"], row["name"], len(row["sounds"])) == ("sounds", "long ones", 8)
    assert sum(len(played(each["uri"])[1]) for each in row["sounds"]) * 2 <= ROW_BYTES
    assert row["sounds"][0]["of"] == 1_000_000 / 44_100
    assert 0.9 < row["sounds"][0]["seconds"] < 1.1


def test_a_chart_keeps_values_and_gaps() -> None:
    told = chart(np.array([[0, 1.23456, np.nan], [-2, np.inf, 3]]))
    assert told == {"lines": [[0.0, 1.235, None], [-2.0, None, 3.0]], "low": -2.0, "high": 3.0, "length": 3, "of": 2}
    nothing = chart(np.full((1, 2), np.nan))
    assert (nothing["lines"], nothing["low"], nothing["high"]) == ([[None, None]], 0.0, 0.0)


def test_long_lines_keep_what_the_eye_would_see() -> None:
    line = np.sin(np.arange(50_000) / 900)
    line[12_345], line[40_001] = 7, -9
    kept = thinned(line)
    assert len(kept) == POINTS
    assert abs(list(kept).index(7) / POINTS - 12_345 / 50_000) < 2 / POINTS
    assert abs(list(kept).index(-9) / POINTS - 40_001 / 50_000) < 2 / POINTS
    np.testing.assert_array_equal(thinned(line[:POINTS]), line[:POINTS])


def test_many_lines_and_rows_are_cut_and_the_page_can_say_so() -> None:
    (told,) = packed(Curves("ecg", [np.zeros((20, 5))]))["charts"]
    assert (len(told["lines"]), told["of"]) == (16, 20)
    row = packed(Table("t", ["a", "b"], [["x", np.float32(0.5)], [None, 2]] * 40))
    assert row["columns"] == ["a", "b"]
    assert row["rows"][:2] == [["x", 0.5], [None, 2.0]]
    assert (len(row["rows"]), row["of"]) == (50, 80)


def test_a_row_of_pictures_has_a_sample_in_each_column() -> None:
    row = packed(Pictures("key", [np.zeros((8, 8, 3), np.uint8)] * 9), "original")
    assert (row["type"], row["name"], len(row["images"])) == ("pictures", "original", 8) and "notes" not in row
    noted = packed(Pictures("key", [np.zeros((8, 8, 3), np.uint8)] * 9, ["right"] * 8 + ["wrong"]))
    assert noted["notes"] == ["right"] * 8


def test_a_batch_is_shown_by_its_kind_and_what_is_no_sample_is_not() -> None:
    views = [torch.zeros(2, 3, 8, 8)] * 8
    batch: dict[str, Any] = {
        "views": views,
        "key": views[0],
        "patches": torch.zeros(6, 3, 8, 8),
        "grey": torch.zeros(2, 1, 8, 8),
        "turn": torch.zeros(2),
        "scale": torch.tensor(2.0),
        "weight": 0.5,
        "paths": ["a", "b"],
        "label": torch.zeros(2),
        "index": torch.zeros(2),
    }
    found = shown(batch, made.INPUT, 2)
    assert [row.name for row in found] == [*(f"view {i}" for i in range(1, 7)), "key"]
    assert all(isinstance(row, Pictures) and np.stack(list(row.images)).shape == (2, 8, 8, 3) for row in found)
    assert [row.name for row in shown({"views": views[:1]}, made.INPUT, 2)] == ["views"]
