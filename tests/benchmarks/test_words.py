"""The benchmark of words: what is made of the processes' answers, and that points are measured once.

No training happens here.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import tables, words, words_process
from benchmarks.taken import Taken


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> words.Bench:
    monkeypatch.setattr(words, "RUNS", tmp_path / "runs")
    made = words.Bench(quick=False, data="x", seeds=3, points=[], saved=lambda: None)
    (tmp_path / "x.txt").write_text("a b c\n\nd e\n")
    made._text = tmp_path / "x.txt", words_process.counted(str(tmp_path / "x.txt"))
    return made


def answers(monkeypatch: pytest.MonkeyPatch, found: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Processes that answer at once, and the tasks that they were given."""
    tasks: list[dict[str, Any]] = []

    def child(task: dict[str, Any]) -> dict[str, Any]:
        tasks.append(task)
        return found[task["tool"]]

    monkeypatch.setattr(words, "child", child)
    monkeypatch.setattr(words, "has", lambda peer: peer in found)
    return tasks


OURS = {"train": [0.5, 1.0], "total": [1.0, 2.0], "memory": 10.0}
THEIRS = {"train": [3.0, 4.0], "total": [5.0, 4.0], "memory": 20.0}


def test_a_training_is_told_in_rates_ratios_and_memory(bench, monkeypatch):
    tasks = answers(monkeypatch, {"selftaught": OURS, "gensim": THEIRS})
    row = words.training("skipgram", bench)
    assert bench.text[1] == 5
    assert row["train"]["words_per_second"] == {"selftaught": 10, "gensim": 2, "gensim, corpus_file": 2}
    assert row["train"]["words_per_cpu_second"] == {"selftaught": 5, "gensim": 1, "gensim, corpus_file": 1}
    assert row["train"]["times"]["gensim"]["median"] == 6
    assert row["total"]["times"]["gensim"]["median"] == 5
    assert row["total"]["times_cpu"]["gensim, corpus_file"]["median"] == 2
    assert row["memory_mb"] == {"selftaught": 10, "gensim": 20, "gensim, corpus_file": 20}
    measured = [task for task in tasks if not task["text"].endswith("warm.txt")]
    assert [task.get("reading", "ours") for task in measured] == [
        "ours",
        "sentences",
        "file",
        "sentences",
        "file",
        "ours",
        "file",
        "ours",
        "sentences",
    ]
    same = ("dim", "window", "negatives", "min_count", "sample", "threads", "epochs", "lr", "text")
    assert {tuple(task[key] for key in same) for task in measured} == {
        (100, 5, 5, 5, 1e-3, 2, 1, 0.025, measured[0]["text"])
    }


def test_without_the_peer_ours_is_still_measured(bench, monkeypatch):
    answers(monkeypatch, {"selftaught": OURS})
    row = words.training("fasttext", bench)
    assert row["train"]["words_per_second"] == {"selftaught": 10}
    assert row["train"]["times"] == {}


def test_a_point_is_measured_once_and_saved(bench):
    made: list[int] = []
    key = {"row": "quality-cbow", "tool": "gensim", "seed": 1}
    for _ in range(2):
        assert bench.point(key, lambda: {"score": made.append(1) or 7})["score"] == 7
    assert made == [1]
    assert bench.points == [key | {"quick": False, "score": 7}]


def test_quality_is_mean_and_spread_over_seeds(bench, monkeypatch):
    monkeypatch.setattr(words, "has", lambda peer: True)
    monkeypatch.setattr(
        words,
        "judged",
        lambda bench, case, program, seed: {s: None if s == "semantic" else 10.0 + seed for s in words.SCORES},
    )
    assert words.quality("skipgram", bench)["scores"]["gensim"]["analogies"] == {"mean": 11.0, "spread": 1.0}
    row = words.quality("cbow", bench)
    assert row["scores"]["gensim"]["analogies"] == {"mean": 19.5, "spread": 5.92}
    assert row["seeds"] == {"selftaught": 20, "gensim": 20, "gensim, corpus_file": 3}
    assert row["scores"]["selftaught"]["semantic"] == {"mean": None, "spread": None}
    assert words.quality("fasttext", bench)["scores"]["selftaught"]["analogies"] == {"mean": 11.0, "spread": 1.0}
    assert words.spread([3.0]) == {"mean": 3.0, "spread": None}


def test_every_loss_of_the_classifier_stands_beside_its_tool(bench, monkeypatch):
    monkeypatch.setattr(words, "has", lambda peer: peer == "fasttext")
    sides = {"trained": 70.0, "untrained": 60.0, "raw": 65.0}
    monkeypatch.setattr(words, "named", lambda loss, seed: {"accuracy": 75.0 + seed, **sides})
    monkeypatch.setattr(words, "named_by_tool", lambda loss, seed: {"accuracy": 74.0})
    row = words.classifier(bench)
    assert row["losses"].keys() == {"softmax", "hierarchical", "negative", "one_vs_all"}
    assert row["losses"]["negative"]["accuracy"] == {"mean": 76.0, "spread": 1.0}
    assert (
        row["losses"]["softmax"]["fasttext"]["mean"] == 74.0 and row["losses"]["softmax"]["untrained"]["mean"] == 60.0
    )
    told = "loss `softmax`, % | 76.0 ±1.0 | fastText: 74.0 ±0.0 |"
    assert told in tables.words_table([row | {"row": "classifier"}])
    monkeypatch.setattr(words, "has", lambda peer: False)
    assert "fasttext" not in words.classifier(bench)["losses"]["softmax"]


def test_quality_stands_beside_both_ways_of_gensim(bench, monkeypatch):
    monkeypatch.setattr(words, "has", lambda peer: True)
    answers = {"sentences": 1.0, "file": 2.0, None: 3.0}
    monkeypatch.setattr(
        words, "judged", lambda bench, case, program, seed: dict.fromkeys(words.SCORES, answers[program.get("reading")])
    )
    row = words.quality("cbow", bench)
    assert row["peer"] == "gensim"
    assert {tool: scores["analogies"]["mean"] for tool, scores in row["scores"].items()} == {
        "selftaught": 3.0, "gensim": 1.0, "gensim, corpus_file": 2.0,
    }  # fmt: skip


PROGRAM = """#!/bin/sh
cat > /dev/null
case "$0" in *cooccur|*shuffle) printf '%032d' 0;; *vocab_count) echo the 3;; esac
"""


def test_gloves_programs_are_run_in_their_order_and_their_pairs_counted(bench, tmp_path, monkeypatch):
    for name in ("vocab_count", "cooccur", "shuffle", "glove"):
        (tmp_path / name).write_text(PROGRAM)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("SELFTAUGHT_GLOVE", str(tmp_path))
    answers(monkeypatch, {"glove": {"counting": [1.0, 1.0], "train": [2.0, 4.0], "pairs": 100, "memory": 1.0}})
    row = words.glove(bench)
    assert row["pairs_tool"] == 2
    assert row["pairs_per_second"]["selftaught"] == 150
    assert row["times"].keys() == {"counting", "train"}


def test_rows_are_printed_and_saved(bench, tmp_path, monkeypatch, capsys):
    row = {"row": "startup", "what": "start-up", "seconds": {"selftaught": 0.4}, "rounds": 3}
    monkeypatch.setitem(words.ROWS, "startup", lambda bench: {k: v for k, v in row.items() if k != "row"})
    monkeypatch.setattr(sys, "argv", ["words", "startup", "--quick", "--out", str(tmp_path)])
    words.main()
    assert "startup: start-up" in capsys.readouterr().out
    written = json.loads((tmp_path / "words.json").read_text())
    assert written["rows"] == [row]
    assert written["settings"] == words.SETTINGS
    monkeypatch.setattr(sys, "argv", ["words", "--table", "--out", str(tmp_path)])
    words.main()
    assert "0.4" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "says"), [(["startupp"], "there is no row startupp"), (["startup", "--quick"], "--quick needs --out")]
)
def test_what_is_refused(monkeypatch, capsys, flags, says):
    monkeypatch.setattr(sys, "argv", ["words", *flags])
    with pytest.raises(SystemExit):
        words.main()
    assert says in capsys.readouterr().err


def test_the_table_shows_what_words_json_has():
    part = {
        "words_per_second": {"selftaught": 1_600_000, "gensim": 250_000},
        "times": {"gensim": {"median": 6.4, "low": 6, "high": 7}},
    }
    rows: list[dict[str, Any]] = [
        {"row": "skipgram", "peer": "gensim", "train": part, "total": part},
        {"row": "quality-skipgram", "scores": {"selftaught": {"analogies": {"mean": 12.34, "spread": 0.5}}}},
    ]
    lines = tables.words_table(rows).splitlines()
    assert lines[2:] == ["| skip-gram | 1.60 M | gensim | 0.25 M | 6.4 | 6.4 | -, - | -, - | 12.3 ±0.5, - |"]
    assert lines[0].count("|") == lines[1].count("|") == lines[2].count("|")
    text = "<!-- words: begin -->\nold\n<!-- words: end -->\n"
    assert lines[2] in tables.filled(text, "words", tables.words_table(rows))
    memory = {"row": "memory", "memory_mb": {"selftaught": 74.5, "gensim": 74.8}}
    startup = {"row": "startup", "seconds": {"selftaught": 0.345}}
    besides = tables.words_table([*rows, memory, startup]).splitlines()[3:]
    assert besides[3] == "| | selftaught | compared with |" and besides[5:] == [
        "| skip-gram, peak memory beyond imports and loaded code | 74 MB | gensim: 75 MB |",
        "| start-up time beyond imports | 0.34 s | - |",
    ]
    sides = {"trained": {"mean": 67.62, "spread": 0.46}, "untrained": {"mean": 60.02, "spread": 0.5}}
    sides["raw"] = {"mean": 67.87, "spread": 0.1}
    documents = {"row": "documents-word2vec", "sets": {"sentence-polarity": sides}}
    table = tables.words_table([*rows, documents]).splitlines()[3:]
    assert table[3] == "| accuracy, % | bag of words | word2vec |" and table[5:] == [
        "| sentence-polarity | 67.9 ±0.1 | 67.6 ±0.5 (60.0) |"
    ]


def test_memory_is_what_came_on_top_and_clocks_run():
    taken = Taken()
    held = np.ones(6 << 20)  # 48 MB
    assert 40 < taken.memory() < 80
    assert held[0] == 1
    wall, cpu = taken.since()
    assert wall > 0
    assert cpu >= 0


def test_the_settings_are_those_of_the_tools(tmp_path, monkeypatch):
    """Both ways of gensim, on a text of a few words: the vectors have the right words and length."""
    pytest.importorskip("gensim")
    from selftaught.export import vectors as files

    monkeypatch.setenv("SELFTAUGHT_CACHE", str(tmp_path / "cache"))
    text = tmp_path / "x.txt"
    text.write_text("the cat sat on the mat\nthe dog sat on the log\nrare\n" * 4)
    task = {**words.SETTINGS, "dim": 12, "text": str(text), "epochs": 1, "seed": 0, "model": "skipgram", "lr": 0.025}
    for reading in ("sentences", "file"):
        found = words_process.gensim(task | {"out": str(tmp_path / "g.bin"), "reading": reading})
        assert found["total"][0] >= found["train"][0] > 0
        vectors = files.read(tmp_path / "g.bin")
        assert (set(vectors.words), vectors.dim) == ({"the", "sat", "on"}, 12)
