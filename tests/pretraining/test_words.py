"""A run of word vectors from training to the report.

Judged by people's answers, by labelled text, and asked for neighbours.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from toys import text

import selftaught
from selftaught import ask
from selftaught.cli import main
from selftaught.errors import UserError
from selftaught.evaluate.words import Tests, answers, judge, nearest, vectors_of
from selftaught.pretraining import Run, load
from selftaught.pretraining.build import untrained
from selftaught.pretraining.weights import word_vectors

TESTS = Tests(
    {
        "wordsim353": [
            ("sea1", "sea2", 9.0),
            ("sea1", "town3", 1.0),
            ("sky1", "sky2", 8.0),
            ("sky1", "wood2", 2.0),
            ("sea1", "no", 1.0),
        ]
    },
    {"places": [("sea1", "sea2", "sky1", "sky2")], "gram1": [("sea1", "sea2", "sky1", "never")]},
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = tmp_path_factory.mktemp("run") / "run"
    return selftaught.pretrain(
        "word2vec",
        text(400),
        out=path,
        epochs=8,
        lr=0.05,
        threads=1,
        encoder={"name": "lookup", "dim": 16, "min_count": 1},
        progress=False,
    )


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tests, "standard", classmethod(lambda cls: TESTS))
    monkeypatch.setattr("selftaught.report.sections.word_map.has_tsne", lambda: False)


def test_vectors_are_judged_and_labelled_text_is_classified(run: Run) -> None:
    result = run.probe()
    expected = judge(ask.vectors(run), vectors_of(untrained(run.config, run.encoder.spec["input"])), TESTS)
    assert {key: row for key, row in result["words"].items() if key != "protocol"} == {
        k: v for k, v in expected.items() if k != "protocol"
    }
    assert result["words"]["wordsim353"]["used"] == 4
    assert run.summary["words"] == result["words"]
    assert set(result["linear"]) == {"trained", "untrained", "raw"}  # it was trained on text with labels
    assert run.summary["probe"]["linear"] == result["linear"]


def test_named_text_is_classified_and_the_judgement_of_the_words_stays(run: Run) -> None:
    before = run.summary.get("words")
    result = run.probe(text(300, seed=2), pool="sif")
    assert result["protocol"]["pool"] == "sif"
    assert "words" not in result
    assert run.summary.get("words") == before
    assert result["linear"]["trained"] > 90


def test_a_run_answers_as_its_vectors_do(run: Run) -> None:
    vectors = ask.vectors(run)
    assert ask.neighbours(run, "sea1", 3) == nearest(vectors, "sea1", 3)
    assert ask.analogy(run.path, "sea1", "sea2", "sky1", 3, method="mul") == answers(
        vectors, "sea1", "sea2", "sky1", 3, method="mul"
    )
    assert word_vectors(run.path).words == vectors.words
    with pytest.raises(UserError, match="'sea' is not among the 36 words; similar words are 'sea"):
        ask.neighbours(run, "sea")


def test_the_report_needs_no_text(run: Run) -> None:
    assert 'id="word_map"' in run.report().read_text()


def test_compare_shows_what_people_say_of_words(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run.probe()
    capsys.readouterr()
    assert main(["compare", str(run.path)]) == 0
    out, err = capsys.readouterr()
    head, line = (row.split() for row in out.splitlines())
    assert head[6:9] == ["wordsim353", "analogies", "linear"]  # no column for what no run was asked
    assert line[8] == f"{run.summary['words']['analogies']['trained']:.1f}"
    assert "not judged" not in err


def test_an_encoder_alone_is_judged_beside_a_fresh_one(run: Run, tmp_path: Path) -> None:
    alone = tmp_path / "encoder.safetensors"
    alone.write_bytes((run.path / "encoder.safetensors").read_bytes())
    result = load(alone).probe()
    assert list(result) == ["words"]
    assert result["words"]["wordsim353"]["trained"] == run.probe()["words"]["wordsim353"]["trained"]
