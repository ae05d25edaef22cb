from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import selftaught
from selftaught.cli import main
from selftaught.data.stereo import toy
from selftaught.errors import UserError
from selftaught.evaluate.tasks.depth import Depth
from selftaught.pretraining import Run
from selftaught.report.sections.depth import table


def arrays(n: int, seed: int = 0) -> dict[str, np.ndarray]:
    batch = toy.source(n, seed).fetch(np.arange(n))
    return {"left": batch["stereo"][:, 0], "right": batch["stereo"][:, 1], "disparity": batch["disparity"]}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("depth")
    np.savez(folder / "pairs.npz", **arrays(160))
    return selftaught.pretrain(
        "monodepth", folder / "pairs.npz", out=folder / "run", steps=120, scales=3, jitter=0.0, flip=0.0, crop=1.0,
        lr=5e-3, batch_size=24, smoothness=0.01, encoder={"name": "conv", "width": 8, "depth": 2}, progress=False,
    )  # fmt: skip


def test_pairs_with_known_disparities_keep_a_part_to_judge_by(run: Run) -> None:
    assert run.config.data["split"] == "train" and run.summary["samples"] == 128


def test_the_trained_method_is_judged_beside_the_untrained_one_and_a_constant(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["probe", str(run.path), "--json"]) == 0
    judged = json.loads(capsys.readouterr().out)["depth"]
    assert (
        judged["trained"]["abs"] < judged["untrained"]["abs"] and judged["trained"]["abs"] < judged["constant"]["abs"]
    )
    assert set(judged["constant"]) == {"abs", "rmse", "d1", "bad"}  # nothing says where the principal points are
    rows = Depth().tables(judged)[0].rows
    assert rows[0]["trained"] == judged["trained"]["abs"] and rows[0]["constant"] == judged["constant"]["abs"]
    assert Depth().columns(run.summary)["disparity error"] == judged["trained"]["abs"]
    assert main(["compare", str(run.path)]) == 0
    assert f"{judged['trained']['abs']:.1f}" in capsys.readouterr().out


def test_pairs_without_disparities_cannot_judge(run: Run) -> None:
    with pytest.raises(UserError, match="the disparity of no training pair is known"):
        run.probe({key: value for key, value in arrays(20, 2).items() if key != "disparity"})


def test_disparities_are_predicted_into_files(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = arrays(3, seed=1)
    np.savez(tmp_path / "new.npz", **known)
    assert main(["predict", str(run.path), str(tmp_path / "new.npz"), "--out", str(tmp_path / "found")]) == 0
    found = np.stack([np.load(tmp_path / f"found/{i}.npy") for i in range(3)])
    assert found.shape == (3, 16, 16)
    said = capsys.readouterr()
    error = float(np.abs(found - known["disparity"]).mean())
    assert "the disparities of 3 pairs are in" in said.out
    assert f"a mean error of {error:.2f} pixels" in said.out + said.err
    assert main(["predict", str(run.path), str(tmp_path / "new.npz"), "--out", str(tmp_path / "pfm"), "--pfm"]) == 0
    assert (tmp_path / "pfm/0.pfm").read_bytes().startswith(b"Pf\n16 16\n-1.0\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [([], "name a folder with --out"), (["--out", "x", "-k", "2"], "for which only --out and --pfm have an effect")],
)
def test_what_disparities_do_not_have_is_refused(
    run: Run, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert main(["predict", str(run.path), str(run.path.parent / "pairs.npz"), *words]) == 2
    assert sentence in capsys.readouterr().err


def test_the_report_shows_pictures_disparities_and_errors(run: Run) -> None:
    page = run.report().read_text()
    assert "How far away is it?" in page and "linear-gradient" in page and "found" in page
    assert "Is it better than no training?" not in page


def test_the_table_of_the_report_has_what_was_measured() -> None:
    judged = {"trained": {"abs": 1.25, "d1": 20.0}, "constant": {"abs": 3.0, "d1": "evil"}}
    assert table(judged) == {
        "columns": ["trained", "constant"],
        "rows": [["Mean error, pixels", "1.2", "3.0"], ["Off by more than 3 pixels and 5%", "20.0", None]],
    }
    assert table(None) is None and table({"trained": 3}) is None
