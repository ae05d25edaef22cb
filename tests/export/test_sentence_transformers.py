"""Folders for sentence-transformers: what it makes of texts is what `embed` gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from foreign_folders import SENTENCES, TEXT

from selftaught import encoders
from selftaught.data.text.opening import open_text
from selftaught.errors import UserError
from selftaught.export import folder
from selftaught.export.sentence_transformers import files
from selftaught.method import Encoder
from selftaught.parts.tokens import tokenise_as

WORDS = {"dim": 6, "min_count": 1}
NETWORK = {"width": 12, "depth": 2, "heads": 3, "context": 24, "min_count": 1}


def build(name: str, tokens: str = "words", **arguments: Any) -> Encoder:
    torch.manual_seed(0)
    if tokens.startswith("bpe"):
        pytest.importorskip("tokenizers")
    encoder = encoders.build(name, open_text(TEXT, "all", tokens=tokens).input(), **arguments)
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return encoder.eval()


def own(encoder: Encoder, texts: list[str]) -> np.ndarray:
    with torch.no_grad():
        found: np.ndarray = encoder([tokenise_as(encoder.spec["input"], text) for text in texts]).numpy()
    return found


@pytest.mark.parametrize("tokens", ["words", "characters", "whitespace", "exact"])
def test_words_that_are_not_known_are_left_out(tmp_path: Path, tokens: str) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    encoder: Any = build("lookup", tokens, **WORDS)
    folder.write(tmp_path / "out", files(encoder))
    there = tokenizers.Tokenizer.from_file(str(tmp_path / "out" / "0_StaticEmbedding" / "tokenizer.json"))
    for text in [*SENTENCES, "a ab ba zebra cat"]:
        split = tokenise_as(encoder.spec["input"], text)
        assert there.encode(text, add_special_tokens=False).ids == encoder.rows(split).tolist(), text


CASES = [
    ("lookup", "words", WORDS), ("transformer", "words", NETWORK), ("transformer", "bpe:300", NETWORK),
    ("transformer", "words", {**NETWORK, "norm": "post", "pool": "first"}),
    ("causal_transformer", "words", NETWORK), ("causal_transformer", "words", {**NETWORK, "pool": "last"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "tokens", "arguments"), CASES)
def test_sentence_transformers_gives_our_features(
    tmp_path: Path, name: str, tokens: str, arguments: dict[str, Any]
) -> None:
    package = pytest.importorskip("sentence_transformers")
    encoder = build(name, tokens, **arguments)
    folder.write(tmp_path / "out", files(encoder))
    texts = ["the cat", "a dog sat on the mat", "сафе zebra был", "the cat isn't on the mat"]
    found = package.SentenceTransformer(str(tmp_path / "out"), device="cpu").encode(texts)
    np.testing.assert_allclose(found, own(encoder, texts), atol=1e-5)


def test_the_modules_are_in_order(tmp_path: Path) -> None:
    made = files(build("transformer", **NETWORK))
    modules = json.loads(bytes(made["modules.json"]))  # type: ignore[arg-type]
    assert [(m["path"], m["type"].rpartition(".")[2]) for m in modules] == [
        ("", "Transformer"), ("1_WordWeights", "WordWeights"), ("2_Pooling", "Pooling")
    ]  # fmt: skip
    assert {m["path"] for m in modules[1:]} == {str(Path(name).parent) for name in made if "/" in name}
    weights = json.loads(bytes(made["1_WordWeights/config.json"]))  # type: ignore[arg-type]
    assert set(weights["word_weights"]) == {"[SEP]", "[CLS]", "[MASK]", "[PAD]"}  # marks count nothing
    made = files(build("transformer", pool="first", **NETWORK))
    assert json.loads(bytes(made["1_Pooling/config.json"]))["pooling_mode_cls_token"] is True  # type: ignore[arg-type]


def test_other_encoders_get_a_sentence() -> None:
    with pytest.raises(UserError, match="encoder bag, which sentence-transformers does not know"):
        files(build("bag"))
    with pytest.raises(UserError, match="vectors of pieces of words"):
        files(build("lookup", "bpe:300", **WORDS))
