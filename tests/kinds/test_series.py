"""A whole kind of sample made of new files alone, laid over a copy of the package: nothing in selftaught mentions it.

``series/`` mirrors the repository. Every test runs the command line, or pytest, as a person would; the commands are
children of one process that has imported the libraries already.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import final

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
NEW = Path(__file__).with_name("series")
FEW = ["--epochs", "6", "--batch-size", "60", "--encoder.width", "8", "--checkpoint-every", "10"]


PARENT = """
import os, runpy, sys
import numba, scipy.stats, sklearn.datasets, torch._dynamo  # nothing of selftaught, which differs from folder to folder

for line in sys.stdin:
    folder, out, err, *words = line.rstrip("\\n").split("\\0")
    if (child := os.fork()) == 0:
        for path, stream in ((out, 1), (err, 2)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
        os.chdir(folder)
        sys.argv = words
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
        sys.exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@final
class Laid:
    """A copy of the package and its tests with the new files among them, and who runs its commands."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("selftaught", "tests"):
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("kinds"))
            shutil.copytree(NEW / name, root / name, dirs_exist_ok=True)
        shutil.rmtree(root / "selftaught/kernels")  # what is compiled there is compiled once for both
        (root / "selftaught/kernels").symlink_to(ROOT / "selftaught/kernels")
        shutil.copy(ROOT / "pyproject.toml", root)
        if (ROOT / ".mypy_cache").is_dir():  # what it knows of torch and others is as true here
            shutil.copytree(ROOT / ".mypy_cache", root / ".mypy_cache")
        command = [sys.executable, "-c", PARENT]
        self.parent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __truediv__(self, path: str) -> Path:
        return self.root / path

    def run(self, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
        """What ``python -m WORDS`` in `folder` prints, and its exit code."""
        assert self.parent.stdin and self.parent.stdout
        out, err = self / "out.txt", self / "err.txt"
        self.parent.stdin.write("\0".join(map(str, (folder, out, err, *words))) + "\n")
        self.parent.stdin.flush()
        code = int(self.parent.stdout.readline())
        return subprocess.CompletedProcess(words, code, out.read_text(), err.read_text())

    def close(self) -> None:
        self.parent.communicate()


@pytest.fixture(scope="module")
def laid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laid]:
    made = Laid(tmp_path_factory.mktemp("laid"))
    yield made
    made.close()


def call(
    laid: Laid, *words: str, module: str = "selftaught", code: int = 0, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    done = laid.run(folder or laid.root, module, *words)
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def run(laid: Laid) -> str:
    call(laid, "pretrain", "cpc", "waves", "--out", "runs/whole", *FEW)
    return "runs/whole"


def test_no_file_of_the_package_mentions_it() -> None:
    sources = [path.read_text("utf-8") for path in (ROOT / "selftaught").rglob("*.py")]
    assert not any(
        name in text for text in sources for name in ("data.series", "views.series", "class Strided", '"waves"')
    )
    assert all(not (ROOT / path.relative_to(NEW)).exists() for path in NEW.rglob("*.py")), "new files alone"


def test_the_lists_know_it(laid: Laid) -> None:
    entries = {entry["name"]: entry for entry in json.loads(call(laid, "data", "--json").stdout)}
    assert entries["waves"]["kind"] == "series" and entries["waves"]["cached"]
    told = call(laid, "data", "waves").stdout
    assert "train: 480 samples, 64 length" in told or "train: 480 samples, 32 length" in told
    known = {method["name"]: method for method in json.loads(call(laid, "methods", "--json").stdout)}
    assert known["cpc"]["sees"][0] == "image" and {"series", "signal", "text"} < set(known["cpc"]["sees"])


def test_help_shows_the_sibling_that_the_data_choose(laid: Laid) -> None:
    series = call(laid, "pretrain", "cpc", "waves", "--help").stdout
    assert "--length" in series and "--size" not in series
    assert "By default strided" in " ".join(series.replace("│", " ").split())
    image = call(laid, "pretrain", "cpc", "digits", "--help").stdout
    assert "--size" in image and "--length" not in image and "--negatives" in image
    both = call(laid, "pretrain", "cpc", "--help").stdout
    assert "--size" in both and "--length" in both and "--kind" in both


def test_pretraining_says_what_it_is_about(laid: Laid, run: str) -> None:
    summary = json.loads((laid / run / "summary.json").read_bytes())
    assert (summary["samples"], summary["samples_are"], summary["finished"]) == (480, "series", True)
    assert summary["series_per_second"] > 0
    lines = [json.loads(line) for line in (laid / run / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["knn"] > 60 and "rankme" in lines[-1]  # it is watched as every kind is
    assert "kind: series" in (laid / run / "config.yaml").read_text()


def test_a_killed_run_resumes_to_the_same_bytes(laid: Laid, run: str) -> None:
    command = [sys.executable, "-m", "selftaught", "pretrain", "cpc", "waves", "--out", "runs/killed", *FEW]
    child = subprocess.Popen(command, cwd=laid.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    saved = laid / "runs/killed/checkpoints/step-00000010"
    while child.poll() is None and not saved.exists():
        time.sleep(0.002)
    os.kill(child.pid, signal.SIGKILL) if child.poll() is None else None
    child.wait()
    if not (laid / "runs/killed/encoder.safetensors").exists():  # it died in the middle
        assert "step" in call(laid, "resume", "runs/killed").stderr
    for name in ("encoder.safetensors", "method.safetensors"):
        assert (laid / run / name).read_bytes() == (laid / "runs/killed" / name).read_bytes()


def test_it_is_embedded_judged_and_shown(laid: Laid, run: str) -> None:
    call(laid, "embed", run, "waves", "--split", "test", "--out", "features.npy")
    assert np.load(laid / "features.npy").shape == (120, 16 * 8)
    call(laid, "embed", run, "waves", "--split", "test", "--local", "--out", "local.npy")
    assert np.load(laid / "local.npy").shape == (120, 16, 8)
    call(laid, "embed", run, "waves", "--split", "test", "--layer", "0", "--out", "first.npy")
    assert np.load(laid / "first.npy").shape == (120, 8 * 16)
    judged = json.loads(call(laid, "probe", run, "--quick", "--json").stdout)
    assert judged["linear"]["trained"] > 90 and set(judged["knn"]) == {"trained", "untrained", "raw"}
    assert "cpc" in call(laid, "compare", run).stdout
    call(laid, "report", run)
    page = (laid / run / "report.html").read_text()
    assert "cpc on waves" in page and "the numbers themselves" in page and '"curves"' in page


def test_users_files_are_opened_by_what_they_are(laid: Laid) -> None:
    rows = np.random.default_rng(0).normal(size=(24, 40))
    for i, row in enumerate(rows):
        place = laid / "mine" / ("up", "down")[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        np.savetxt(place / f"{i}.num", row)
    code = (
        "import selftaught, sys; s = selftaught.open_source(sys.argv[1], 'all'); "
        "print(s.samples, len(s), s.classes, s.traits)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "mine"], cwd=laid.root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "series 24 ('down', 'up') {'length': 32}"
    call(laid, "pretrain", "cpc", "mine", "--out", "runs/mine", "--steps", "2", "--batch-size", "8")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["simclr", "waves"], "waves holds series, not images"),
        (["cpc", "waves", "--size", "8"], "size sets how images are read (kind image), but these data are series"),
        (["cpc", "waves", "--encoder", "conv"], "encoder conv does not take series: choose one of strided"),
        (
            ["cpc", "digits", "--length", "8"],
            "length sets how series are read (kind series), but these data are images",
        ),
        (["cpc", "waves", "--length", "3"], "length must be at least 8, not 3"),
        (["moco", "waves", "--data.kind", "text"], "moco learns from images, not from documents"),
        (["cpc", "waves", "--data.kind", "text"], "waves: these are series, not text"),
    ],
)
def test_one_sentence_for_what_does_not_go_together(laid: Laid, words: list[str], sentence: str) -> None:
    assert sentence in call(laid, "pretrain", *words, "--steps", "1", code=2).stderr


def test_what_two_kinds_could_read_is_refused_with_both_named(laid: Laid) -> None:
    from PIL import Image

    (laid / "both").mkdir()
    Image.new("RGB", (8, 8)).save(laid / "both" / "a.png")
    np.savetxt(laid / "both" / "a.num", np.zeros(40))
    said = call(laid, "pretrain", "cpc", "both", "--steps", "1", code=2).stderr
    assert "both could be images or series: choose with --data.kind image or --data.kind series" in said


def test_a_missing_package_is_named_with_its_extra(laid: Laid, tmp_path: Path) -> None:
    shutil.copytree(laid / "selftaught", tmp_path / "selftaught")
    kind = tmp_path / "selftaught/data/series/kind.py"
    kind.write_text(
        kind.read_text().replace('network = "strided"', 'network = "strided"\n    requires = {"absent_pkg": "waves"}')
    )
    said = call(laid, "pretrain", "cpc", "waves", "--steps", "1", code=2, folder=tmp_path).stderr
    assert "reading series needs the package absent_pkg: pip install 'selftaught[waves]'" in said


def test_the_contract_and_the_architecture_hold(laid: Laid) -> None:
    """The same tests as for the package's own methods and files."""
    chosen = ["tests/test_contract.py", "tests/methods/contrast/cpc/test_series.py", "tests/test_architecture.py"]
    done = call(
        laid, *chosen, "-q", "-k", "series or architecture or every_method", "-p", "no:cacheprovider", module="pytest"
    )
    assert " passed" in done.stdout and "cpc-series" not in done.stdout


def test_the_type_checker_and_the_linters_are_content(laid: Laid) -> None:
    new = [path.relative_to(NEW).as_posix() for path in (NEW / "selftaught").rglob("*.py")]
    call(laid, "check", *new, module="ruff")
    call(laid, "-m", "selftaught.data.series.kind", "-m", "selftaught.methods.contrast.cpc.series", module="mypy")
