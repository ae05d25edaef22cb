"""Files that are no videos, or bad ones: one sentence each, and a folder goes on without them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from video_files import Write, frames

from selftaught.data.video.cameras import shift
from selftaught.data.video.kind import Video
from selftaught.errors import UserError


def reason(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        Video().read(path, "all")
    return str(caught.value).removeprefix(f"{path}: ")


def test_sound_alone_has_no_video_stream(tmp_path: Path, write: Write) -> None:
    import av

    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert reason(path) == "it has no video stream"


def test_cut_damaged_and_empty_files(tmp_path: Path, write: Write) -> None:
    noisy = frames(60, 48, 64) + np.random.default_rng(0).integers(0, 30, (60, 48, 64, 3), np.uint8)
    whole = write(tmp_path / "a.avi", noisy).read_bytes()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole[: len(whole) // 2])
    assert "it breaks off after" in reason(cut)
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(np.random.default_rng(0).bytes(5000))
    assert reason(noise).startswith("it cannot be read as a video (")
    (tmp_path / "empty.mp4").write_bytes(b"")
    assert reason(tmp_path / "empty.mp4").startswith("it cannot be read as a video (")


def test_one_frame_and_changing_sizes(tmp_path: Path, write: Write, shots: Write) -> None:
    assert reason(write(tmp_path / "one.mp4", frames(1))) == "1 frame: a video needs at least 2"
    shots(tmp_path / "grows", frames(3))
    shots(tmp_path / "grows", frames(1, 30, 40), "f_{}9.png")
    assert "its frames change size at f_09.png, from 32x24 to 40x30" in reason(tmp_path / "grows")
    (tmp_path / "torn").mkdir()
    for number in range(3):
        (tmp_path / "torn" / f"{number}.png").write_bytes(b"\x89PNG\r\n")
    assert "its frame 0.png cannot be decoded" in reason(tmp_path / "torn")


def test_a_file_whose_frames_change_size_is_said_where(tmp_path: Path, write: Write) -> None:
    small, large = write(tmp_path / "s.mpg", frames(8)), write(tmp_path / "l.mpg", frames(8, 48, 64))
    both = tmp_path / "both" / "a.mpg"
    both.parent.mkdir()
    both.write_bytes(small.read_bytes() + large.read_bytes())  # streams of MPEG can be joined so
    said = reason(both)
    assert "its frames change size at frame" in said or "breaks off" in said


def test_a_folder_goes_on_without_bad_files_and_counts_them(tmp_path: Path, write: Write) -> None:
    write(tmp_path / "good.mp4", frames(8))
    write(tmp_path / "one.mp4", frames(1))
    (tmp_path / "noise.mp4").write_bytes(b"nothing")
    source = Video().read(tmp_path, "all")
    assert len(source) == 8
    assert [one["path"] for one in source.skipped] == ["noise.mp4", "one.mp4"]


def test_without_the_package_one_sentence_says_what_to_install(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "never-read.mp4", frames(4))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UserError, match=r"needs the package av: pip install 'selftaught\[video\]'"):
        Video().read(path, "all")


def moving(count: int, late: int = 0) -> np.ndarray:
    """Frames whose square jumps by steps that are different each time, `late` frames later."""
    steps = np.random.default_rng(5).integers(0, 9, count + 40)[40 - late :][:count]
    found = np.full((count, 24, 48, 3), 30, np.uint8)
    for t, x in enumerate(np.cumsum(steps) % 40):
        found[t, 6:18, x : x + 8] = 200
    return found


def test_cameras_of_one_scene_are_found_by_name(tmp_path: Path, shots: Write) -> None:
    for camera in ("view0", "view1"):
        shots(tmp_path / "pour" / camera / "cup", moving(30))
    shots(tmp_path / "pour" / "jug", moving(20))
    source = Video().read(tmp_path, "all")
    assert [(c.scene, c.camera, len(c)) for c in source.clips] == [
        ("pour/jug", 0, 20), ("pour/cup", 0, 30), ("pour/cup", 1, 30)
    ]  # fmt: skip
    first, second = source.places[20:50], source.places[50:]
    assert np.array_equal(first[:, [0, 2]], second[:, [0, 2]]) and not np.array_equal(first, second)
    assert len(np.unique(source.groups)) == 2 and "2 scenes from up to 2 cameras" in source.notes


def test_a_frame_more_at_the_end_is_cut_and_more_are_refused(tmp_path: Path, shots: Write) -> None:
    shots(tmp_path / "ok_view0", moving(30))
    shots(tmp_path / "ok_view1", moving(29))
    shots(tmp_path / "no_view0", moving(30))
    shots(tmp_path / "no_view1", moving(20))
    source = Video().read(tmp_path, "all")
    assert [len(clip) for clip in source.clips] == [29, 29]
    (said,) = source.skipped
    assert said["path"] == "no" and said["reason"].startswith("its cameras have 30 and 20 frames: views of a scene")


def test_cameras_that_started_at_other_moments_are_refused(tmp_path: Path, shots: Write) -> None:
    shots(tmp_path / "a_cam1", moving(60))
    shots(tmp_path / "a_cam2", moving(60, late=7))
    assert "its cameras are not in time: a_cam2 moves like a_cam1 7 frames later" in reason(tmp_path)


def test_the_shift_of_motion() -> None:
    noise = np.random.default_rng(0).random(200)
    assert shift(noise[10:110], noise[5:105]) == 5 and shift(noise[5:105], noise[10:110]) == -5
    assert shift(noise[:100], noise[:100]) == 0
    assert shift(noise[:100], np.random.default_rng(1).random(100)) == 0
    assert shift(np.zeros(100), noise[:100]) == 0
