"""How text is read is an option of the run, and what judges the run reads it alike."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import selftaught
from selftaught.config import Layer, resolve
from selftaught.errors import UserError
from selftaught.pretraining.build import open_data


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """Twenty short reviews in a column of another name, in Latin-1."""
    rows = [{"body": f"caf\xe9 number {i} is {'Fine' if i % 2 else 'Bad'}", "label": i % 2} for i in range(20)]
    path = tmp_path / "reviews.jsonl"
    path.write_bytes("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode("latin-1"))
    return path


def test_every_option_reaches_the_reader(records: Path) -> None:
    def words(**data: object) -> set[str]:
        corpus, _ = open_data(resolve(Layer.of({"method": "fasttext", "data": {"source": str(records), **data}})))
        return set(corpus.words)

    usual = {"column": "body", "errors": "replace"}
    assert {"caf", "fine"} <= words(**usual)
    assert {"Fine", "Bad"} <= words(**usual, lower=False)
    assert "caf\ufffd" in words(**usual, tokens="whitespace")
    assert "f" in words(**usual, tokens="characters")
    with pytest.raises(UserError, match="line 1: not UTF-8"):
        words(column="body")
    with pytest.raises(UserError, match="no column 'text', but body, label"):
        words(errors="replace")


def test_a_run_is_judged_by_text_that_is_read_as_it_was(records: Path, tmp_path: Path) -> None:
    (tmp_path / "how.yaml").write_text("data:\n  column: body\n  errors: replace\n  lower: false\n")
    run = selftaught.pretrain(
        "fasttext", str(records), encoder={"name": "subwords", "dim": 4, "min_count": 1}, epochs=1,
        config=tmp_path / "how.yaml", out=tmp_path / "run",
    )  # fmt: skip
    train, test = run.sources()
    assert len(train) + len(test) == 20
    assert "Fine" in train.words
