"""The run folder and its checkpoints: whole or absent, never half."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftaught import checkpoint
from selftaught.errors import UserError, unknown
from selftaught.run import Interrupts, RunFolder, to_json, write_atomically

FILES = {"method.safetensors": b"weights" * 40, "optimizer.safetensors": b"moments" * 30, "state.json": b"{}\n"}


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", {"method": {"name": "toy"}})


def full_disk(*_: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_run_opens_as_it_was_created(run: RunFolder) -> None:
    again = RunFolder.open(run.path)
    assert again.config == {"method": {"name": "toy"}}
    assert again.read_json("env.json")["packages"]["torch"].startswith("2.")
    assert again.summary == {} and again.metrics() == []


def test_a_folder_with_something_in_it_is_refused(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"already exists: continue it with 'selftaught resume"):
        RunFolder.create(run.path, {})
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="is not an empty folder"):
        RunFolder.create(tmp_path / "other", {})
    with pytest.raises(UserError, match="is not an empty folder"):
        RunFolder.create(tmp_path / "other" / "thesis.txt", {})
    assert (tmp_path / "other" / "thesis.txt").read_text() == "years of work"
    (tmp_path / "empty").mkdir()
    RunFolder.create(tmp_path / "empty", {})


@pytest.mark.parametrize(
    ("text", "words"),
    [("a: [", "not readable YAML"), ("- 1", "does not contain a configuration"), (None, "not a run folder")],
)
def test_a_folder_that_is_no_run_is_one_sentence(text: str | None, words: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(UserError, match=words) as e:
        RunFolder.open(tmp_path)
    assert "\n" not in str(e.value)


def test_another_process_may_not_write_a_run(run: RunFolder) -> None:
    take = (
        "import sys; from selftaught.run import RunFolder\n"
        "try:\n  with RunFolder.open(sys.argv[1]).lock(): print('taken')\nexcept ValueError as e: print(e)"
    )

    def other() -> str:
        return subprocess.run(
            [sys.executable, "-c", take, str(run.path)], capture_output=True, text=True, check=True
        ).stdout

    with run.lock(), run.lock():
        assert f"is in use by another process (pid {os.getpid()})" in other()
        with pytest.raises(UserError, match="in use"), RunFolder.open(run.path).lock():
            pass
    assert other() == "taken\n"


def test_a_lock_goes_with_its_process(run: RunFolder) -> None:
    hold = (
        "import sys,time; from selftaught.run import RunFolder\n"
        "with RunFolder.open(sys.argv[1]).lock(): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", hold, str(run.path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=f"pid {process.pid}"), run.lock():
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
    with run.lock():
        pass


def test_writing_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    write_atomically(path, b"first")
    with monkeypatch.context() as m:
        m.setattr(os, "fsync", full_disk)
        with pytest.raises(UserError, match=r"cannot write .*a\.json: No space left on device"):
            write_atomically(path, b"second")
    assert path.read_bytes() == b"first" and list(tmp_path.iterdir()) == [path]


def test_metrics_forget_a_half_written_line_and_go_back(run: RunFolder) -> None:
    run.log({"step": 1, "loss": 0.5})
    size = run.metrics_size()
    run.log({"step": 2, "loss": float("nan")})
    with (run.path / "metrics.jsonl").open("ab") as f:
        f.write(b'{"step": 3, "lo')
    assert run.metrics() == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": None}]
    run.truncate_metrics(size)
    assert run.metrics() == [{"step": 1, "loss": 0.5}]


def test_summary_parts_are_kept(run: RunFolder) -> None:
    run.update_summary(steps=3)
    run.update_summary(probe={"knn": 80.0})
    assert run.summary == {"steps": 3, "probe": {"knn": 80.0}}
    (run.path / "summary.json").write_text("{")
    with pytest.raises(UserError, match=r"summary.json cannot be read"):
        _ = run.summary


LEAVES = st.none() | st.booleans() | st.floats() | st.integers(-(2**53), 2**53) | st.text()


@given(st.recursive(LEAVES, lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_json_is_strict_and_floats_survive_exactly(value: Any) -> None:
    def expected(v: Any) -> Any:
        if isinstance(v, float):
            return v if v - v == 0 else None
        if isinstance(v, dict):
            return {k: expected(x) for k, x in v.items()}
        return [expected(x) for x in v] if isinstance(v, list) else v

    assert json.loads(to_json(value), parse_constant=pytest.fail) == expected(value)


def test_checkpoints_come_back_whole(run: RunFolder) -> None:
    assert checkpoint.load(run) is None and checkpoint.newest(run) is None
    checkpoint.write(run, 5, FILES, loss=1.0, keep=2)
    found = checkpoint.load(run)
    assert found is not None and found.step == 5 and found.files == FILES and not found.damaged


def test_the_newest_and_the_best_are_kept(run: RunFolder) -> None:
    for step, loss in enumerate([3.0, 1.0, 2.0, float("inf"), 5.0, 4.0]):
        checkpoint.write(run, step, FILES, loss, keep=2)
    assert sorted(p.name for p in (run.path / "checkpoints").iterdir()) == [
        "step-00000001",
        "step-00000004",
        "step-00000005",
    ]


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_a_cut_or_flipped_byte_anywhere_falls_back(name: str, run: RunFolder) -> None:
    checkpoint.write(run, 1, FILES, 1.0, keep=3)
    checkpoint.write(run, 2, FILES, 1.0, keep=3)
    path = run.path / "checkpoints" / "step-00000002" / name
    whole = path.read_bytes()
    for at in range(len(whole)):
        flipped = bytearray(whole)
        flipped[at] ^= 1 << at % 8
        for damaged in (whole[:at], bytes(flipped)):
            path.write_bytes(damaged)
            found = checkpoint.load(run)
            assert found is not None
            if found.step == 2:  # white space or the loss in the manifest: what matters is unharmed
                assert name == "manifest.json" and found.files == FILES
            else:
                assert found.step == 1 and found.files == FILES and found.damaged[0].startswith("step-00000002: ")
    path.unlink()
    found = checkpoint.load(run)
    assert found is not None and found.step == 1


def test_when_all_are_damaged_it_is_said(run: RunFolder) -> None:
    checkpoint.write(run, 1, FILES, 1.0, keep=1)
    (run.path / "checkpoints" / "step-00000001" / "state.json").write_bytes(b"")
    with pytest.raises(
        UserError, match=r"every checkpoint .* is damaged .*state.json does not match its SHA-256.*start a new run"
    ):
        checkpoint.load(run)


@pytest.mark.parametrize("good_calls", range(0, 12, 2))
def test_a_full_disk_leaves_the_previous_checkpoint(
    good_calls: int, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.write(run, 1, FILES, 1.0, keep=1)
    calls = 0
    original = os.fsync

    def fsync(fd: int) -> None:
        nonlocal calls
        calls += 1
        if calls > good_calls:
            full_disk()
        original(fd)

    with monkeypatch.context() as m:
        m.setattr(os, "fsync", fsync)
        if good_calls >= 6:  # three files, a manifest, two folders
            checkpoint.write(run, 2, FILES, 1.0, keep=1)
        else:
            words = r"cannot save the checkpoint of step 2 .*No space left.*last good checkpoint is step-00000001"
            with pytest.raises(UserError, match=words):
                checkpoint.write(run, 2, FILES, 1.0, keep=1)
    found = checkpoint.load(run)
    assert found is not None and found.files == FILES and found.step in (1, 2)
    checkpoint.write(run, 3, FILES, 1.0, keep=1)
    assert not list((run.path / "checkpoints").glob(".writing-*"))


def test_what_a_killed_process_left_is_swept(run: RunFolder) -> None:
    (run.path / "checkpoints" / ".writing-1").mkdir()
    (run.path / "checkpoints" / ".writing-1" / "method.safetensors").write_bytes(b"half")
    assert checkpoint.load(run) is None
    checkpoint.write(run, 1, FILES, 1.0, keep=1)
    assert [p.name for p in (run.path / "checkpoints").iterdir()] == ["step-00000001"]


def test_the_first_signal_is_noted_and_the_second_ctrl_c_stops() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.signal == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_misspelling_is_answered_with_the_nearest_name() -> None:
    assert str(unknown("method", "simcrl", ["moco", "simclr"])) == "unknown method 'simcrl': did you mean 'simclr'?"
    assert str(unknown("method", "zzzzzz", ["moco", "simclr"])) == "unknown method 'zzzzzz': known are: moco, simclr."
