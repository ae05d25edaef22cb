"""The verbs finetune, predict and glue on text: what they print and leave, and what is refused."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from unittest.mock import patch

import pytest
from evaluate.texts import made

import selftaught
from selftaught import ask, encoders
from selftaught.cli import main
from selftaught.errors import UserError
from selftaught.run import RunFolder

FEW = ["--seeds", "1", "--steps", "3", "--lrs", "0.001", "0.003"]


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """An encoder alone, as --init and the verbs take it."""
    path = tmp_path_factory.mktemp("start") / "encoder.safetensors"
    path.write_bytes(encoders.save(made.encoder("causal_transformer")))
    return path


@pytest.fixture(scope="module")
def left(start, tmp_path_factory):
    """What fine-tuning for sentences leaves, and its data."""
    data, out = made.sentences(tmp_path_factory.mktemp("sst")), tmp_path_factory.mktemp("tuned") / "run"
    assert main(["finetune", str(start), "sentence", str(data), *FEW, "--lm", "0.25", "--out", str(out)]) == 0
    return out, data


def test_frozen_and_scratch_are_beside_it_and_rates_are_chosen(left):
    found = RunFolder.open(left[0]).summary["finetune"]
    assert found["metrics"] == ["accuracy", "F1", "Matthews"] and list(found["rows"]["all"]) == [
        "frozen",
        "tuned",
        "scratch",
    ]
    assert {side: cell["setting"].get("lr") in (0.001, 0.003) for side, cell in found["rows"]["all"].items()} == {
        "frozen": False, "tuned": True, "scratch": True,
    }  # fmt: skip
    assert RunFolder.open(left[0]).config["finetune"]["options"]["lm"] == 0.25


def test_the_run_gives_classes_with_probabilities(left, tmp_path, capsys):
    out, data = left
    (tmp_path / "new.tsv").write_text("index\tsentence\n0\tw1 good w2\n1\tbad w3\n")
    capsys.readouterr()
    assert main(["predict", str(out), str(tmp_path / "new.tsv"), "-k", "2"]) == 0
    printed = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(printed.out)))
    assert [row["sample"] for row in rows] == ["new.tsv, line 2", "new.tsv, line 3"] and "labels" not in printed.err
    for row in rows:
        assert {row["label"], row["label_2"]} == {"0", "1"}
        assert float(row["probability"]) + float(row["probability_2"]) == pytest.approx(1, abs=1e-5)
    assert main(["predict", str(out), str(data / "dev.tsv"), "--out", str(tmp_path / "said.jsonl")]) == 0
    printed = capsys.readouterr()
    assert len((tmp_path / "said.jsonl").read_text().splitlines()) == 40
    assert "by the labels in the data: accuracy" in printed.err


def test_features_and_a_report_come_from_the_run(left, tmp_path):
    out, _ = left
    loaded = selftaught.load(out)
    assert loaded.embed(["w1 good", "bad"]).shape == (2, 32)
    assert main(["report", str(out)]) == 0 and 'id="finetune"' in (out / "report.html").read_text()


def test_a_run_that_writes_texts_is_asked_for_them(start, tmp_path, capsys):
    data, out = made.translated(tmp_path), tmp_path / "run"
    sides = ["--source", "aa", "--target", "bb"]
    words = ["finetune", str(start), "seq2seq", str(data), *sides, "--bleu", "2", "--longest", "5", "--epochs", "1"]
    assert main([*words, "--lr", "0.003", "--sides", "tuned", "--seeds", "1", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    assert (
        "300 training and 23 test pairs, a target each; train is train.aa, test is test.aa; 17 test pairs that are in"
        in printed.err
    )
    assert "copying the source" in printed.out and "perplexity, other source" in printed.out
    found = RunFolder.open(out).summary["finetune"]
    assert found["better"]["perplexity"] == -1 and "version:" in found["signatures"]["BLEU-2"]
    assert main(["predict", str(out), str(data / "test.aa"), "-k", "2", "--json"]) == 0
    printed = capsys.readouterr()
    first = json.loads(printed.out.splitlines()[0])
    assert list(first) == ["sample", "text", "probability", "text_2", "probability_2"]
    assert "by the labels in the data: BLEU-2" in printed.err
    assert main(["generate", str(out), "w1 w2 w3", "--n", "2", "--length", "4", "--temperature", "0"]) == 0
    (one, dashes, two) = capsys.readouterr().out.splitlines()
    assert one == two == "".join(ask.generate(out, "w1 w2 w3", 4, temperature=0.0)[0]) and dashes == "---"
    assert "w1 w2 w3" not in one and ask.rewrites(out)
    for asked, said in (
        (["generate", str(out), "zebra"], "the model knows no token"),
        (["generate", str(out)], "no text is given"),
        (["finetune", str(start), "seq2seq", str(data)], "say which are read and which are written, --source aa"),
    ):
        assert main(asked) == 2 and said in capsys.readouterr().err


def test_what_was_finished_is_not_repeated(left, start, tmp_path, capsys):
    out, data = left
    copy = shutil.copytree(out, tmp_path / "copy")
    lines = (copy / "finetune.jsonl").read_bytes().splitlines(keepends=True)
    (copy / "finetune.jsonl").write_bytes(b"".join(lines[:2]))
    capsys.readouterr()
    words = ["finetune", str(start), "sentence", str(data), *FEW, "--lm", "0.25", "--out", str(copy), "--resume"]
    assert main(words) == 0
    now = (copy / "finetune.jsonl").read_bytes().splitlines(keepends=True)
    assert now[:2] == lines[:2] and json.loads(now[2]) | {"seconds": 0} == json.loads(lines[2]) | {"seconds": 0}


@pytest.fixture(scope="module")
def benchmark(start, tmp_path_factory):
    """The folder of three tasks of GLUE, and what the verb leaves."""
    data, out = tmp_path_factory.mktemp("glue"), tmp_path_factory.mktemp("runs") / "all"
    for name, write in (
        ("SST-2", made.sentences),
        ("mrpc", made.pairs),
        ("STS_B", lambda f: made.pairs(f, number=True)),
    ):
        (data / name).mkdir()
        write(data / name)
    words = [
        "glue",
        str(start),
        str(data),
        "--sides",
        "frozen",
        "tuned",
        "--seeds",
        "1",
        "--steps",
        "2",
        "--lr",
        "0.001",
    ]
    return words, data, out


def test_glue_is_the_mean_of_the_tasks_that_are_there(benchmark, capsys):
    words, _, out = benchmark
    capsys.readouterr()
    assert main([*words, "--out", str(out)]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert [line.split()[:2] for line in lines[1:9]] == [
        [task, side] for task in ("SST-2", "MRPC", "STS-B", "GLUE") for side in ("frozen", "tuned")
    ]  # fmt: skip
    assert "the mean is over 3 of 9 tasks; missing: CoLA, QQP, MNLI, QNLI, RTE, WNLI" in printed.out
    found = json.loads((out / "glue.json").read_text())
    for side, scores in found["scores"].items():
        cells = {name: one["rows"]["all"][side] for name, one in found["tasks"].items()}
        mrpc = (cells["MRPC"]["F1"]["mean"] + cells["MRPC"]["accuracy"]["mean"]) / 2
        assert scores["MRPC"] == pytest.approx(mrpc, abs=0.01)
        assert scores["GLUE"] == pytest.approx((scores["SST-2"] + scores["MRPC"] + scores["STS-B"]) / 3, abs=0.02)
    assert RunFolder.open(out / "SST-2").config["finetune"]["task"] == "sentence"
    assert main([*words, "--out", str(out)]) == 2 and "already exists" in capsys.readouterr().err
    assert main([*words, "--out", str(out), "--resume", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scores"] == found["scores"]


def test_bad_input_is_one_sentence(left, start, benchmark, tmp_path, capsys):
    out, data = left
    for words, said in (
        (["glue", str(start), str(tmp_path)], "has no folder of a task of GLUE: CoLA, SST-2"),
        (["glue", str(start), str(tmp_path / "no")], "there is no such folder"),
        (["finetune", str(start), "tagging", str(data)], "there are no columns|is no tag such as O"),
        (["finetune", str(start), "sentence", str(data), "--epochs", "0"], "epochs must be greater than 0"),
        (["finetune", str(start), "sentence", str(data), "--lrs", "x"], "must be"),
        (["predict", str(out), str(data), "--column", "text"], "--column and --errors have no effect"),
        (["predict", str(out), str(data), "--threshold", "2"], "threshold must be a probability"),
        (["predict", str(out), str(tmp_path / "none.tsv")], "there is no such file or folder"),
    ):
        capsys.readouterr()
        assert main(words) == 2, words
        error = capsys.readouterr().err
        assert any(part in error for part in said.split("|")) and "Traceback" not in error, error


def test_shared_options_are_in_the_help_of_tasks_of_text(start, capsys):
    with patch.dict(os.environ, COLUMNS="300"):
        for words in (["finetune", str(start), "--repeated", "pair", "--help"], ["glue", "--help"]):
            assert main(words) == 0
            told = capsys.readouterr().out
            assert "--layer-decay" in told and "Weight of the loss of a language model" in told
        assert main(["finetune", "--help"]) == 0 and "--layer-decay" not in capsys.readouterr().out


def test_other_ways_to_ask_say_where_the_answers_are(left):
    out, data = left
    with pytest.raises(UserError, match=r"ask\.predicted asks tasks of text"):
        ask.predict(out, str(data))
    with pytest.raises(UserError, match="was fine-tuned for a task that writes no text: 'selftaught predict' asks it"):
        ask.generate(out, "w1")
    assert ask.predicted(out, str(data)).count == 200
    with pytest.raises(UserError, match="k, the number of classes to name, must be at least 1, not 0"):
        ask.predicted(out, str(data), k=0)
