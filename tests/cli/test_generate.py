"""The verb that writes: samples, seeds, JSON, and what it says to bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from selftaught import ask
from selftaught.cli import main
from selftaught.errors import UserError

LINES = "the cat sat on the mat\nthe dog sat on the mat\na cat ate the dog\nthe cat ate a mat\n" * 5


@pytest.fixture(scope="module", params=["ngram", "gpt"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("writes")
    (folder / "text.txt").write_text(LINES)
    small = ["--steps", "30", "--batch-size", "8", "--encoder.width", "16", "--encoder.depth", "1", "--encoder.heads",
             "2", "--encoder.context", "8"] if request.param == "gpt" else []  # fmt: skip
    path = folder / "run"
    assert main(["pretrain", request.param, str(folder / "text.txt"), "--out", str(path), *small]) == 0
    return path


def said(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> tuple[str, str]:
    capsys.readouterr()
    assert main(["generate", *map(str, words)]) == code
    return capsys.readouterr()


def test_a_text_begins_with_the_prompt(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    out, err = said(capsys, run, "the cat", "--length", 4, "--seed", 1)
    text = "".join(ask.generate(run, "the cat", 4, seed=1)[0])
    assert out == f"the cat{text}\n" and err == ""
    assert len(text.split()) <= 4 and set(text.split()) <= set(LINES.split())


def test_samples_have_seeds_of_their_own(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    out, _ = said(capsys, run, "the", "--n", 3, "--length", 5, "--temperature", 1.5, "--json")
    found = json.loads(out)
    assert [entry["seed"] for entry in found] == [0, 1, 2] and {entry["prompt"] for entry in found} == {"the"}
    for entry in found:
        [text] = ask.generate(run, "the", 5, temperature=1.5, seed=entry["seed"])
        assert "".join(text) == entry["text"]
    plain, _ = said(capsys, run, "the", "--n", 2, "--length", 3)
    assert plain.count("---\n") == 1


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["the", "--top-p", 0], "top_p in (0, 1], not 1.0, 0 and 0.0"),
        (["the", "--n", 0], "n at least 1, not 100 and 0"),
        (["zebra жираф"], "the model knows no token of the prompt 'zebra жираф'"),
    ],
)
def test_bad_input_gets_a_sentence(
    capsys: pytest.CaptureFixture[str], run: Path, words: list[object], reason: str
) -> None:
    out, err = said(capsys, run, *words, code=2)
    assert reason in err and out == ""


def test_a_method_that_writes_nothing_says_so(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text(LINES)
    length = ["--steps", "1", "--batch-size", "4", "--dim", "4", "--min-count", "1"]
    assert main(["pretrain", "nnlm", str(text), "--out", str(tmp_path / "run"), *length]) == 0
    with pytest.raises(UserError, match="nnlm writes no text: generate with a run of gpt or ngram"):
        ask.generate(tmp_path / "run")
