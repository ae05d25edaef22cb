"""Models of the fastText tool: the tool and gensim read what we write, and we read what the tool writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toys

from selftaught import encoders
from selftaught.encoders.subwords import Subwords
from selftaught.errors import UserError
from selftaught.export import fasttext_bin
from selftaught.export import vectors as files
from selftaught.method import Compiled
from selftaught.methods import load
from selftaught.parts.fasttext_model import of_words
from selftaught.parts.word_vectors import WordVectors

WORDS = ["where", "there", "Ödön", "中文字", "the", "</s>"]
SEEN = {"kind": "text", "tokens": "words", "lower": False, "words": WORDS, "counts": [9, 8, 7, 6, 5, 4]}
UNSEEN = ["here", "wherever", "Ödön's", "中文", "qqq", "x" * 100]


def tool() -> Any:
    return pytest.importorskip("fasttext").FastText


def method(**arguments: Any) -> Compiled:
    """fastText with random rows, as if it were trained."""
    torch.manual_seed(0)
    encoder = encoders.build("subwords", SEEN, dim=6, min_count=1, minn=2, maxn=5, bucket=300)
    made = load("fasttext")(encoder, **arguments)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_()
    assert isinstance(made, Compiled)
    return made


@pytest.fixture
def written(tmp_path: Path) -> Path:
    files.write_model(tmp_path / "ours.bin", method(window=3, negatives=4).fasttext_model(()))  # type: ignore[operator]
    return tmp_path / "ours.bin"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_tool_gives_every_word_our_vector(written: Path) -> None:
    theirs, ours = tool()._FastText(str(written)), method()
    assert theirs.get_words() == WORDS
    for word in [*WORDS, *UNSEEN]:
        np.testing.assert_allclose(theirs.get_word_vector(word), ours.encoder.vector(word), atol=1e-6)
    np.testing.assert_array_equal(theirs.get_output_matrix(), ours.out.detach().numpy())
    args = theirs.f.getArgs()
    assert (args.ws, args.neg, args.minn, args.maxn, args.bucket, args.dim) == (3, 4, 2, 5, 300, 6)


def test_gensim_gives_every_word_our_vector(written: Path) -> None:
    model = pytest.importorskip("gensim.models.fasttext").load_facebook_model(str(written))
    for word in [*WORDS[:-1], *UNSEEN]:  # it gives n-grams to the end of a sentence, unlike the tool
        np.testing.assert_allclose(model.wv[word], method().encoder.vector(word), atol=1e-6)
    assert model.wv.get_vecattr("there", "count") == 8


def test_what_is_read_back_is_what_was_written(written: Path) -> None:
    found, encoder = files.read(written), method().encoder
    assert found.words == tuple(WORDS) and found.counts is not None and found.counts.tolist() == SEEN["counts"]
    np.testing.assert_allclose(found.matrix, encoder.word_vectors().matrix, atol=1e-6)
    for word in UNSEEN:
        np.testing.assert_allclose(found.vector(word), encoder.vector(word), atol=1e-6)
    assert files.read(written, limit=2).words == tuple(WORDS[:2])


def test_words_without_ngrams_are_a_model_as_well(tmp_path: Path) -> None:
    matrix = np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32)
    files.write_model(tmp_path / "x.bin", of_words(WordVectors(("new york", "the"), matrix), None))
    found = files.read(tmp_path / "x.bin")
    assert found.words == ("new york", "the") and found.vector("york") is None
    np.testing.assert_array_equal(found.matrix, matrix)
    theirs = tool().load_model(str(tmp_path / "x.bin"))
    np.testing.assert_array_equal(theirs.get_word_vector("new york"), matrix[0])


def test_a_limit_keeps_the_ngrams(tmp_path: Path) -> None:
    encoder = method().encoder
    rows = encoder.subword_rows()
    files.write_model(tmp_path / "x.bin", of_words(encoder.word_vectors().first(2), rows.first(2)))
    found = files.read(tmp_path / "x.bin")
    assert found.words == tuple(WORDS[:2])
    np.testing.assert_allclose(found.matrix, encoder.word_vectors().matrix[:2], atol=1e-6)
    np.testing.assert_allclose(found.vector("here"), encoder.vector("here"), atol=1e-6)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that the tool trained and saved."""
    folder = tmp_path_factory.mktemp("tool")
    (folder / "text").write_text("where there here\nthe Ödön where there\n" * 50, encoding="utf-8")
    options = {"dim": 5, "minn": 2, "maxn": 4, "bucket": 200, "minCount": 1, "epoch": 2, "thread": 1, "verbose": 0}
    model = tool().train_unsupervised(str(folder / "text"), **options)
    model.save_model(str(folder / "model.bin"))
    return folder / "model.bin"


def test_a_model_of_the_tool_is_read(theirs: Path) -> None:
    model, found = tool().load_model(str(theirs)), files.read(theirs)
    assert list(found.words) == model.get_words() and "</s>" in found.words
    for word in [*found.words, *UNSEEN]:
        np.testing.assert_allclose(found.vector(word), model.get_word_vector(word), atol=1e-6)


def test_a_model_of_the_tool_starts_an_encoder_with_its_ngrams(theirs: Path) -> None:
    rows = fasttext_bin.rows(theirs)
    encoder = Subwords(SEEN | {"words": ["there", "nowhere", "Ödön"], "counts": [3, 2, 1]}, 5, 1, 2, 4, 200)
    encoder.start_from_rows(rows)
    model = tool().load_model(str(theirs))
    for word in ("there", "Ödön"):
        np.testing.assert_allclose(encoder.vector(word), model.get_word_vector(word), atol=1e-6)
    grams = encoder.rows_of(["nowhere"])[0][1:]
    _, theirs_rows = model.get_subwords("nowhere")
    expected = model.get_input_matrix()[theirs_rows]
    np.testing.assert_allclose(encoder.table[torch.from_numpy(grams).long()].detach(), expected, atol=1e-6)
    with pytest.raises(UserError, match=r"has bucket 200 and this one 100: give --encoder.bucket 200"):
        Subwords(SEEN, 5, 1, 2, 4, 100).start_from_rows(rows)


def test_a_quantised_model_is_refused_in_one_sentence(tmp_path: Path) -> None:
    lines = [f"__label__{'ab'[i % 2]} w{i} v{i}\n" for i in range(150)]
    (tmp_path / "text").write_text("".join(lines))
    model = tool().train_supervised(str(tmp_path / "text"), dim=8, epoch=1, thread=1, verbose=0)
    model.save_model(str(tmp_path / "supervised.bin"))
    assert {"w0", "v149", "</s>"} < set(files.read(tmp_path / "supervised.bin").words)
    model.quantize()
    model.save_model(str(tmp_path / "x.ftz"))
    with pytest.raises(UserError, match=r"is a quantised fastText model \(\.ftz\)"):
        files.read(tmp_path / "x.ftz")


def test_damaged_models(written: Path, tmp_path: Path) -> None:
    whole = written.read_bytes()
    for size in (*range(4, 240, 7), len(whole) // 2, len(whole) - 1):
        (tmp_path / "x.bin").write_bytes(whole[:size])
        with pytest.raises(UserError, match="is a damaged fastText model"):
            files.read(tmp_path / "x.bin")
    (tmp_path / "x.bin").write_bytes(whole[:4] + b"\x63" + whole[5:])
    with pytest.raises(UserError, match="version 99, but only versions 11 and 12"):
        files.read(tmp_path / "x.bin")
    at = whole.index(method().encoder.table[0].detach().numpy().tobytes())
    (tmp_path / "x.bin").write_bytes(whole[:at] + np.float32("nan").tobytes() + whole[at + 4 :])
    with pytest.raises(UserError, match="a number that is not finite"):
        files.read(tmp_path / "x.bin")
    (tmp_path / "x.bin").write_bytes(whole.replace(b"there\0", b"th\xffre\0"))
    with pytest.raises(UserError, match="word 2: the word is not UTF-8 text; read it with --errors replace"):
        files.read(tmp_path / "x.bin")
    assert files.read(tmp_path / "x.bin", errors="replace").words[1] == "th\ufffdre"
    rng = np.random.default_rng(0)
    for _ in range(100):  # whatever bit is flipped: vectors, or one sentence
        broken = bytearray(whole)
        broken[int(rng.integers(0, 200))] ^= 1 << int(rng.integers(8))
        (tmp_path / "x.bin").write_bytes(bytes(broken))
        try:
            assert np.isfinite(files.read(tmp_path / "x.bin", errors="replace").matrix).all()
        except UserError:
            continue


@pytest.mark.parametrize("loss", ["softmax", "hierarchical", "one_vs_all", "negative"])
@pytest.mark.parametrize("network", ["lookup", "subwords"])
def test_a_classifier_says_the_same_in_the_tool(tmp_path: Path, loss: str, network: str) -> None:
    from selftaught.data.text.corpus import Corpus

    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(5), [10, 20, 10, 20, 40])  # ties, also with sums of others
    corpus = Corpus.of(
        [" ".join(f"w{int(k) * 3 + int(i)}" for i in rng.integers(0, 9, 8)) for k in labels], labels.tolist()
    )
    torch.manual_seed(0)
    made = load("fasttext_classifier")(
        encoders.build(network, corpus.input(), dim=6, min_count=1), loss=loss, threads=1
    )
    made.prepare(corpus)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_()
    names = [f"class {k}" for k in range(5)]
    files.write_model(tmp_path / "x.bin", made.fasttext_model(names))  # type: ignore[operator]
    model = tool().load_model(str(tmp_path / "x.bin"))
    assert model.get_labels()[:2] == ["__label__class 4", "__label__class 1"]
    scores = made.classify([text.split() for text in map(corpus.text, range(20))])  # type: ignore[operator]
    ours = (scores.sigmoid() if made.independent else scores.softmax(1)).detach().numpy()  # type: ignore[union-attr]
    for row, expected in enumerate(ours):
        said = {label: p for p, label in model.f.predict(corpus.text(row) + "\n", 5, 0.0, "strict")}
        found = [said.get(f"__label__{name}", 0.0) for name in names]
        np.testing.assert_allclose(found, expected, atol=0.01 if made.independent else 1e-4)  # its logistic is a table


def test_a_classifier_with_two_kinds_of_hashes_is_refused() -> None:
    made = load("fasttext_classifier")(
        encoders.build("subwords", toys.text().input(), dim=6, min_count=1), word_ngrams=2, threads=1
    )
    made.prepare(toys.text())
    with pytest.raises(UserError, match="train it with --word-ngrams 1, or with --encoder lookup"):
        made.fasttext_model(())  # type: ignore[operator]


@pytest.mark.parametrize(("words", "says"), [
    (("a", "a"), "'a' occurs twice"), (("a", "\ud800"), "half of a surrogate pair"), (("a", "b\0"), "a byte 0"),
    (("a", ""), "nothing at all"), ((), "no words"),
])  # fmt: skip
def test_words_that_the_format_cannot_hold(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    vectors = WordVectors(words, np.zeros((len(words), 3), np.float32))
    with pytest.raises(UserError, match=says):
        files.write_model(tmp_path / "x.bin", of_words(vectors, None))
    with pytest.raises(UserError, match="write it with write_model"):
        files.write(tmp_path / "x.bin", vectors, format="bin")
    assert not list(tmp_path.iterdir())
