"""Paths that begin with a home folder, and every place where a user may write one."""

from __future__ import annotations

from pathlib import Path

import pytest

from selftaught.cli import main
from selftaught.errors import UserError, expanded


def test_a_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expanded("~/a") == tmp_path / "a"
    with pytest.raises(UserError, match="the home folder ~nobody-of-this-name is not known: write the whole path"):
        expanded("~nobody-of-this-name/a")


@pytest.mark.parametrize("words", [
    ("pretrain", "simclr", "~no-one/pictures"),
    ("pretrain", "word2vec", "~no-one/text.txt"),
    ("pretrain", "word2vec", "~no-one/text.txt", "--tokens", "characters"),
    ("pretrain", "cpc", "~no-one/shards/a-{0..3}.tar"),
    ("pretrain", "simclr", "digits", "--groups", "~no-one/groups"),
    ("pretrain", "simclr", "digits", "--init", "~no-one/weights"),
    ("pretrain", "~no-one/mine.py", "digits"),
])  # fmt: skip
def test_one_that_is_not_known_is_one_sentence(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    assert main([*words]) == 2
    err = capsys.readouterr().err
    assert "home folder ~no-one is not known" in err and err.count("\n") == 1
