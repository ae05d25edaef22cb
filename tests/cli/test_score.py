"""The verb that asks language models: ranks, tokens, files, JSON, and what it says to bad input."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest

import selftaught
from selftaught import ask
from selftaught.ask import language_model
from selftaught.cli import main
from selftaught.errors import UserError

LINES = "the cat sat on the mat\nthe dog sat on the mat\na cat ate the dog\nthe cat ate a mat\n" * 5
REAL, SHUFFLED, LONG = "the cat sat on a mat", "mat a cat on the sat", "the cat sat on the mat on the mat on the mat"


@pytest.fixture(scope="module", params=["ngram", "nnlm"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a language model, whose text is gone."""
    folder = tmp_path_factory.mktemp("language")
    (folder / "text.txt").write_text(LINES)
    path = folder / "run"
    length = ["--steps", "60", "--batch-size", "32", "--dim", "8"] if request.param == "nnlm" else []
    assert (
        main(["pretrain", request.param, str(folder / "text.txt"), "--min-count", "1", "--out", str(path), *length])
        == 0
    )
    (folder / "text.txt").unlink()
    return path


def test_training_ends_with_what_to_ask_next(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(LINES)
    assert main(["pretrain", "ngram", str(tmp_path / "text.txt"), "--out", str(tmp_path / "run")]) == 0
    run = tmp_path / "run"
    assert f'next: selftaught score {run} "a sentence"; selftaught report' in capsys.readouterr().out


def said(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> tuple[str, str]:
    capsys.readouterr()
    assert main(["score", *map(str, words)]) == code
    out, err = capsys.readouterr()
    return out, err


def test_sentences_come_the_most_probable_first(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    out, err = said(capsys, run, SHUFFLED, REAL)
    head, first, second = out.splitlines()
    assert head.split() == ["log", "P", "per", "token", "sentence"]
    assert first.endswith(f"  {REAL}") and second.endswith(f"  {SHUFFLED}") and err == ""
    found = ask.score(run, [REAL])[0]
    assert first.split()[:2] == [f"{found.log_probability:.2f}", f"{found.per_token:.2f}"]


def test_per_token_does_not_punish_length(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    for flags, first in (((), "mat a"), (("--per-token",), LONG)):
        assert said(capsys, run, "mat a", LONG, *flags)[0].splitlines()[1].endswith(first)


def test_tokens_are_shown_and_unknown_ones_named(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    out, err = said(capsys, run, "the zebra sat", "--tokens")
    assert [line.split()[1] for line in out.splitlines()[2:]] == ["the", "zebra", "sat", "</s>"]
    assert "zebra (unknown)" in out and err.strip().endswith("zebra") and len(err.splitlines()) == 1


def test_json_holds_the_numbers(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    out, _ = said(capsys, run, REAL, "a zebra", "--json", "--tokens")
    for entry in json.loads(out):
        assert sum(token["log_probability"] for token in entry["tokens"]) == pytest.approx(entry["log_probability"])
        assert entry["per_token"] == pytest.approx(entry["log_probability"] / len(entry["tokens"]))
        assert entry["unknown"] == (["zebra"] if "zebra" in entry["sentence"] else [])
    assert "tokens" not in json.loads(said(capsys, run, REAL, "--json")[0])[0]


def test_a_file_gives_a_sentence_a_line(capsys: pytest.CaptureFixture[str], run: Path, tmp_path: Path) -> None:
    (tmp_path / "sentences.txt").write_text(f"{SHUFFLED}\n\n  {REAL}\n")
    assert said(capsys, run, "--file", tmp_path / "sentences.txt")[0] == said(capsys, run, SHUFFLED, REAL)[0]
    out, _ = said(capsys, run, "a mat", "--file", tmp_path / "sentences.txt")
    assert len(out.splitlines()) == 4


def test_python_scores_as_the_command_does(run: Path) -> None:
    found = ask.score(run, [SHUFFLED, REAL])
    assert [s.text for s in found] == [REAL, SHUFFLED]
    assert [s.text for s in ask.score(run, ["mat a", LONG], per_token=True)] == [LONG, "mat a"]


def test_bad_input_is_one_sentence(capsys: pytest.CaptureFixture[str], run: Path, tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes(b"fine\ncaf\xe9\n")
    damaged = shutil.copytree(run, tmp_path / "damaged")
    (damaged / "method.safetensors").write_bytes(b"none")
    for words, sentence in (
        ([run], "no sentence is given"),
        ([run, "..."], "'...' has no words"),
        ([run, "--file", tmp_path / "none.txt"], "none.txt cannot be read: No such file"),
        ([run, "--file", tmp_path / "latin.txt"], "latin.txt, line 2, is not UTF-8"),
        ([run / "encoder.safetensors", "a"], "is a file, not a run folder"),
        ([tmp_path, "a"], "is not a run folder"),
        ([damaged, "a"], "method.safetensors cannot be read"),
    ):
        _, err = said(capsys, *words, code=2)
        assert sentence in err and len(err.splitlines()) == 1


def test_a_method_that_scores_nothing_says_so(capsys: pytest.CaptureFixture[str], original: Path) -> None:
    _, err = said(capsys, original, "a sentence", code=2)
    assert "simclr gives sentences no probability: score a run of" in err and {"ngram", "nnlm"} <= set(err.split())
    with pytest.raises(UserError, match="gives sentences no probability"):
        language_model(selftaught.load(original))


def test_perplexity_of_a_file(capsys: pytest.CaptureFixture[str], run: Path, tmp_path: Path) -> None:
    (tmp_path / "held.txt").write_text("the cat ate a zebra\nThe dog sat\n")
    out, _ = said(capsys, run, "--file", tmp_path / "held.txt", "--perplexity", "--json")
    found = json.loads(out)
    scores = [p for line in ("the cat ate a zebra", "the dog sat") for _, p in language_model(run).score(line)]
    assert found["perplexity"] == pytest.approx(math.exp(-sum(scores) / 10), rel=1e-5)
    assert (found["tokens"], found["sentences"], found["unknown_tokens"]) == (10, 2, 1)
    out, _ = said(capsys, run, "--file", tmp_path / "held.txt", "--perplexity")
    assert f"{found['perplexity']:,.2f}" in out and "1 (10.00%)" in out
    assert found["skipped"] == 0 and "skipped" not in out
    with (tmp_path / "held.txt").open("ab") as file:
        file.write(b"caf\xe9\n")
    out, _ = said(capsys, run, "--file", tmp_path / "held.txt", "--perplexity")
    assert f"{found['perplexity']:,.2f}" in out and "skipped, because they could not be read" in out
    out, _ = said(capsys, run, "--perplexity", code=2)


def test_an_arpa_file_scores_as_the_run(capsys: pytest.CaptureFixture[str], run: Path, tmp_path: Path) -> None:
    able = run_of(run) == "ngram"
    assert main(["export", str(run), "--out", str(tmp_path / "a.arpa")]) == (0 if able else 2)
    if able:
        one, other = (json.loads(said(capsys, model, REAL, "--json")[0])[0] for model in (run, tmp_path / "a.arpa"))
        assert one["log_probability"] == pytest.approx(other["log_probability"], abs=1e-6)
        found = ask.perplexity(tmp_path / "a.arpa", [REAL])
        assert found["perplexity"] == pytest.approx(math.exp(-one["per_token"]))
    else:
        assert "no model of n-grams" in capsys.readouterr().err


def run_of(path: Path) -> str:
    return str(selftaught.load(path).config.method)


@pytest.mark.parametrize("method", ["gpt", "elmo", "bert"])
def test_every_language_model_scores_sentences(capsys: pytest.CaptureFixture[str], tmp_path: Path, method: str) -> None:
    (tmp_path / "text.txt").write_text(LINES * 4)
    encoder = ["--encoder.width", "16", "--encoder.context", "16", "--encoder.min-count", "1", "--encoder.depth", "1"]
    encoder += ["--encoder.units", "16"] if method == "elmo" else ["--encoder.heads", "2"]
    own = ["--no-nsp"] if method == "bert" else []
    flags = ["--steps", "80", "--batch-size", "8", "--lr", "1e-2", "--out", str(tmp_path / "run"), *encoder, *own]
    assert main(["pretrain", method, str(tmp_path / "text.txt"), *flags]) == 0
    out, _ = said(capsys, tmp_path / "run", SHUFFLED, REAL, "--json", "--tokens")
    real, shuffled = sorted(json.loads(out), key=lambda entry: entry["sentence"] != REAL)
    assert (real["sentence"], shuffled["sentence"]) == (REAL, SHUFFLED)
    if method != "bert":  # which needs longer
        assert real["log_probability"] > shuffled["log_probability"] + 1
    ends = [] if method == "bert" else ["</s>"]  # which no token stands behind
    assert [token["token"] for token in real["tokens"]] == [*REAL.split(), *ends]
    assert all(token["log_probability"] < 0 for token in real["tokens"])
    _, err = said(capsys, tmp_path / "run", "...", code=2)
    assert "'...' has no words" in err
    if method == "bert":
        _, err = said(capsys, tmp_path / "run", REAL, "--perplexity", code=2)
        assert "looks both ways" in err and "there is no perplexity" in err
    else:
        assert "perplexity" in said(capsys, tmp_path / "run", REAL, "--perplexity")[0]
