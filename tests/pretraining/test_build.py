"""From a configuration to source, encoder and method."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from selftaught import encoders
from selftaught.config import Layer, resolve
from selftaught.data import open_source
from selftaught.data.text.corpus import Corpus
from selftaught.errors import UserError
from selftaught.export import vectors
from selftaught.parts.fasttext_model import of_words
from selftaught.parts.word_vectors import WordVectors
from selftaught.pretraining.build import build, locate, open_data, untrained
from selftaught.pretraining.weights import inherited
from selftaught.run import write_atomically

RNG = np.random.default_rng(5)


def config(**values):
    sections = {
        "method": "simclr",
        "data": {"source": "digits"},
        "encoder": {"name": "conv", "width": 4},
        "recipe": {"batch_size": 16},
    }
    named = values.get("data", {"source": 1}).get("source") is not None
    return resolve(Layer.of(sections | values), data=None if named else np.zeros((9, 8, 8), np.uint8))


def test_data_are_named_so_that_a_run_finds_them_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    assert locate("digits") == "digits"
    assert locate("mine") == locate(tmp_path / "mine") == str(tmp_path / "mine")
    assert locate("gone") == "gone"
    assert locate(np.zeros((3, 4, 4), np.uint8)) is None


def test_unlabelled_data_are_used_whole_and_labelled_are_split(tmp_path):
    images = RNG.integers(0, 256, (60, 8, 8), dtype=np.uint8)
    source, split = open_data(config(data={"source": None}), images)
    assert (len(source), split) == (60, "all")
    np.savez(tmp_path / "labelled.npz", images=images, labels=np.arange(60) % 3)
    source, split = open_data(config(data={"source": str(tmp_path / "labelled.npz")}))
    assert split == "train"
    assert 30 < len(source) < 60
    source, split = open_data(config(data={"source": str(tmp_path / "labelled.npz"), "split": "all", "limit": 11}))
    assert (len(source), split) == (11, "all")


def test_data_that_were_in_memory_cannot_be_found():
    with pytest.raises(UserError, match="resume it from Python"):
        open_data(config(data={"source": None}))


def test_initial_weights_are_a_pure_function_of_the_seed():
    source = open_source("digits", "train", 64)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = build(config(), source).state_dict()
    assert torch.equal(before, torch.get_rng_state())  # the caller's own numbers go on
    torch.manual_seed(2)
    second, other = build(config(), source).state_dict(), build(config(recipe={"seed": 1}), source).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_training_starts_from_other_weights(tmp_path):
    source = open_source("digits", "train", 64)
    donor = build(config(recipe={"seed": 7}), source).encoder
    write_atomically(tmp_path / "encoder.safetensors", encoders.save(donor))
    for init in (tmp_path, tmp_path / "encoder.safetensors"):
        taken = build(config(init=str(init)), source).encoder.state_dict()
        assert all(torch.equal(taken[key], value) for key, value in donor.state_dict().items())
    layer = inherited(str(tmp_path))
    assert layer.values["encoder.name"] == "conv"
    assert layer.values["encoder.width"] == 4
    assert "encoder.input" not in layer.values


def test_words_start_from_vectors_of_any_tool(tmp_path):
    corpus = Corpus.of([["the", "cat", "sat"]] * 9)
    matrix = RNG.normal(size=(2, 4)).astype(np.float32)
    text = {"method": "glove", "data": {"source": None}, "encoder": {"name": "lookup", "dim": 4}}
    for name in ("x.txt", "x.bin", "x.safetensors"):
        vectors.write(tmp_path / name, WordVectors(("cat", "dog"), matrix))
        chosen = config(**text, init=str(tmp_path / name), recipe={})
        assert torch.equal(build(chosen, corpus).encoder.table[corpus_row(corpus, "cat")], torch.from_numpy(matrix[0]))
        assert not torch.equal(
            untrained(chosen, corpus.whole_input()).table[corpus_row(corpus, "cat")], torch.from_numpy(matrix[0])
        )
        assert inherited(str(tmp_path / name)).values == {}


@pytest.mark.parametrize("name", ["x.txt", "x.safetensors"])
def test_words_with_ngrams_start_from_vectors_of_any_tool(name, tmp_path):
    corpus = Corpus.of([["the", "cat", "sat"]] * 9)
    matrix = RNG.normal(size=(2, 4)).astype(np.float32)
    vectors.write(tmp_path / name, WordVectors(("cat", "dog"), matrix))
    text = {"method": "fasttext", "data": {"source": None}, "encoder": {"name": "subwords", "dim": 4}}
    chosen = config(**text, init=str(tmp_path / name), recipe={})
    np.testing.assert_allclose(build(chosen, corpus).encoder.vector("cat"), matrix[0], atol=1e-5)


def test_it_is_said_how_much_of_the_given_weights_was_taken(tmp_path):
    corpus = Corpus.of([["the", "cat", "sat"]] * 9)
    text = {"data": {"source": None}, "init": str(tmp_path / "x.bin"), "recipe": {}}
    lookup = config(**text, method="glove", encoder={"name": "lookup", "dim": 4})
    grams = config(**text, method="fasttext", encoder={"name": "subwords", "dim": 4, "minn": 3, "maxn": 3})
    words = WordVectors(("cat", "dog", "cow"), np.ones((3, 4), np.float32))
    told: list[str] = []
    for form in ("binary", "bin"):
        if form == "bin":
            vectors.write_model(tmp_path / "x.bin", of_words(words, None))
        else:
            vectors.write(tmp_path / "x.bin", words, format=form)
        build(lookup, corpus, told.append)
        build(grams, corpus, told.append)
    assert set(told) == {f"{tmp_path / 'x.bin'}: 1 of 3 words start from its 3 vectors, the others at random"}
    other = build(replace(grams, init=None), Corpus.of([["a", "cat", "scat"]] * 9)).encoder
    vectors.write_model(tmp_path / "x.bin", of_words(other.word_vectors(), other.subword_rows()))
    told.clear()
    taken = build(grams, corpus, told.append).encoder
    # a model of the tool has a row for every bucket
    assert told == [f"{tmp_path / 'x.bin'}: 1 of 3 words and 8 of 8 n-grams start from its rows, the others at random"]
    np.testing.assert_allclose(taken.vector("cat"), other.vector("cat"), atol=1e-6)


def test_words_with_ngrams_start_from_those_of_another_text(tmp_path):
    text = {"method": "fasttext", "data": {"source": None}, "encoder": {"name": "subwords", "dim": 4}}
    donor = build(config(**text, recipe={"seed": 7}), Corpus.of([["the", "cats", "sat"]] * 9)).encoder
    write_atomically(tmp_path / "encoder.safetensors", encoders.save(donor))
    corpus = Corpus.of([["a", "cat", "sat", "on"]] * 9)
    for init in (tmp_path, tmp_path / "encoder.safetensors"):
        taken = build(config(**text, init=str(init), recipe={}), corpus).encoder
        assert np.array_equal(taken.vector("sat"), donor.vector("sat"))
        assert np.array_equal(taken.vector("<ca"), donor.vector("<ca"))
    lookup = text | {"method": "fasttext_classifier", "encoder": {"name": "lookup", "dim": 4}}
    taken = build(config(**lookup, init=str(tmp_path / "encoder.safetensors"), recipe={}), corpus).encoder
    np.testing.assert_allclose(taken.word_vectors().vector("sat"), donor.vector("sat"), rtol=1e-5)
    other = text | {"encoder": {"name": "subwords", "dim": 4, "minn": 2}}
    with pytest.raises(UserError, match=r"has minn 3 and this one 2: give --encoder\.minn 3"):
        build(config(**other, init=str(tmp_path), recipe={}), corpus)


def test_a_large_vocabulary_is_no_hindrance_to_inheriting(tmp_path):
    words = [f"word{'x' * 20}{i}" for i in range(40_000)]  # more than a megabyte in the head of the file
    text = {
        "method": "fasttext",
        "data": {"source": None},
        "encoder": {"name": "subwords", "dim": 2, "minn": 2, "min_count": 1},
    }
    donor = build(config(**text, recipe={}), Corpus.of([words])).encoder
    write_atomically(tmp_path / "encoder.safetensors", encoders.save(donor))
    values = inherited(str(tmp_path)).values
    assert values["encoder.name"] == "subwords"
    assert values["encoder.minn"] == 2


def test_other_encoders_of_text_start_from_no_vectors_of_words(tmp_path):
    vectors.write(tmp_path / "x.bin", WordVectors(("cat", "dog"), np.ones((2, 4), np.float32)))
    chosen = config(method="nnlm", data={"source": None}, encoder={"name": "bag"}, init=str(tmp_path / "x.bin"))
    with pytest.raises(UserError, match="init has no effect on encoder bag, which has no weights: remove it"):
        build(chosen, Corpus.of([["the", "cat", "sat"]] * 9))


def corpus_row(corpus, word):
    return list(corpus.words).index(word)


def test_weights_of_another_architecture_are_refused(tmp_path):
    source = open_source("digits", "train", 64)
    write_atomically(tmp_path / "encoder.safetensors", encoders.save(build(config(), source).encoder))
    with pytest.raises(UserError, match="does not fit encoder conv"):
        build(config(encoder={"name": "conv", "width": 8}, init=str(tmp_path)), source)
    (tmp_path / "run").mkdir()
    with pytest.raises(UserError, match="is not a run folder"):
        build(config(init=str(tmp_path / "run")), source)
    (tmp_path / "torn.safetensors").write_bytes(b"12345")
    assert inherited(str(tmp_path / "torn.safetensors")).values == {}
    with pytest.raises(UserError, match=r"torn\.safetensors is not a readable"):
        build(config(init=str(tmp_path / "torn.safetensors")), source)


@pytest.mark.parametrize("method", ["simclr", "cmc"])
def test_the_untrained_encoder_is_what_the_method_starts_from(method):
    source = open_source(RNG.integers(0, 256, (20, 12, 12, 3), dtype=np.uint8), "all")
    chosen = config(method=method, data={"source": None})
    started, before = build(chosen, source).encoder, untrained(chosen, chosen.reading().input(source))
    assert before.spec == started.spec
    assert all(torch.equal(tensor, before.state_dict()[key]) for key, tensor in started.state_dict().items())


def test_cmc_refuses_grey_images_before_anything_is_written():
    source = open_source(RNG.integers(0, 256, (20, 12, 12), dtype=np.uint8), "all")
    with pytest.raises(UserError, match="these are grey: they have 1 channel, not 3: give it colour images"):
        build(config(method="cmc", data={"source": None}), source)
