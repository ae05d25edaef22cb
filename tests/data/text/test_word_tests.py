"""Rated pairs and analogies: small files, an installed package and a pip that are played."""

from __future__ import annotations

import hashlib
import zipfile
from types import SimpleNamespace

import pytest

from selftaught.data import remote
from selftaught.data.text import word_tests
from selftaught.errors import UserError

SMALL = {
    "wordsim353.tsv": b"# a title\n# Word 1\tWord 2\tHuman (mean)\nlove\tsex\t6.77\ntiger\ttiger\t10.00\n",
    "simlex999.txt": b"# a title\nold\tnew\t1.58\n",
    "questions-words.txt": b": capital-world\nAthens Greece Oslo Norway\n: gram8-plural\ncat cats dog dogs\ndog "
    b"dogs cat cats\n",
}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Small files, no installed gensim, and a pip that stands on the path."""
    files = {name: (file, hashlib.sha256(SMALL[file]).hexdigest()) for name, (file, _) in word_tests.FILES.items()}
    monkeypatch.setattr(word_tests, "FILES", files)
    monkeypatch.setattr(word_tests, "find_spec", lambda name: None)
    monkeypatch.setattr(remote, "find_spec", lambda name: None)


@pytest.fixture
def pip(programs, tmp_path):
    """Plays pip: serves a wheel of these files, and writes down how it was called."""

    def serve(files: dict[str, bytes] = SMALL) -> None:
        with zipfile.ZipFile(tmp_path / "gensim-4.4.0.whl", "w") as archive:
            for name, data in files.items():
                archive.writestr(f"gensim/test/test_data/{name}", data)
        keep = f'case "$last" in --dest) cp {tmp_path}/gensim-4.4.0.whl "$word" ;; esac'
        programs("pip", f'echo "$@" >> {tmp_path}/pip.log\nfor word; do {keep}; last=$word; done')

    return serve


def same(name: str) -> None:
    assert word_tests.similarity("wordsim353") == [("love", "sex", 6.77), ("tiger", "tiger", 10.0)]
    assert word_tests.similarity("simlex999") == [("old", "new", 1.58)]
    assert word_tests.analogies() == {
        "capital-world": [("Athens", "Greece", "Oslo", "Norway")],
        "gram8-plural": [("cat", "cats", "dog", "dogs"), ("dog", "dogs", "cat", "cats")],
    }
    assert word_tests.cached(), name


def test_from_the_wheel_once_without_running_anything_of_it(pip, tmp_path):
    assert not word_tests.cached()
    pip()
    same("wheel")
    [line] = (tmp_path / "pip.log").read_text().splitlines()
    assert "download --no-deps --only-binary :all: --python-version 3.11" in line
    assert line.endswith("gensim==4.4.0")


def test_from_the_installed_package_first(pip, tmp_path, monkeypatch):
    folder = tmp_path / "gensim" / "test" / "test_data"
    folder.mkdir(parents=True)
    for name, data in SMALL.items():
        (folder / name).write_bytes(data)
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path / "gensim")])
    monkeypatch.setattr(word_tests, "find_spec", lambda name: spec)
    pip()
    same("installed")
    assert not (tmp_path / "pip.log").exists()


@pytest.mark.parametrize("trouble", ["none of them", "other bytes"])
def test_another_version_installed_is_passed_over(pip, tmp_path, monkeypatch, trouble):
    folder = tmp_path / "gensim" / "test" / "test_data"
    folder.mkdir(parents=True)
    if trouble == "other bytes":
        for name in SMALL:
            (folder / name).write_bytes(b"of another version")
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path / "gensim")])
    monkeypatch.setattr(word_tests, "find_spec", lambda name: spec)
    pip()
    same("wheel")


def test_a_damaged_file_is_fetched_again(pip, own_cache):
    pip()
    word_tests.analogies()
    path = own_cache / "word-tests" / "simlex999.txt"
    path.write_bytes(path.read_bytes().replace(b"1.58", b"9.58"))
    same("again")


@pytest.mark.parametrize(
    ("serve", "match"),
    [
        (None, "gensim is not installed; pip is not installed"),
        ("exit 1", "pip cannot download gensim 4.4.0"),
        ("true", "pip did not download a complete wheel of gensim 4.4.0"),
        ({"wordsim353.tsv": SMALL["wordsim353.tsv"]}, "the wheel of gensim has no simlex999.txt"),
        (SMALL | {"simlex999.txt": b"other"}, "simlex999.txt is not the file that was expected"),
    ],
)
def test_nowhere_is_one_sentence(pip, programs, own_cache, serve, match):
    if isinstance(serve, dict):
        pip(serve)
    elif serve:
        programs("pip", serve)
    with pytest.raises(UserError, match=match) as caught:
        word_tests.similarity("simlex999")
    assert "pip install gensim" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(own_cache.rglob("*.partial"))


def test_another_name_is_refused():
    with pytest.raises(UserError, match="did you mean 'wordsim353'"):
        word_tests.similarity("wordsim")


def test_what_they_are(users_cache, monkeypatch):
    monkeypatch.undo()  # the true digests
    try:
        pairs = {name: word_tests.similarity(name) for name in word_tests.PAIRS}
        sections = word_tests.analogies()
    except UserError as reason:
        pytest.skip(str(reason))
    assert {name: len(rows) for name, rows in pairs.items()} == {"wordsim353": 353, "simlex999": 999}
    assert all(0 <= rating <= 10 for rows in pairs.values() for *_, rating in rows)
    assert (len(sections), sum(map(len, sections.values()))) == (14, 19_544)
    assert sum(name.startswith("gram") for name in sections) == 9
