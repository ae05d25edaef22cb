"""Runs that start from a Hugging Face folder on disk, and what is no such folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from foreign_folders import SENTENCES, TEXT, bert, gpt2

import selftaught
from selftaught.cli import main
from selftaught.encoders.transformer import Transformer
from selftaught.errors import UserError
from selftaught.parts.tokens import tokenise_as
from selftaught.pretraining.foreign import Foreign


@pytest.fixture(scope="module")
def berts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bert(tmp_path_factory.mktemp("hf") / "bert")


@pytest.fixture(scope="module")
def gpts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gpt2(tmp_path_factory.mktemp("hf") / "gpt2")


def own(folder: Path) -> Transformer:
    made = Foreign(folder).encoder()
    assert isinstance(made, Transformer)
    return made


def test_the_rows_of_symbols_are_theirs_in_our_order(berts: Path, gpts: Path) -> None:
    for folder, table in ((berts, "bert.embeddings.word_embeddings.weight"), (gpts, "wte.weight")):
        theirs = safetensors.torch.load_file(folder / "model.safetensors")[table]
        number = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
        encoder = own(folder)
        assert "[CLS]" not in encoder.words and "<|endoftext|>" not in encoder.words
        for row, word in enumerate(encoder.words):
            assert torch.equal(encoder.token.weight[row], theirs[number[word]])
        marks = ["[UNK]", "[SEP]", "[CLS]", "[MASK]"] if folder == berts else ["<|endoftext|>", "Ċ", "<|endoftext|>"]
        wanted = theirs[[number[mark] for mark in marks]]
        assert torch.equal(encoder.token.weight[len(encoder.words) :], wanted)


def test_text_is_split_as_their_tokenizer_does(berts: Path, gpts: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    for folder in (berts, gpts):
        there = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        for text in SENTENCES:
            plain = " ".join(text.split())
            found = there.encode(f" {plain}" if folder == gpts else plain, add_special_tokens=False).tokens
            assert tokenise_as(own(folder).spec["input"], text) == found


def test_transformers_own_models_give_the_same(berts: Path, gpts: Path) -> None:
    transformers = pytest.importorskip("transformers")
    for folder in (berts, gpts):
        encoder, model = own(folder), transformers.AutoModel.from_pretrained(folder).eval()
        there = transformers.AutoTokenizer.from_pretrained(folder)
        text = "the cat isn't on the mat"
        ids = there(text)["input_ids"] if folder == berts else [0, *there(f" {text}")["input_ids"]]
        with torch.no_grad():
            wanted = model(input_ids=torch.tensor([ids])).last_hidden_state
            found = encoder.hidden(torch.tensor([encoder.numbers(tokenise_as(encoder.spec["input"], text))]))[-1]
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_a_run_starts_from_it(tmp_path: Path, berts: Path) -> None:
    (tmp_path / "text.txt").write_text("\n".join(TEXT[:1] * 4))
    out, flags = tmp_path / "run", ["--steps", "1", "--lr", "1e-9", "--batch-size", "2", "--no-nsp"]
    assert (
        main(["pretrain", "bert", str(tmp_path / "text.txt"), "--init", f"hf/{berts}", "--out", str(out), *flags]) == 0
    )
    run, wanted = selftaught.load(out), own(berts)
    encoder = run.encoder
    assert isinstance(encoder, Transformer)
    assert run.config.encoder_arguments["norm"] == "post" and encoder.spec["eps"] == 1e-12
    assert set(encoder.words) == set(wanted.words)  # those that the text does not have, too
    for text in SENTENCES:
        tokens = tokenise_as(encoder.spec["input"], text)
        assert tokens == tokenise_as(wanted.spec["input"], text)
        torch.testing.assert_close(encoder([tokens]), wanted([tokens]), atol=1e-4, rtol=1e-4)
    assert main(["resume", str(out), "--steps", "1"]) == 0


def test_its_encoder_alone_is_a_run_without_a_method(berts: Path) -> None:
    run = selftaught.load(f"hf/{berts}")
    assert run.embed(TEXT).shape == (2, 12) and selftaught.load(berts).encoder.spec == run.encoder.spec
    with pytest.raises(UserError, match="is a Hugging Face folder, not a run folder"):
        _ = run.config


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"model_type": "vit"}, "holds the architecture vit: a run of text can start from gpt2, bert, megatron-bert"),
        ({"hidden_act": "relu"}, "a bert with the activation relu, which our encoder does not have"),
        ({"intermediate_size": 50}, "an MLP of 50 units instead of 4 x 12"),
        ({"position_embedding_type": "relative_key"}, "positions that are not absolute"),
        ({"type_vocab_size": 1}, "1 kinds of segments instead of 2"),
        ({"is_decoder": True}, "a bert with a decoder"),
        ({"hidden_size": None}, "config.json does not say hidden_size"),
        ({"num_hidden_layers": 3}, "do not fit its config.json"),
    ],
)
def test_another_architecture_gets_a_sentence(tmp_path: Path, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        own(bert(tmp_path / "bert", **settings))


def test_a_tokenizer_that_does_not_match_gets_a_sentence(tmp_path: Path, gpts: Path) -> None:
    folder = bert(tmp_path / "bert")
    (folder / "tokenizer.json").write_bytes((gpts / "tokenizer.json").read_bytes())
    with pytest.raises(UserError, match=r"tokenizer and model in .* do not match: 300 symbols and"):
        own(folder)
    content = json.loads((folder / "tokenizer.json").read_text())
    content["model"] = {"type": "Unigram", "vocab": [["a", 0.0]]}
    (folder / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match="of the type Unigram"):
        own(folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=r"tokenizer.json does not exist: save model and tokenizer"):
        own(folder)


def test_what_is_no_folder_gets_a_sentence(tmp_path: Path, berts: Path, gpts: Path) -> None:
    with pytest.raises(UserError, match=r"there is no folder with a config.json of Hugging Face"):
        selftaught.pretrain("bert", TEXT, init="hf/nowhere", out=tmp_path / "run", steps=1, progress=False)
    with pytest.raises(UserError, match="bert needs the encoder transformer, not causal_transformer"):
        selftaught.pretrain("bert", TEXT, init=f"hf/{gpts}", out=tmp_path / "run", steps=1, progress=False)
    with pytest.raises(UserError, match=r"weight is \[\d+, 12\] there and \[\d+, 24\] in encoder transformer"):
        selftaught.pretrain(
            "bert", TEXT, init=f"hf/{berts}",
            encoder={"name": "transformer", "width": 24, "context": 24, "norm": "post"},
            tokens=f"hf/{berts}", out=tmp_path / "run", steps=1, progress=False,
        )  # fmt: skip
