"""The one door: what it finds, what it refuses, and what it costs."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hostile_folder import encoded, noise

from selftaught.data.image import open_images
from selftaught.errors import UserError


@pytest.mark.parametrize(
    ("data", "match"),
    [
        ("fasion-mnist", "unknown data 'fasion-mnist': did you mean 'fashion-mnist'"),
        ("digit", "did you mean 'digits'"),
        ("qqqq", "unknown data 'qqqq': known are: acsf1, anarchism, arrow-head"),
        ("no/such/folder", "no/such/folder: there is no such file or folder"),
        ("a" * 300, "cannot be read: File name too long"),
        ("~nobody-is-called-this/x", "the home folder ~nobody-is-called-this is not known"),
        ("missing.npz", "missing.npz: there is no such file or folder"),
    ],
)
def test_names_and_paths_that_are_none(data, match):
    with pytest.raises(UserError, match=match):
        open_images(data)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"split": "tset"}, "unknown split 'tset': did you mean 'test'"),
        ({"limit": 0}, "limit must be at least 1, not 0"),
        ({"size": -5}, "size must be at least 1, not -5"),
        ({"labels": [1, 2]}, "labels can be given only with arrays and sequences"),
    ],
)
def test_options_out_of_range(options, match):
    with pytest.raises(UserError, match=match):
        open_images("digits", **options)


def test_files_of_other_kinds(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(encoded(noise(8, 8), "JPEG"))
    with pytest.raises(UserError, match="not a supported file of images: give a folder"):
        open_images(tmp_path / "photo.jpg")
    with pytest.raises(UserError, match="neither a file nor a folder"):
        open_images("/dev/null")


def test_a_folder_named_like_a_data_set(tmp_path, monkeypatch):
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "a.png").write_bytes(encoded(noise(8, 8), "PNG"))
    monkeypatch.chdir(tmp_path)
    assert len(open_images("digits", "all")) == 1797
    assert len(open_images("./digits", "all")) == 1


def test_home_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    np.save(tmp_path / "a.npy", np.zeros((2, 8, 8), np.uint8))
    assert len(open_images("~/a.npy", "all")) == 2


def test_a_source_is_taken_as_it_is():
    source = open_images("digits")
    assert open_images(source, "all") is source
    assert len(open_images(source, "test")) == round(0.2 * len(source))


@pytest.mark.parametrize(
    "code",
    [
        "from selftaught.data import catalog; from selftaught.data.image import open_images",
        "from selftaught.data import catalog; catalog.entries()",
    ],
)
def test_listing_needs_no_torch_and_little_time(code):
    child = subprocess.run(
        [
            sys.executable,
            "-c",
            (
                f"import time; start = time.perf_counter(); {code}; took = time.perf_counter() - start\n"
                "import sys; print(took, [name for name in ('torch', 'numba', 'sklearn', 'skimage', 'pyarrow', "
                "'scipy') if name in sys.modules])"
            ),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, modules = child.stdout.split(maxsplit=1)
    assert modules.strip() == "[]"
    assert float(seconds) < 3


def test_our_sources_obey_the_contract():
    """At run time they do not inherit from `method.Source` (that would import torch); they must not fall behind it."""
    from selftaught.method import Source

    source = open_images("digits")
    for name in (name for name in vars(Source) if not name.startswith("_")):
        assert hasattr(source, name)
