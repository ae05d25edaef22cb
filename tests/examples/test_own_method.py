"""The example of the documentation: a method of one's own, from the command line and back."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import selftaught
from selftaught.cli import main
from selftaught.errors import UserError

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "mine.py"
FEW = ["--steps", "6", "--batch-size", "32", "--limit", "96", "--encoder.width", "8"]


def test_the_page_shows_the_example_as_it_is() -> None:
    page = (ROOT / "docs" / "own-method.md").read_text("utf-8")
    assert f"```python\n{EXAMPLE.read_text('utf-8')}```" in page


def test_it_trains_resumes_and_is_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    mine = tmp_path / "mine.py"
    mine.write_text(EXAMPLE.read_text())
    assert main(["pretrain", str(mine), "digits", *FEW, "--weight", "0.5", "--out", str(out)]) == 0
    config = yaml.safe_load((out / "config.yaml").read_text())
    assert config["method"] == {"name": str(mine), "dim": 32, "weight": 0.5} and len(config["method_file"]) == 64
    run = selftaught.load(out)
    assert type(run.method()).__name__ == "Mine"
    assert run.embed("digits", split="test").shape[0] == 360
    assert set(run.probe("digits", quick=True)["linear"]) == {"trained", "untrained", "raw"}
    capsys.readouterr()
    assert main(["pretrain", str(mine), "--help"]) == 0
    shown = capsys.readouterr().out
    assert "--weight" in shown and "Of the second term" in shown
    assert main(["compare", str(out)]) == 0


def test_a_file_that_changed_is_not_resumed(tmp_path: Path) -> None:
    out, mine = tmp_path / "run", tmp_path / "mine.py"
    mine.write_text(EXAMPLE.read_text())
    selftaught.pretrain(str(mine), "digits", steps=2, batch_size=32, limit=96, out=out, progress=False)
    (out / "summary.json").unlink()
    mine.write_text(EXAMPLE.read_text().replace("1 - correlation", "2 - correlation"))
    with pytest.raises(UserError, match=r"mine\.py has changed since the run .* was started"):
        selftaught.resume(out, progress=False)
